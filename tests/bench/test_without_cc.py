"""Without a C compiler nginx and wrk stand in, held to the same: all that is sent is seen, and nothing wrong passes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.request import urlopen

import needs
import pytest
from bench.two_programs import Load

from bench import without_cc
from bench.build import BuildError
from bench.load import Failed, Report
from bench.measure import Goal, Ran, Scene, check, run, words
from bench.results import Results
from bench.site import Site, new_site
from bench.without_cc import Players
from bench.workloads import WORKLOADS, chosen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark pins processes, which only Linux can")
RUN = Path(__file__).resolve().parent.parent.parent / "bench" / "run.py"
HERE = os.getpid()


@pytest.fixture(scope="module")
def players(tmp_path_factory: pytest.TempPathFactory) -> Players:
    needs.require("nginx")
    needs.require("wrk")
    return without_cc.players(0, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("wrk") / "site")


@pytest.fixture(scope="module")
def scene(players: Players, site: Site) -> Iterator[Scene]:
    with closing(players.upstream(site)) as upstream:
        yield Scene(site, upstream, players.load)


def told(scene: Scene, path: str, *more: str) -> dict[str, Any]:
    """What the load says of ten requests."""
    load = Load(scene.load_binary, scene.site.work)
    port = [] if "--port" in more else ["--port", str(scene.site.upstream_port)]
    return load.run("http", f"GET /a/{path}", *port, "--connections", "3", "--count", "10", *more)


# --- what was sent was seen ---


@pytest.mark.parametrize("name", ["get-1k", "get-1k-tls", "get-100k", "download"])
def test_what_the_load_sent_the_upstream_saw(scene: Scene, name: str) -> None:
    workload = chosen([name])[0]
    few = replace(workload, options=("--count", "4") if "--count" in workload.options else ("--seconds", "0.1"))
    ran = run(scene, words(scene.site, few, Goal.upstream(few, scene.site)), HERE)
    assert check(ran, ran.report.requests).report.operations == ran.report.requests


def test_a_count_is_kept_to_the_request(scene: Scene) -> None:
    scene.upstream.counters(reset=True)
    assert told(scene, "1024b", "--expect", "1024")["operations"] == 10
    assert scene.upstream.counters().requests == 10


def test_requests_vary(scene: Scene, site: Site) -> None:
    """Only every second one is of a size that is there."""
    lines = [f"GET /{size}b HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for size in (1024, 1)]
    (site.work / "two").write_bytes(b"".join(b"%08x\n%b" % (len(line), line) for line in lines))
    given = ["http", "--port", str(site.upstream_port), "--requests", str(site.work / "two"), "--expect", "1024"]
    done = subprocess.run([scene.load_binary, *given, "--count", "10"], capture_output=True, check=True, timeout=60)
    report = json.loads(done.stdout)
    assert (report["operations"], report["bad_status"]) == (5, 5)


# --- nothing wrong passes ---


def failing(scene: Scene, report: dict[str, Any]) -> pytest.ExceptionInfo[Failed]:
    with pytest.raises(Failed) as found:
        check(Ran(Report.read(report), scene.upstream.counters(), 1.0, 1.0), report["requests"])
    return found


def test_a_wrong_status_is_caught(scene: Scene) -> None:
    assert "10 bad_status; the first error was: status 404" in str(failing(scene, told(scene, "7b", "--expect", "7")))


def test_a_wrong_length_is_caught(scene: Scene) -> None:
    report = told(scene, "1024b", "--expect", "1000")
    assert "10 bad_length; the first error was: a body of 1024 bytes, not 1000" in str(failing(scene, report))


def test_a_request_that_the_load_did_not_send_is_caught(scene: Scene, site: Site) -> None:
    scene.upstream.counters(reset=True)
    report = told(scene, "1024b", "--expect", "1024")
    urlopen(f"http://127.0.0.1:{site.upstream_port}/1024b").close()
    assert "Counters(requests=10, messages=0, bodies=0), but the upstream saw Counters(requests=11" in str(
        failing(scene, report)
    )


def test_a_certificate_of_another_authority_is_not_believed(scene: Scene, site: Site, tmp_path: Path) -> None:
    other = new_site(tmp_path / "other")
    given = ["--tls", "--ca", str(other.ca), "--server-name", "localhost", "--port", str(site.upstream_tls_port)]
    done = Load(scene.load_binary, tmp_path).done("http", "GET /1024b", *given, "--count", "1", "--expect", "1024")
    assert (done.returncode, "CERTIFICATE_VERIFY_FAILED" in done.stderr) == (1, True)


class HalfAnAnswer(BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + bytes(1000))


def test_an_answer_that_breaks_off_is_caught(scene: Scene) -> None:
    with ThreadingTCPServer(("127.0.0.1", 0), HalfAnAnswer) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        report = told(scene, "1024b", "--expect", "1024", "--port", str(server.server_address[1]))
        server.shutdown()
    assert report["errors"] > 0
    assert "no operation was completed" in str(failing(scene, report))


# --- what is left out ---


@pytest.mark.parametrize(
    "name", ["upload", "ws-200b-1", "hub", "rate-1000", "connect-full", "idle-1000", "slow-reader"]
)
def test_what_wrk_cannot_do_needs_a_compiler(name: str) -> None:
    assert str(without_cc.lacks(chosen([name])[0])).startswith("needs a C compiler: ")


def test_gets_downloads_and_what_is_our_own_need_none() -> None:
    able = {one.name for one in WORKLOADS if not without_cc.lacks(one)}
    gets = {"get-1k", "get-1k-tls", "get-100k", "get-100k-tls", "download", "download-tls"}
    assert able == gets | {"session-module", "logins"}


def test_no_compiler_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert without_cc.needed()


def test_without_wrk_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(without_cc, "lacking", lambda program, package: f"no {program}: apt-get install {package}")
    with pytest.raises(BuildError, match=r"without a C compiler: .*; but no nginx: apt-get install nginx-light"):
        without_cc.players(0, tmp_path)


@pytest.mark.skipif(sys.platform == "linux" and len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_small_run_measures_and_says_what_it_leaves_out(players: Players, tmp_path: Path) -> None:
    assert players.notice == without_cc.NOTICE
    file = tmp_path / "samples.jsonl"
    given = ["--without-cc", "--only", "get-1k,ws-200b-1", "--peers", "nginx,qproxy", "--rounds", "1"]
    command = [sys.executable, str(RUN), *given, "--seconds", "0.1", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "ws-200b-1 is left out: needs a C compiler: wrk speaks no WebSocket\n" in done.stderr
    found = Results.read(file)
    assert {(one.workload, one.peer) for one in found.samples} == {("get-1k", "nginx"), ("get-1k", "qproxy")}
    assert found.setting["notice"] == without_cc.NOTICE
