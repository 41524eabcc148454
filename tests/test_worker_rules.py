"""What is decided about workers before there is one: how many, which ports, how large a part each has, when again."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from config_site import SERVER, ConfigSite

from qproxy import crew, ports
from qproxy.config.fields import Address
from qproxy.crew import Member
from qproxy.workers import how_many, portion, usable_cores

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes share a port on Linux only")
REUSE_PORT: int = getattr(socket, "SO_REUSEPORT", 0)
SQLITE = SERVER.replace("store: memory", "path: x.db\n  key: ${SESSION_KEY}")
LIMITS = "limits: {connections: 1001, connections_per_address: 10}\n"


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path).with_files()


# --- how many ---


@pytest.mark.parametrize("workers", ["2", "auto"])
def test_the_memory_store_cannot_be_shared(site: ConfigSite, workers: str) -> None:
    (problem,) = site.write(f"{SERVER}workers: {workers}\n").problems()
    assert problem.startswith("server.yaml:6:10: workers: cannot share sessions.store: memory: set workers to 1, or")


@pytest.mark.parametrize("written", ["0", "257", "-1", "two", "1.5", "[2]", '""'])
def test_a_number_of_workers_is_a_number_or_auto(site: ConfigSite, written: str) -> None:
    (problem,) = site.write(f"{SERVER}workers: {written}\n").problems()
    assert "workers: must be auto, or a whole number from 1 to 256" in problem


@linux
def test_the_configured_number_or_one_for_each_core(site: ConfigSite) -> None:
    found = [how_many(site.write(f"{SQLITE}workers: {written}\n").load()) for written in ("3", "auto")]
    assert found == [3, usable_cores()]
    assert how_many(site.write(SERVER).load()) == 1


def test_where_ports_cannot_be_shared_one_serves_and_a_warning_says_so(
    site: ConfigSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = site.write(f"{SQLITE}workers: 3\n").load()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert how_many(config) == 1
    assert any("one process will serve here" in warning for warning in site.warnings())


@pytest.mark.parametrize(
    ("written", "cores"), [("max 100000", None), ("150000 100000", 2), ("5000 100000", 1), ("odd", None)]
)
def test_a_control_groups_quota_is_heeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, cores: int | None
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64), raising=False)
    (tmp_path / "system.slice").mkdir()
    (tmp_path / "system.slice/cpu.max").write_text(f"{written}\n")
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/system.slice\n")
    assert usable_cores(tmp_path, tmp_path / "own") == (cores or 64)


def test_without_control_groups_the_cores_count(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, tmp_path / "none") >= 1


# --- how much for each ---


def test_limits_hold_for_all_workers_together(site: ConfigSite) -> None:
    part = portion(site.write(SERVER + LIMITS).load(), 4)
    assert (part.server.limits.connections, part.server.limits.connections_per_address) == (251, 3)
    assert part.virtual_proxies[0].pool.connections == 64


# --- when again ---


def test_a_worker_that_dies_again_and_again_waits_longer_each_time_up_to_a_limit() -> None:
    member = Member(1)
    assert [member.pause(1.0) for _ in range(11)] == [0.1 * 2**n for n in range(9)] + [30.0, 30.0]


def test_a_worker_that_has_served_for_long_is_started_again_at_once() -> None:
    member = Member(1)
    for _ in range(9):
        member.pause(1.0)
    assert member.pause(crew.STEADY) == crew.FIRST_PAUSE


# --- which ports ---


@pytest.fixture
def held() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def joined(address: Address, *options: int) -> socket.socket:
    """Listening there with these options, as a worker does, or another program."""
    sock = socket.socket()
    for option in options:
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        sock.bind((address.host, address.port))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


@linux
def test_a_held_port_can_be_joined_by_workers_and_by_nobody_else(held: contextlib.ExitStack) -> None:
    address = ports.hold(Address("127.0.0.1", 0), held)
    for _ in range(2):
        held.enter_context(joined(address, socket.SO_REUSEADDR, REUSE_PORT))
    for options in ((), (socket.SO_REUSEADDR,)):
        with pytest.raises(OSError, match="in use"):
            joined(address, *options)


@linux
@pytest.mark.parametrize("busy", [False, True])
def test_a_port_is_held_once_whether_workers_listen_already_or_not(held: contextlib.ExitStack, busy: bool) -> None:
    address = ports.hold(Address("127.0.0.1", 0), held)
    if busy:
        held.enter_context(joined(address, socket.SO_REUSEADDR, REUSE_PORT))
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{address.port}: Address already in use"):
        ports.hold(address, held)


@linux
def test_a_port_that_another_program_listens_on_is_not_held(held: contextlib.ExitStack) -> None:
    other = held.enter_context(joined(Address("127.0.0.1", 0), socket.SO_REUSEADDR))
    with pytest.raises(OSError, match="in use"):
        ports.hold(Address("127.0.0.1", other.getsockname()[1]), held)


@linux
def test_a_held_port_takes_no_connection_before_a_worker_listens(held: contextlib.ExitStack) -> None:
    address = ports.hold(Address("127.0.0.1", 0), held)
    with socket.socket() as browser:
        assert browser.connect_ex((address.host, address.port)) != 0
