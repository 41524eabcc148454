"""`qproxy sessions` as a command: where it asks, what it prints, and how it says what went wrong."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from a_site import Site, free_port, site
from click.testing import CliRunner, Result
from config_site import SALES, ConfigSite
from site_plan import Certificates
from some_sessions import a_key, key_file

from qproxy.cli import main
from qproxy.config.models import InternalConfig
from qproxy.console.asking import NotDone, door
from qproxy.console.printing import print_session, print_sessions
from qproxy.key_files import Key
from qproxy.model import Attributes, Session, User

SHOWN = {"session": "ab12cd34", "user": r"SALES\ann", "vp": "sales", "idle_left": 3725, "sockets": 1, "by_qlik": False}


@pytest.fixture
async def qlik(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """With a session of ann and one of bob, whose attributes tell them apart. Keys are not looked at again."""
    monkeypatch.setattr("qproxy.server.LOOK_EVERY", 3600.0)
    async with site(tmp_path, server=wanted(tmp_path)) as built:
        built.clock.now = time.time()
        for name in ("ann", "bob"):
            await opened(built, name)
        yield built


def wanted(directory: Path, allow: str = "127.0.0.1") -> str:
    """A configuration that can be administered."""
    key_file(directory, Key(a_key()))
    internal = f"internal: {{listen: '127.0.0.1:{free_port()}', allow: {allow}}}"
    return f"{internal}\nsessions: {{store: memory, key_file: session.key}}"


async def opened(built: Site, name: str) -> Session:
    sales = built.server.vps["sales"]
    return await sales.open_session(User("SALES", name), Attributes((("Group", name.upper()),)), relogin=False)


async def sessions(built: Site, verb: str, *words: str, typed: str | None = None) -> Result:
    words = ("sessions", verb, str(built.directory), *words)
    return await asyncio.to_thread(CliRunner().invoke, main, words, input=typed)


# --- what is printed ---


async def test_a_list_has_a_line_for_each_session(qlik: Site) -> None:
    printed = (await sessions(qlik, "list")).stdout
    assert sorted(line.split("\t")[1] for line in printed.splitlines()) == [r"SALES\ann", r"SALES\bob"]


async def test_a_list_for_programs_has_one_object_a_line(qlik: Site) -> None:
    printed = (await sessions(qlik, "list", "--json", "--user", r"SALES\bob")).stdout
    (line,) = map(json.loads, printed.splitlines())
    assert (line["user"], line["vp"], line["by_qlik"]) == (r"SALES\bob", "sales", False)


async def test_an_empty_list_is_no_error(qlik: Site) -> None:
    nobody = await sessions(qlik, "list", "--vp", "finance")
    assert (nobody.exit_code, nobody.output) == (0, "")


async def test_a_user_is_shown_with_attributes(qlik: Site) -> None:
    shown = await sessions(qlik, "show", "--user", r"SALES\ann")
    assert (shown.exit_code, "Group = ANN" in shown.stdout, "BOB" in shown.stdout) == (0, True, False)


def test_on_a_terminal_a_list_is_a_table_that_tells_of_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("qproxy.console.printing.MOST_ROWS", 2)
    monkeypatch.setenv("COLUMNS", "200")
    assert print_sessions(iter([SHOWN] * 5)) == 5
    printed = capsys.readouterr().out
    assert (printed.count("ab12cd34"), "1:02:05" in printed, "and 3 more" in printed) == (2, True, True)


def test_a_name_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_session(SHOWN | {"user": "SALES\\\x9b2J\u202e", "attributes": [{"name": "a\x1b[2J", "value": "\ud800"}]})
    assert all(character.isprintable() or character == "\n" for character in capsys.readouterr().out)


# --- what ends ---


async def test_ended_sessions_are_named(qlik: Site) -> None:
    ended = await sessions(qlik, "end", "--user", r"SALES\ann")
    assert (ended.exit_code, ended.stdout.count(r"SALES\ann on sales")) == (0, 1)
    assert await qlik.server.sessions.count("sales") == 1


async def test_a_hash_and_a_user_must_both_fit(qlik: Site) -> None:
    ann = (await opened(qlik, "ann")).short
    assert (await sessions(qlik, "end", "--id", ann, "--user", r"SALES\bob")).exit_code == 1
    assert (await sessions(qlik, "end", "--id", ann, "--user", r"SALES\ann")).exit_code == 0
    assert await qlik.server.sessions.count("sales") == 2


async def test_before_all_end_somebody_must_say_yes(qlik: Site) -> None:
    refused = await sessions(qlik, "end", "--all", typed="n\n")
    assert (refused.exit_code, await qlik.server.sessions.count("sales")) == (1, 2)
    assert (await sessions(qlik, "end", "--all", "--vp", "sales", typed="y\n")).exit_code == 0
    assert await qlik.server.sessions.count("sales") == 0


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["show"], 2, "--user or --id"),
        (["end"], 2, "--user or --id, or else --all"),
        (["end", "--all", "--user", r"a\b"], 2, "or else --all"),
        (["end", "--user", r"SALES\ann", "--id", ""], 2, "is empty"),
        (["list", "--user", "ann"], 2, r"DIRECTORY\id"),
        (["list", "--vp", "nowhere"], 2, "there are finance, sales"),
        (["end", "--id", "xyz"], 2, "hex digits"),
        (["end", "--id", "abcd"], 1, "no such session"),
        (["end", "--user", r"SALES\eve"], 1, "no such session"),
    ],
)
async def test_a_slip_is_said_and_ends_nothing(qlik: Site, words: list[str], status: int, said: str) -> None:
    told = await sessions(qlik, *words)
    assert (told.exit_code, said in told.stderr, told.stdout) == (status, True, "")
    assert await qlik.server.sessions.count("sales") == 2


async def test_another_key_is_refused_and_says_what_to_do(qlik: Site) -> None:
    (qlik.directory / "session.key").write_text(os.urandom(32).hex())
    told = await sessions(qlik, "list")
    assert (told.exit_code, "another session key" in told.stderr) == (77, True)


async def test_clocks_that_differ_are_named(qlik: Site) -> None:
    qlik.clock.now += 100
    told = await sessions(qlik, "list")
    assert (told.exit_code, "differ by more than 30 s" in told.stderr) == (77, True)


async def test_a_store_that_is_away_is_not_an_empty_list(qlik: Site) -> None:
    await qlik.server.store.close()
    told = await sessions(qlik, "list")
    assert (told.exit_code, "cannot be asked" in told.stderr) == (75, True)


async def test_a_qproxy_that_does_not_run_is_unreachable(qlik: Site) -> None:
    await qlik.server.stop()
    told = await sessions(qlik, "list")
    assert (told.exit_code, "nothing listens there" in told.stderr) == (69, True)


async def test_a_key_that_others_can_read_is_not_used(qlik: Site) -> None:
    (qlik.directory / "session.key").chmod(0o644)
    told = await sessions(qlik, "list")
    assert (told.exit_code, "chmod 600" in told.stderr) == (77, True)


async def test_an_address_that_may_not_call_is_told_where_that_is_set(tmp_path: Path) -> None:
    async with site(tmp_path, server=wanted(tmp_path, allow="10.0.0.0/8")) as closed:
        told = await sessions(closed, "list")
        assert (told.exit_code, "internal.allow must list" in told.stderr) == (77, True)


async def test_over_tls_only_a_qproxy_with_the_configured_certificate_is_asked(tmp_path: Path) -> None:
    async with site(tmp_path, tls=True, server=wanted(tmp_path)) as secure:
        secure.clock.now = time.time()
        await opened(secure, "ann")
        assert r"SALES\ann" in (await sessions(secure, "list")).stdout
        Certificates(tmp_path)  # another authority's, in the place of the configured ones
        told = await sessions(secure, "list")
        assert (told.exit_code, "cannot prove to be" in told.stderr) == (69, True)


LINES = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"
ALIKE = b'{"error": "give more digits", "sessions": ["ab12", "ab34"]}'


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b"", 69, "cannot be reached"),
        (b"SSH-2.0-x\r\n", 69, "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", 69, "does not answer as qproxy does"),
        (b"HTTP/1.1 500 X\r\n\r\n[]", 1, "is it this qproxy?"),
        (b"HTTP/1.1 409 X\r\n\r\n" + ALIKE, 1, "give more digits: ab12, ab34"),
        (LINES + b'{"session": "ab12"}\n', 69, "was cut off"),
        (LINES + b'{"session": "ab12"}\n{"error": "the disk is full"}\n', 75, "the disk is full"),
    ],
)
async def test_an_answer_that_is_not_the_one_wanted_is_told(qlik: Site, answer: bytes, status: int, said: str) -> None:
    port = qlik.server.internal_ports[0]
    await qlik.server.stop()
    listening = await asyncio.start_server(partial(answered, answer), "127.0.0.1", port, reuse_address=True)
    told = await sessions(qlik, "list")
    listening.close()
    assert (told.exit_code, said in told.stderr) == (status, True), told.stderr


async def answered(data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(data)
    writer.close()


def test_without_a_key_the_command_says_what_to_configure(tmp_path: Path) -> None:
    directory = ConfigSite(tmp_path).write(sales=SALES).directory
    told = CliRunner().invoke(main, ["sessions", "list", str(directory)])
    assert (told.exit_code, "sessions.key_file is not configured" in told.stderr) == (78, True)


def test_a_configuration_with_a_mistake_is_told_as_by_check(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["sessions", "list", str(tmp_path)])
    assert (told.exit_code, "has no server.yaml" in told.stderr) == (78, True)


# --- where it asks ---


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("127.0.0.1:8443", "http://127.0.0.1:8443"),
        ("0.0.0.0:8443", "http://127.0.0.1:8443"),
        ("[::]:8443", "http://[::1]:8443"),
        (["10.1.2.3:8443", "127.0.0.1:8444"], "http://127.0.0.1:8444"),
    ],
)
def test_the_nearest_listening_address_is_asked(listen: str | list[str], asked: str) -> None:
    assert str(door(InternalConfig.model_validate({"listen": listen}))) == asked


@pytest.mark.parametrize(("listen", "said"), [("10.1.2.3:8443", "plain http beyond"), ("127.0.0.1:0", "port")])
def test_an_address_that_cannot_be_asked_is_named(listen: str, said: str) -> None:
    with pytest.raises(NotDone, match=said):
        door(InternalConfig.model_validate({"listen": listen}))


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    tls = {"certificate": tmp_path / "none.pem", "key": tmp_path / "none.pem"}
    with pytest.raises(NotDone, match=r"none\.pem cannot be used: No such file"):
        door(InternalConfig.model_validate({"listen": "127.0.0.1:8443", "tls": tls}))
