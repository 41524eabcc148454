"""What the load is told for a workload: where to go, whom to trust, what to send and to expect."""

from pathlib import Path

import pytest

from bench.measure import Goal, words
from bench.site import Site
from bench.workloads import chosen

PLAIN, SECURE = Goal(8080, tls=False, cookie="X-Qlik-Session-sales=abc"), Goal(8443, tls=True)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, 1, 2, tmp_path / "ca.pem", tmp_path / "certificate.pem", tmp_path / "key.pem")


def told(site: Site, name: str, goal: Goal = PLAIN) -> dict[str, str]:
    """Option -> value."""
    _mode, *given = words(site, chosen([name])[0], goal)
    return dict(zip(given[::2], given[1::2], strict=True))


def test_a_load_knows_its_port_and_how_many_connections(site: Site) -> None:
    given = told(site, "get-1k")
    assert (given["--port"], given["--connections"]) == ("8080", "50")


def test_a_load_over_tls_is_told_whom_to_trust(site: Site) -> None:
    given = words(site, chosen(["get-1k-tls"])[0], SECURE)
    assert given[given.index("--tls") + 1 :][:4] == ["--ca", str(site.ca), "--server-name", "localhost"]


def test_a_plain_load_is_told_nothing_of_tls(site: Site) -> None:
    assert "--tls" not in words(site, chosen(["get-1k"])[0], PLAIN)


def test_requests_carry_the_session_of_the_peer(site: Site) -> None:
    heads = Path(told(site, "get-1k")["--requests"]).read_bytes()
    assert heads.count(b"X-Qlik-Session-sales=abc") == heads.count(b"\r\n\r\n") > 1


@pytest.mark.parametrize(("name", "length"), [("get-1k", "1024"), ("get-100k", "102400"), ("download", "100000000")])
def test_the_length_of_each_answer_is_checked(site: Site, name: str, length: str) -> None:
    assert told(site, name)["--expect"] == length


def test_an_upload_says_how_long_it_is(site: Site) -> None:
    given = told(site, "upload")
    assert given["--upload"] == "10000000"
    assert b"Content-Length: 10000000\r\n" in Path(given["--requests"]).read_bytes()


def test_sockets_begin_with_upgrades(site: Site) -> None:
    assert b"Upgrade: websocket" in Path(told(site, "ws-200b-100")["--requests"]).read_bytes()


def test_a_hub_has_requests_and_upgrades(site: Site) -> None:
    given = told(site, "hub")
    assert b"Upgrade: websocket" in Path(given["--upgrades"]).read_bytes()
    assert b"Upgrade: websocket" not in Path(given["--requests"]).read_bytes()
