"""Several processes as one qproxy: how they start, who is started again, how they stop, what they share."""

import asyncio
import json
import re
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import psutil
import pytest
from a_process import ProcessSite, command, process_site
from a_site import PASSWORD, farewell, greeting
from flows.wire import Reply, Wire, wire
from the_workers import peers_of, wire_to, wire_to_internal, workers_of
from waiting import eventually

from qproxy.auth.guesses import PAIR
from qproxy.observe import verify_audit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes share a port on Linux only")
COOKIE = "X-Qlik-Session-sales-HTTP"
REOPEN: signal.Signals = getattr(signal, "SIGUSR1", signal.SIGTERM)
HEADS = 'qproxy_requests_total{method="HEAD",status="2xx",vp="sales"}'
"""No other request of these tests is one."""
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[ProcessSite]:
    async with process_site(tmp_path, server="workers: 2") as built:
        yield built


async def person_in(qlik: ProcessSite) -> aiohttp.ClientSession:
    person = qlik.browser()
    await qlik.log_in(person)
    return person


def cookie_of(qlik: ProcessSite, person: aiohttp.ClientSession) -> str:
    return f"Cookie: {COOKIE}={qlik.cookie(person)}"


async def numbers(qlik: ProcessSite) -> dict[str, float]:
    async with aiohttp.ClientSession() as probe, probe.get(f"{qlik.internal}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


async def until(qlik: ProcessSite, name: str, value: float) -> None:
    """The metric has this value, whoever is asked."""
    async with asyncio.timeout(15):
        while (await numbers(qlik)).get(name) != value:
            pass


async def post_form(one: Wire, other: Wire, name: str, password: str) -> Reply:
    """A login page that `one` shows, sent to `other`."""
    page = await one.ask("GET /qproxy/login/sales", "Accept: text/html")
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.body.decode()))
    kept = page.values("Set-Cookie")[0].partition(";")[0]
    body = urlencode(hidden | {"name": name, "password": password}).encode()
    return await other.ask("POST /qproxy/login/sales", FORM, f"Cookie: {kept}", body=body)


# --- one qproxy ---


async def test_a_login_page_of_one_worker_is_taken_by_the_other_and_both_know_the_session(
    qlik: ProcessSite,
) -> None:
    first, second = workers_of(qlik)
    async with wire_to(qlik, first) as one, wire_to(qlik, second) as other:
        done = await post_form(one, other, "ann", PASSWORD)
    session = done.values("Set-Cookie")[0].partition(";")[0]
    assert (done.status, session.partition("=")[0]) == (303, COOKIE)
    for worker in (first, second):
        async with wire_to(qlik, worker) as browser:
            assert (await browser.ask("GET /sales/hub/", f"Cookie: {session}")).status == 200


async def test_a_logout_at_one_worker_closes_the_sockets_of_the_other(qlik: ProcessSite) -> None:
    person = await person_in(qlik)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await qlik.log_out(person)
        async with asyncio.timeout(2.0):
            assert (await farewell(ws))[:2] == (["OnSessionLoggedOut"], 1001)


async def test_a_session_whose_time_is_over_ends_once_though_all_look_for_it(tmp_path: Path) -> None:
    async with process_site(tmp_path, server="workers: 2", vp="lifetime: {idle: 1s}") as qlik:
        await person_in(qlik)
        audit = qlik.directory / "audit.log"
        await eventually(lambda: '"event":"session_ended"' in audit.read_text(), within=15.0)
        await qlik.stop()
        assert audit.read_text().count('"event":"session_ended"') == 1


async def test_a_session_that_qlik_tells_one_worker_of_is_soon_known_to_one_that_did_not_know_it(
    qlik: ProcessSite,
) -> None:
    first, second = workers_of(qlik)
    told = {"UserDirectory": "NONE", "UserId": "anonymous", "Attributes": [], "SessionId": "made-by-qlik"}
    module = "/session-module/sales/session"
    async with wire_to_internal(qlik, first) as one, wire_to_internal(qlik, second) as other:
        assert (await other.ask(f"GET {module}/made-by-qlik")).status == 404
        assert (await one.ask(f"POST {module}", body=json.dumps(told).encode())).status == 201
        async with asyncio.timeout(3.0):
            while (await other.ask(f"GET {module}/made-by-qlik")).status == 404:
                pass


