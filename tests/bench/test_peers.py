"""Each proxy that is measured does all that the load asks of it, and says so when it cannot."""

import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path
from socket import create_connection

import needs
import pytest
from bench.small_upstream import SmallUpstream, small_upstream
from waiting import wait_until

from bench import heads, install
from bench.peers.lineup import LINEUP, peer
from bench.peers.peer import Kind, Peer, PeerError, Running
from bench.peers.qproxy import QProxy
from bench.peers.relay import built
from bench.peers.sign_in import Person, SignInError, sign_in
from bench.site import HOST, SERVER_NAME, Site, free_port, new_site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark pins processes, which only Linux can")
CORE = 0
QUIET = "qproxy-quiet"
PARTS = {"nginx": "nginx", "nginx-64k": "nginx", "haproxy": "haproxy", "relay": "cc", "relay-256k": "cc"}
ONLY_IN_THE_BENCH = {"caddy", "node-http-proxy", "configurable-http-proxy"}
"""What only `bench/run.py --install` brings; a run looks at each of their answers itself."""
TESTED = [name for name in LINEUP if name not in ONLY_IN_THE_BENCH]
ALL = [(name, kind) for name in TESTED for kind in peer(name).kinds if name != QUIET or kind == "plain"]
everyone = pytest.mark.parametrize(("name", "kind"), ALL)
VERIFYING = [name for name in TESTED if "tls_both" in peer(name).kinds and name != QUIET]
# What a server makes of the key in heads.upgrade (RFC 6455, section 1.3).
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
Start = Callable[[str, Kind], Running]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("bench") / "site")


@pytest.fixture(scope="module")
def upstream(site: Site) -> Iterator[SmallUpstream]:
    with small_upstream(site) as running:
        yield running


@pytest.fixture(scope="module")
def start(site: Site, upstream: SmallUpstream) -> Iterator[Start]:
    """Each peer is started once; one whose process serves several kinds, for all of them."""
    known: list[Running] = []

    def started(name: str, kind: Kind) -> Running:
        for one in known:
            if one.name == name and one.ports.get(kind):
                return replace(one, kind=kind)
        known.append(usable(peer(name, kind)).start(site, CORE))
        stops.callback(known[-1].stop)
        return known[-1]

    with ExitStack() as stops:
        yield started


def usable(one: Peer) -> Peer:
    if one.name in PARTS:
        needs.require(PARTS[one.name])
    assert one.available() is None
    return one


class Browser:
    """One connection that sends what the load sends."""

    def __init__(self, running: Running, site: Site) -> None:
        tls = running.kind != "plain"
        self.browser = heads.Browser(running.port, tls, running.cookie)
        self.socket = create_connection((HOST, running.port), timeout=10)
        if tls:
            context = ssl.create_default_context(cafile=site.ca)
            self.socket = context.wrap_socket(self.socket, server_hostname=SERVER_NAME)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> HTTPResponse:
        self.socket.sendall(request)
        answer = HTTPResponse(self.socket)
        answer.begin()
        return answer

    def get(self, size: int, variant: int = 0) -> tuple[int, int]:
        """Status and length of the body."""
        answer = self.ask(heads.get(self.browser, variant, size))
        return answer.status, len(answer.read())

    def echo(self, message: bytes) -> bytes:
        """`message` has 126 to 65535 bytes; masked with zeros, so as it is."""
        size = len(message).to_bytes(2)
        self.socket.sendall(b"\x82\xfe" + size + bytes(4) + message)
        with self.socket.makefile("rb") as stream:
            assert stream.read(4) == b"\x82\x7e" + size
            return stream.read(len(message))


# --- what the load asks of each ---


@everyone
def test_an_answer_comes_through_whole(name: str, kind: Kind, start: Start, site: Site) -> None:
    with Browser(start(name, kind), site) as browser:
        assert browser.get(1024) == (200, 1024)
        assert browser.get(3_000_000) == (200, 3_000_000)


@everyone
def test_a_body_reaches_the_upstream_whole(name: str, kind: Kind, start: Start, site: Site) -> None:
    with Browser(start(name, kind), site) as browser:
        answer = browser.ask(heads.post(browser.browser, 1, 3_000_000) + bytes(3_000_000))
        assert (answer.status, answer.read()) == (200, b"3000000")


@everyone
def test_a_message_of_a_socket_comes_back(name: str, kind: Kind, start: Start, site: Site) -> None:
    with Browser(start(name, kind), site) as browser:
        answer = browser.ask(heads.upgrade(browser.browser, 1))
        assert (answer.status, answer.headers["Sec-WebSocket-Accept"]) == (101, ACCEPT)
        assert browser.echo(b"z" * 200) == b"z" * 200


@everyone
def test_the_upstream_connection_is_used_again(
    name: str, kind: Kind, start: Start, site: Site, upstream: SmallUpstream
) -> None:
    with Browser(start(name, kind), site) as browser:
        before = len(upstream.connections)
        assert {browser.get(1024, variant) for variant in range(20)} == {(200, 1024)}
    assert len(upstream.connections) - before <= 2


@everyone
def test_one_core_is_all_that_it_may_use(name: str, kind: Kind, start: Start, site: Site) -> None:
    status = Path(f"/proc/{start(name, kind).pid}/status").read_text()
    assert re.search(rf"(?m)^Cpus_allowed_list:\t{CORE}$", status)


