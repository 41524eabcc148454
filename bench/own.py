"""Measurements of what only qproxy does: answering Qlik's session module, and logging people in.

They go to qproxy's own pages, so the upstream must see nothing of them.
"""

import http.client
import json
import time

from bench import heads, machine
from bench.load import Failed
from bench.measure import Figures, Scene, check, lasting, run
from bench.peers.peer import Running
from bench.peers.sign_in import SignInError, sign_in
from bench.site import HOST
from bench.workloads import Workload

VP = heads.PREFIX.strip("/")
LOGINS_S = 3.0
IDLE_S = 1.0


def module(scene: Scene, workload: Workload, running: Running) -> Figures:
    """GETs of living sessions at the internal port, as Qlik's proxy service asks."""
    target = f"/session-module/{VP}/session/{running.cookie.partition('=')[2]}"
    length = _length_of_session(running.internal_port, target)
    request = f"GET {target} HTTP/1.1\r\nHost: {HOST}:{running.internal_port}\r\nAccept: application/json\r\n\r\n"
    file = scene.site.work / "module"
    file.write_bytes(heads.framed([request.encode("ascii")]))
    goal = ["--port", str(running.internal_port), "--requests", str(file), "--expect", str(length)]
    given = [workload.mode, *goal, "--connections", str(workload.connections), *lasting(scene.seconds)]
    return check(run(scene, given, running.pid), 0).figures()


def _length_of_session(port: int, target: str) -> int:
    """Of the answer's body, once it was seen to be a session."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK or "SessionId" not in json.loads(body):
        raise Failed(f"the session module answers {answer.status}: {body[:200]!r}")
    return len(body)


def logins(scene: Scene, workload: Workload, running: Running) -> Figures:
    """A form opened and posted, one after the other, with real hashes; the hashing itself is left out.

    A weak hash would be replaced at its first login, so the file holds real ones. One thread hashes, and its lanes run
    in threads that have ended when they are read: so it is the costliest thread but the event loop's. What qproxy
    costs without any login is left out, too.
    """
    sign_in(running.port, VP, None)
    idle = _seconds_asleep(running.pid)
    scene.upstream.counters(reset=True)
    started, before = time.monotonic(), machine.seconds_by_thread(running.pid)
    done = 0
    while time.monotonic() < started + max(LOGINS_S, scene.seconds):
        try:
            sign_in(running.port, VP, None)
        except SignInError as error:
            raise Failed(str(error)) from error
        done += 1
    took, after = time.monotonic() - started, machine.seconds_by_thread(running.pid)
    if scene.upstream.counters().requests:
        raise Failed("logins reached the upstream")
    used = {thread: seconds - before.get(thread, 0.0) for thread, seconds in after.items()}
    costliest = max(seconds for thread, seconds in used.items() if thread != running.pid)
    cpu = sum(used.values()) - costliest - idle * took
    return {"cpu_us": cpu / done * 1e6, "per_core_s": done / cpu, "per_second": done / took}


def _seconds_asleep(pid: int) -> float:
    """CPU that it uses in a second in which nobody asks for anything."""
    before = machine.cpu_seconds(pid)
    time.sleep(IDLE_S)
    return (machine.cpu_seconds(pid) - before) / IDLE_S