async def test_a_guesser_has_no_more_tries_than_with_one_worker(qlik: ProcessSite) -> None:
    statuses = []
    for number in range(PAIR.free + 2):
        async with wire_to(qlik, workers_of(qlik)[number % 2]) as one, wire(qlik) as page:
            statuses.append((await post_form(page, one, "ann", "wrong")).status)
    assert statuses == [403] * PAIR.free + [429] * 2


async def test_metrics_are_the_sum_whoever_is_asked(qlik: ProcessSite) -> None:
    cookie = cookie_of(qlik, await person_in(qlik))
    for worker in workers_of(qlik):
        async with wire_to(qlik, worker) as browser:
            assert await asking(browser, cookie, 10, "HEAD") == {200}
    await until(qlik, HEADS, 20)
    found = await numbers(qlik)
    assert found['qproxy_logins_total{method="password_file",outcome="accepted",vp="sales"}'] == 1
    assert [found[f'qproxy_worker_up{{worker="{number}"}}'] for number in (1, 2)] == [1, 1]


async def test_a_worker_that_hangs_is_named_in_the_metrics_and_its_counts_stay(qlik: ProcessSite) -> None:
    cookie = cookie_of(qlik, await person_in(qlik))
    first, second = workers_of(qlik)
    async with wire_to(qlik, second) as browser, wire_to_internal(qlik, first) as probe:
        assert await asking(browser, cookie, 10, "HEAD") == {200}
        await until(qlik, HEADS, 10)
        second.suspend()
        try:
            async with asyncio.timeout(15):
                while b'qproxy_worker_up{worker="2"} 0.0' not in (text := (await probe.ask("GET /metrics")).body):
                    pass
        finally:
            second.resume()
    assert f"{HEADS} 10.0".encode() in text
    await until(qlik, 'qproxy_worker_up{worker="2"}', 1)


async def test_both_workers_write_whole_lines_into_the_same_logs(qlik: ProcessSite) -> None:
    person = await person_in(qlik)
    async with wire_to(qlik, workers_of(qlik)[0]) as one, wire_to(qlik, workers_of(qlik)[1]) as other:
        await asyncio.gather(*(asking(wire_, cookie_of(qlik, person), 300) for wire_ in (one, other)))
    await qlik.stop()
    lines = [json.loads(line) for line in (qlik.directory / "access.log").read_text().splitlines()]
    assert sum(line["target"].startswith("/sales/hub/?n=") for line in lines) == 600
    assert verify_audit(qlik.directory / "audit.log") == []
    assert len({json.loads(line)["chain"] for line in (qlik.directory / "audit.log").read_text().splitlines()}) == 2


async def asking(browser: Wire, cookie: str, times: int, method: str = "GET") -> set[int]:
    return {(await browser.ask(f"{method} /sales/hub/?n={number}", cookie)).status for number in range(times)}


async def test_lines_on_stdout_are_whole_too(tmp_path: Path) -> None:
    logging = "logging: {access: stdout, audit: stdout}"
    async with process_site(tmp_path, server=f"workers: 2\n{logging}") as qlik:
        cookie = cookie_of(qlik, await person_in(qlik))
        async with wire_to(qlik, workers_of(qlik)[0]) as one, wire_to(qlik, workers_of(qlik)[1]) as other:
            await asyncio.gather(*(asking(wire_, cookie, 300) for wire_ in (one, other)))
        await qlik.stop()
        lines = [json.loads(line) for line in qlik.process.said.decode().splitlines()]
    assert sum(line.get("target", "").startswith("/sales/hub/?n=") for line in lines) == 600