@pytest.mark.parametrize("name", VERIFYING)
def test_an_upstream_of_another_authority_is_not_believed(
    name: str, site: Site, upstream: SmallUpstream, tmp_path: Path
) -> None:
    other = new_site(tmp_path / "other", site.upstream_port, site.upstream_tls_port)
    running = usable(peer(name, "tls_both")).start(other, CORE)
    try:
        with Browser(running, other) as browser:
            assert browser.get(1024)[0] in (500, 502, 503)
    finally:
        running.stop()


# --- one by one ---


@pytest.mark.parametrize("name", ["nginx", "haproxy", "naive", "qproxy"])
def test_each_request_is_in_the_access_log(name: str, start: Start, site: Site) -> None:
    running = start(name, "plain")
    log = running.folder / ("output.log" if name == "haproxy" else "access.log")
    with Browser(running, site) as browser:
        browser.get(4321, 5)
    wait_until(lambda: log.read_text().count("/4321b") == 1)


def test_a_quiet_qproxy_writes_no_access_log(start: Start, site: Site) -> None:
    running = start(QUIET, "plain")
    with Browser(running, site) as browser:
        browser.get(1024)
    assert not (running.folder / "access.log").exists()


def test_a_wrong_password_is_told_with_what_the_form_said(start: Start) -> None:
    with pytest.raises(SignInError, match=r"status 4.. without a session cookie"):
        sign_in(start("qproxy", "plain").port, "sales", None, Person("ann", "wrong password"))


def test_an_interpreter_without_qproxy_is_not_usable() -> None:
    why = QProxy(interpreter=Path("/usr/bin/false")).available()
    assert why is not None
    assert "/usr/bin/false cannot run qproxy" in why


def test_a_peer_that_ends_at_once_says_what_it_printed(site: Site) -> None:
    lost = replace(site, certificate=site.work / "missing.pem")
    with pytest.raises(PeerError, match=r"(?s)naive does not listen .*FileNotFoundError"):
        peer("naive").start(lost, CORE)


def test_stopping_ends_the_process_and_takes_its_files(site: Site) -> None:
    running = peer("naive").start(site, CORE)
    running.stop()
    assert not running.folder.exists()
    assert not Path(f"/proc/{running.pid}").exists()


# --- the relay ---


@pytest.fixture
def relay() -> Path:
    needs.require("cc")
    return built()


def test_the_relay_says_what_is_wrong_with_its_arguments(relay: Path) -> None:
    done = subprocess.run([relay, "--port", "70000"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "relay: --port must be from 1 to 65535, not 70000\n")


def test_the_relay_gives_a_slow_reader_all_bytes(relay: Path, start: Start, site: Site) -> None:
    with Browser(start("relay", "plain"), site) as browser:
        answer = browser.ask(heads.get(browser.browser, 0, 20_000_000))
        read = sum(len(answer.read(10_000)) for _ in range(2000))
        assert (read, answer.read()) == (20_000_000, b"")


def test_the_relay_passes_an_end_on(relay: Path, start: Start, site: Site) -> None:
    closing = heads.get(heads.Browser(1), 0, 10).replace(b"keep-alive", b"close")
    with Browser(start("relay", "plain"), site) as browser:
        browser.socket.sendall(closing)
        with browser.socket.makefile("rb") as stream:
            assert stream.read().endswith(b"x" * 10)


# --- heads, ports, installing ---


def test_no_two_variants_are_alike_and_all_have_the_fields_of_a_browser() -> None:
    made = [heads.get(heads.Browser(8000), variant, 1024) for variant in range(heads.VARIANTS)]
    assert len(set(made)) == heads.VARIANTS
    assert {one.count(b"\r\n") - 2 for one in made} == {15}


def test_each_variant_carries_the_session_among_foreign_cookies() -> None:
    head = heads.get(heads.Browser(8000, cookie="X-Qlik-Session-sales=abc"), 3, 1024)
    assert re.search(rb"\r\nCookie: _ga=\S+; OptanonConsent=\S+; X-Qlik-Session-sales=abc; lang=en\r\n", head)


def test_a_file_of_requests_has_each_after_its_length(tmp_path: Path) -> None:
    data = heads.write(tmp_path / "gets", heads.get, heads.Browser(8000), 1024).read_bytes()
    count = 0
    while data:
        size = int(data[:8], 16)
        assert data[9 : 9 + size].endswith(b"\r\n\r\n")
        data, count = data[9 + size :], count + 1
    assert count == heads.VARIANTS


def test_no_port_is_given_twice() -> None:
    assert len({free_port() for _ in range(200)}) == 200


def test_what_is_there_is_not_installed_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = install.Part("nginx", lambda: True, lambda: pytest.fail("installed again"))
    monkeypatch.setattr(install, "PARTS", (there,))
    assert install.install() == []
    assert capsys.readouterr().out.split() == ["install:", "nginx", "there"]


def test_an_install_that_fails_says_which_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such package')"]
    part = install.Part("haproxy", lambda: False, lambda: install.run(command, {}))
    monkeypatch.setattr(install, "PARTS", (part,))
    (problem,) = install.install()
    assert problem.startswith("haproxy: ")
    assert problem.endswith("exit status 1\n  no such package")


def test_an_install_that_changed_nothing_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "PARTS", (install.Part("caddy", lambda: False, lambda: None),))
    assert install.install() == ["caddy: was installed, but is not where it should be"]
