"""The benchmark's upstream and load keep their contract: what one sent the other saw, and nothing wrong passes."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs
import pytest
from bench.false_echo import SIZE, false_echo, late_server
from bench.two_programs import WITHIN, Load, Upstream
from waiting import wait_until

from bench import build
from bench.site import Site, new_site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench's programs are written for Linux (epoll)")
both = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@pytest.fixture(scope="module")
def programs() -> build.Programs:
    needs.require("cc")
    return build.build()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("c") / "site")


@pytest.fixture
def upstream(programs: build.Programs, site: Site) -> Iterator[Upstream]:
    words = [str(programs.upstream), "--port", "0", "--tls-port", "0"]
    words += ["--cert", str(site.certificate), "--key", str(site.key)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _, port, tls_port = process.stdout.readline().split()
        trust = ["--tls", "--ca", str(site.ca), "--server-name", "localhost"]
        yield Upstream(process, int(port), int(tls_port), trust)
        process.terminate()
        assert process.wait(WITHIN) == 0


@pytest.fixture
def load(programs: build.Programs, tmp_path: Path) -> Load:
    return Load(programs.load, tmp_path)


def went_well(told: dict[str, Any], operations: int) -> bool:
    wrong = sum(told[name] for name in ("errors", "bad_status", "bad_length", "bad_content", "unserved", "status"))
    return told["operations"] == operations and not wrong


# --- what was sent was seen ---


@both
def test_requests_are_counted_alike_on_both_sides(upstream: Upstream, load: Load, tls: bool) -> None:
    told = load.run("http", "GET /a/1024b", "--connections", "8", "--count", "300", *upstream.reach(tls))
    seen = upstream.counters()
    assert went_well(told, 300)
    assert (seen["requests"], seen["connections"], seen["open"]) == (300, 8, 0)


@both
def test_a_large_answer_is_counted_to_its_last_byte(upstream: Upstream, load: Load, tls: bool) -> None:
    told = load.run("http", "GET /a/20000000b", "--count", "2", *upstream.reach(tls))
    assert went_well(told, 2)
    assert told["bytes_in"] > 40_000_000


@both
def test_uploads_are_counted_alike_on_both_sides(upstream: Upstream, load: Load, tls: bool) -> None:
    head = "POST /up HTTP/1.1\r\nContent-Length: 3000000\r\nX-End:"
    told = load.run("http", head, "--upload", "3000000", "--connections", "2", "--count", "4", *upstream.reach(tls))
    assert went_well(told, 4)
    assert upstream.counters()["bodies"] == 12_000_000


@both
@pytest.mark.parametrize("size", [0, 5, 200, 16_384, 70_000, 1_048_576])
def test_messages_come_back_and_are_counted(upstream: Upstream, load: Load, size: int, tls: bool) -> None:
    words = ["--connections", "3", "--count", "12", "--size", str(size)]
    told = load.run("websocket", "GET /socket", *words, *upstream.reach(tls))
    assert went_well(told, 12)
    assert upstream.counters()["messages"] == 12


@both
def test_each_handshake_is_a_connection(upstream: Upstream, load: Load, tls: bool) -> None:
    told = load.run("handshake", "GET /a/10b", "--connections", "2", "--count", "10", *upstream.reach(tls))
    assert went_well(told, 10)
    assert told["resumed"] == 0
    assert upstream.counters()["connections"] == told["requests"] == 12


def test_sessions_are_resumed_when_asked_for(upstream: Upstream, load: Load) -> None:
    words = ["--connections", "2", "--count", "10", "--resume"]
    told = load.run("handshake", "GET /a/10b", *words, *upstream.reach(tls=True))
    assert went_well(told, 10)
    assert told["resumed"] == 10


def test_a_rate_is_kept(upstream: Upstream, load: Load) -> None:
    words = ["--rate", "500", "--seconds", "0.2", "--connections", "4"]
    assert went_well(load.run("rate", "GET /a/10b", *words, *upstream.reach(tls=False)), 100)
    assert upstream.counters()["requests"] == 100


@both
def test_a_hub_round_is_25_requests_and_4_sockets(upstream: Upstream, load: Load, tls: bool) -> None:
    upgrades = load.written("upgrades", "GET /socket")
    words = ["--upgrades", upgrades, "--count", "3", "--parallel", "2"]
    told = load.run("hub", "GET /a/500b", *words, *upstream.reach(tls))
    seen = upstream.counters()
    assert went_well(told, 3)
    assert (seen["requests"], seen["messages"], seen["connections"]) == (3 * 29, 3 * 4, 2 * 6 + 3 * 4)


@both
def test_a_slow_reader_reads_no_faster_than_told(upstream: Upstream, load: Load, tls: bool) -> None:
    words = ["--read-rate", "1000000", "--seconds", "0.2"]
    told = load.run("slow", "GET /a/50000000b", *words, *upstream.reach(tls))
    assert went_well(told, 1)
    assert 10_000 <= told["bytes_in"] <= 220_000


def test_idle_sockets_stay_open_until_stdin_ends(upstream: Upstream, load: Load) -> None:
    words = load.words("idle", "GET /socket", "--connections", "40", *upstream.reach(tls=False))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"open": 40, "errors": 0}
        assert upstream.counters()["open"] == 40
        process.stdin.close()
        assert process.wait(WITHIN) == 0
    wait_until(lambda: upstream.counters()["open"] == 0)


# --- what is wrong is seen ---


@pytest.mark.parametrize(
    ("head", "expected", "wrong"), [("GET /a/1024b", "1000", "bad_length"), ("GET /nothing", "1024", "bad_status")]
)
def test_a_wrong_answer_is_no_operation(upstream: Upstream, load: Load, head: str, expected: str, wrong: str) -> None:
    told = load.run("http", head, "--count", "20", "--expect", expected, *upstream.reach(tls=False))
    assert (told["operations"], told[wrong], told["requests"], told["status"]) == (0, 20, 20, 1)


@pytest.mark.parametrize("byte", [0, 15, 16, SIZE - 1])
async def test_an_echo_that_is_not_what_was_sent_is_seen(load: Load, byte: int) -> None:
    async with false_echo(spoilt=byte) as echo:
        told = await load.beside(
            "websocket", "GET /socket", "--count", "3", "--size", str(SIZE), "--port", str(echo.port)
        )
    assert (told["operations"], told["bad_content"]) == (0, 3)


async def test_an_echo_that_is_too_short_is_seen(load: Load) -> None:
    async with false_echo(cut=1) as echo:
        told = await load.beside(
            "websocket", "GET /socket", "--count", "3", "--size", str(SIZE), "--port", str(echo.port)
        )
    assert (told["operations"], told["bad_length"]) == (0, 3)


async def test_an_upgrade_with_a_wrong_accept_is_refused(load: Load) -> None:
    async with false_echo(accept="c3BvaWx0IHNwb2lsdCBzcG9pbHQ=") as echo:
        told = await load.beside("websocket", "GET /socket", "--count", "3", "--port", str(echo.port))
    assert (told["operations"], told["bad_status"], told["errors"]) == (0, 1, 1)


async def test_a_latency_counts_from_when_the_request_was_due(load: Load) -> None:
    async with late_server(first_answer_after=0.3) as port:
        told = await load.beside("rate", "GET /10b", "--rate", "100", "--seconds", "0.3", "--port", str(port))
    assert told["operations"] == 30
    assert told["p50_us"] > 100_000, "the requests that were due during the pause waited, half of them for 0.15 s"


@pytest.mark.parametrize(
    ("authority", "name", "reason"),
    [("other", "localhost", "certificate refused"), ("own", "elsewhere", "hostname mismatch")],
)
def test_tls_that_cannot_be_verified_is_refused(
    upstream: Upstream, load: Load, tmp_path: Path, authority: str, name: str, reason: str
) -> None:
    ca = new_site(tmp_path / "other").ca if authority == "other" else upstream.trust[2]
    words = ["--port", str(upstream.tls_port), "--tls", "--ca", str(ca), "--server-name", name]
    told = load.run("http", "GET /a/10b", "--count", "5", *words)
    assert (told["operations"], told["errors"], told["status"]) == (0, 1, 1)
    assert reason in told["first_error"]
    assert upstream.counters()["requests"] == 0


def test_a_server_that_never_answers_ends_the_load(load: Load) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        told = load.run("http", "GET /a/10b", "--count", "5", "--patience", "0.1", "--port", port)
    assert (told["operations"], told["errors"], told["first_error"]) == (0, 1, "nothing moved any more")


# --- start and end ---


def test_load_ends_on_sigterm_and_tells_what_it_did(upstream: Upstream, load: Load) -> None:
    words = load.words("http", "GET /a/10b", "--seconds", "60", *upstream.reach(tls=False))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: upstream.counters()["requests"] > 0)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=WITHIN)
    assert json.loads(out)["operations"] > 0


def test_load_waits_for_a_line_between_opening_and_the_clock(upstream: Upstream, load: Load) -> None:
    words = load.words("http", "GET /a/10b", "--count", "5", "--hold", *upstream.reach(tls=False))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"open": 1, "errors": 0}
        assert upstream.counters()["requests"] == 0
        out, _ = process.communicate("\n", timeout=WITHIN)
    assert json.loads(out)["operations"] == 5


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--count", "1"], "--port"),
        (["--port", "1"], "--seconds"),
        (["--port", "x"], "--port x"),
        (["--tls", "--port", "1"], "--ca"),
    ],
)
def test_wrong_arguments_are_named(load: Load, words: list[str], named: str) -> None:
    done = load.done("http", "GET /", *words)
    assert done.returncode == 2
    assert named in done.stderr


# --- the upstream by itself ---


def test_the_counters_do_not_count_themselves_and_are_reset(upstream: Upstream) -> None:
    upstream.ask("PUT", "/up", b"12345")
    counted = json.loads(upstream.ask("GET", "/counters?reset=1")[1])
    assert counted == {"requests": 1, "bodies": 5, "messages": 0, "connections": 1, "open": 0}
    assert set(upstream.counters().values()) == {0}


def test_a_chunked_body_is_answered_with_its_length(upstream: Upstream) -> None:
    _, answer = upstream.ask("POST", "/up", iter([b"x" * 70_000, b"y" * 3]))
    assert answer == b"70003"


def test_a_head_has_the_length_of_the_get_and_no_body(upstream: Upstream) -> None:
    headers, body = upstream.ask("HEAD", "/a/77b?xrfkey=1")
    assert (headers["Content-Length"], body) == ("77", b"")


# --- the build ---


def test_both_programs_compile_without_a_warning(programs: build.Programs) -> None:
    files = {str(path) for program in ("load", "upstream") for path in build.sources(program)}
    words = [build.compiler(), *build.FLAGS, "-Werror", "-fsyntax-only", *files]
    assert subprocess.run(words, capture_output=True, text=True, check=False).stderr == ""


def test_what_is_built_is_not_built_again(programs: build.Programs) -> None:
    before = programs.load.stat().st_mtime_ns
    assert build.build() == programs
    assert programs.load.stat().st_mtime_ns == before


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(build.BuildError, match=r"apt-get install .* gcc"):
        build.build(tmp_path)