async def test_rotated_logs_are_opened_anew_by_all(qlik: ProcessSite) -> None:
    log, old = qlik.directory / "access.log", qlik.directory / "access.log.1"
    shutil.move(log, old)
    qlik.process.send(REOPEN)
    await eventually(lambda: (qlik.directory / "audit.log").read_text().count('"continued":true') == 2)
    for worker in workers_of(qlik):
        async with wire_to(qlik, worker):
            await eventually(lambda: log.exists() and "/sales/x" in log.read_text())
        log.unlink()
        qlik.process.send(REOPEN)
        await eventually(log.exists)


async def test_application_lines_say_which_worker_wrote_them(qlik: ProcessSite) -> None:
    await qlik.stop()
    found = [json.loads(line) for line in qlik.process.errors.splitlines()]
    assert {line.get("worker") for line in found} == {None, 1, 2}


# --- who dies is started again ---


async def test_a_killed_worker_is_started_again_the_other_goes_on_and_nobody_is_logged_out(qlik: ProcessSite) -> None:
    person = await person_in(qlik)
    cookie = cookie_of(qlik, person)
    first, second = workers_of(qlik)
    async with wire_to(qlik, second) as browser:
        asked = asyncio.create_task(asking(browser, cookie, 400))
        first.kill()
        await eventually(lambda: len({one.pid for one in workers_of(qlik)} - {first.pid, second.pid}) == 1)
        assert await asked == {200}
    await until(qlik, 'qproxy_worker_starts_total{worker="1"}', 2)
    async with wire_to(qlik, workers_of(qlik)[-1]) as browser:
        assert await asking(browser, cookie, 5) == {200}
    assert "was ended by signal 9" in qlik.process.errors


async def test_what_a_killed_worker_has_counted_stays_counted(qlik: ProcessSite) -> None:
    cookie = cookie_of(qlik, await person_in(qlik))
    for worker in workers_of(qlik):
        async with wire_to(qlik, worker) as browser:
            assert await asking(browser, cookie, 10, "HEAD") == {200}
    await until(qlik, HEADS, 20)
    workers_of(qlik)[0].kill()
    await until(qlik, 'qproxy_worker_starts_total{worker="1"}', 2)
    assert (await numbers(qlik))[HEADS] == 20


async def test_one_worker_can_be_renewed_by_a_signal_of_its_own(qlik: ProcessSite) -> None:
    first, second = workers_of(qlik)
    async with wire_to(qlik, first) as idle:
        first.terminate()
        assert await idle.ended() == b""
    await eventually(lambda: len({one.pid for one in workers_of(qlik)} - {first.pid, second.pid}) == 1)
    assert "ended with status 0" in qlik.process.errors


async def test_when_no_worker_is_left_and_none_can_start_it_gives_up_with_a_status(qlik: ProcessSite) -> None:
    audit = qlik.directory / "audit.log"
    audit.unlink()
    audit.mkdir()
    for worker in workers_of(qlik):
        worker.kill()
    assert await qlik.process.ended() == 1
    assert "giving up" in qlik.process.errors


# --- how they stop ---


async def test_sigterm_ends_all_of_them_with_status_0_after_telling_sockets(qlik: ProcessSite) -> None:
    person, family = await person_in(qlik), workers_of(qlik)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        qlik.process.send(signal.SIGTERM)
        assert (await farewell(ws))[1:] == (1001, "qproxy is restarting")
    await eventually(lambda: qlik.manager.told("STOPPING=1"))
    assert await qlik.process.ended() == 0
    assert not any(one.is_running() for one in family)
    assert not re.search(r'"level":"(error|warning)"|Traceback', qlik.process.errors)


async def test_an_interrupt_from_the_keyboard_reaches_all_and_still_lets_them_drain(tmp_path: Path) -> None:
    async with process_site(tmp_path, server="workers: 2") as qlik, wire(qlik) as idle:
        for one in (*workers_of(qlik), psutil.Process(qlik.process.pid)):
            one.send_signal(signal.SIGINT)
        assert await idle.ended() == b""
        assert await qlik.process.ended() == 0
        assert "Traceback" not in qlik.process.errors


async def test_a_second_signal_ends_all_at_once(tmp_path: Path) -> None:
    async with process_site(tmp_path, server="workers: 2\ntimeouts: {drain: 1h}") as qlik, wire(qlik) as browser:
        family, person = workers_of(qlik), await person_in(qlik)
        await browser.send(f"GET /sales/slow?s=600 HTTP/1.1\r\nHost: {browser.host}\r\n".encode())
        await browser.send(f"{cookie_of(qlik, person)}\r\n\r\n".encode())
        await eventually(lambda: qlik.node.journal("http"))
        qlik.process.send(signal.SIGTERM)
        await eventually(lambda: qlik.manager.told("STOPPING=1"))
        qlik.process.send(signal.SIGTERM)
        assert await qlik.process.ended(within=5.0) == -signal.SIGTERM
        await eventually(lambda: not any(one.is_running() for one in family))


async def test_workers_end_by_themselves_when_their_parent_was_killed(qlik: ProcessSite) -> None:
    family = workers_of(qlik)
    qlik.process.kill()
    await qlik.process.ended()
    await eventually(lambda: not any(one.is_running() for one in family))


# --- when they cannot start ---


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_second_qproxy_does_not_quietly_share_the_port(qlik: ProcessSite, workers: int) -> None:
    server = qlik.directory / "server.yaml"
    server.write_text(json.dumps(json.loads(server.read_text()) | {"workers": workers}))
    async with command("run", str(qlik.directory)) as process:
        assert await process.ended() == 1
    assert re.search(r"cannot start: .*127\.0\.0\.1.*another program listens there", process.errors)
    assert "Traceback" not in process.errors


async def test_what_keeps_all_from_starting_is_said_once_and_ends_all(qlik: ProcessSite) -> None:
    await qlik.stop()
    (qlik.directory / "sessions.db").write_bytes(b"this is no database" * 100)
    async with command("run", str(qlik.directory)) as process:
        assert await process.ended() == 1
    assert process.errors.count("cannot start") == 1
    assert "sessions.db" in process.errors


async def test_the_system_may_choose_the_port_for_all(tmp_path: Path) -> None:
    async with process_site(tmp_path, server="workers: 2\ninternal: {listen: ['127.0.0.1:0']}") as qlik:
        first, second = (listening(worker) for worker in workers_of(qlik))
        assert (first == second, len(first)) == (True, 2)


def listening(worker: psutil.Process) -> set[object]:
    return {one.laddr for one in worker.net_connections("tcp") if one.status == psutil.CONN_LISTEN}


async def test_a_tls_session_of_one_worker_is_resumed_by_the_other(tmp_path: Path) -> None:
    async with process_site(tmp_path, server="workers: 2", tls=True) as qlik:
        assert qlik.certificates is not None
        context = qlik.certificates.of_client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # where a session is there as soon as the handshake is over
        found = await asyncio.to_thread(resumed, qlik, context, 100)
    assert found == {(first, again, True) for first in (0, 1) for again in (0, 1)}


def resumed(qlik: ProcessSite, context: ssl.SSLContext, times: int) -> set[tuple[int, int, bool]]:
    """At which worker a session was made, at which one it was used again, and whether it was taken."""
    found = set()
    for _ in range(times):
        made, session, _ = connected(qlik, context, None)
        again, _, taken = connected(qlik, context, session)
        found.add((made, again, taken))
        if len(found) == 4:
            break
    return found


def connected(
    qlik: ProcessSite, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[int, ssl.SSLSession | None, bool]:
    plain = socket.create_connection(("127.0.0.1", int(qlik.origin.rpartition(":")[2])))
    with context.wrap_socket(plain, server_hostname="localhost", session=session) as sock:
        sock.sendall(b"GET /sales/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sock.recv(1)
        ours = sock.getsockname()[1]
        number = next(number for number, worker in enumerate(workers_of(qlik)) if ours in peers_of(worker))
        return number, sock.session, bool(sock.session_reused)
