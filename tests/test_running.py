"""qproxy as a process: what survives it, how it stops, and what it says when it cannot start."""

import asyncio
import json
import logging
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_process import ProcessSite, ServiceManager, command, process_site
from a_site import call, farewell, greeting
from flows.wire import Wire, wire
from waiting import eventually

from qproxy import running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sd_notify are not Windows'")
COOKIE = "X-Qlik-Session-sales-HTTP"
BIG = 60_000_000


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[ProcessSite]:
    async with process_site(tmp_path) as built:
        yield built


def accepts(qlik: ProcessSite) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(qlik.origin.rpartition(":")[2]))) == 0


async def slow_download(qlik: ProcessSite, browser: Wire) -> None:
    """Ask for more than all buffers hold, and read none of it yet."""
    person = qlik.browser()
    await qlik.log_in(person)
    head = f"GET /sales/tempcontent/big?bytes={BIG} HTTP/1.1\r\nHost: {browser.host}\r\n"
    await browser.send(f"{head}Cookie: {COOKIE}={qlik.cookie(person)}\r\n\r\n".encode())
    await browser.reader.readuntil(b"\r\n\r\n")


async def read_to_the_end(browser: Wire) -> int:
    size = 0
    while data := await asyncio.wait_for(browser.reader.read(1 << 20), 10):
        size += len(data)
    return size


# --- what survives ---


async def test_sessions_survive_a_kill_and_a_restart(qlik: ProcessSite) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    assert await qlik.status(person, "/sales/hub/") == 200
    qlik.process.kill()
    assert await qlik.process.ended() == -9
    await qlik.start()
    qlik.node.forget_cache("sales")
    async with qlik.engine(person) as ws:
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"
    await qlik.log_out(person)
    assert await qlik.status(person, "/sales/hub/") == 302


async def test_a_logout_survives_a_kill_and_a_restart(qlik: ProcessSite) -> None:
    person = qlik.browser()
    await qlik.log_in(person)
    stolen = {"Cookie": f"{COOKIE}={qlik.cookie(person)}"}
    await qlik.log_out(person)
    qlik.process.kill()
    assert await qlik.process.ended() == -9
    await qlik.start()
    assert await qlik.status(qlik.browser(), "/sales/hub/", headers=stolen) == 302


async def test_a_login_page_opened_before_a_restart_still_works_after_it(qlik: ProcessSite) -> None:
    person = qlik.browser()
    async with person.get("/sales/hub/?x=1", allow_redirects=False) as turned_away:
        login = turned_away.headers["Location"]
    form = await qlik.form(person, login) | {"name": "ann", "password": "correct horse"}
    await qlik.stop()
    await qlik.start()
    async with person.post(qlik.url(login), data=form, allow_redirects=False) as done:
        assert (done.status, done.headers["Location"]) == (303, f"{qlik.origin}/sales/hub/?x=1")


async def test_two_processes_on_one_session_file_see_each_others_logouts_within_a_second(tmp_path: Path) -> None:
    """As when a new version is started beside the old one."""
    async with process_site(tmp_path) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        async with qlik.engine(person) as ws:
            await greeting(ws)
            writer = await asyncio.create_subprocess_exec(*writer_command(tmp_path, qlik.cookie(person)))
            assert await writer.wait() == 0
            async with asyncio.timeout(2.0):
                said, code, _ = await farewell(ws)
        assert (said, code) == (["OnSessionLoggedOut"], 1001)
        assert await qlik.status(person, "/sales/hub/") == 302


def writer_command(directory: Path, session_id: str) -> tuple[str, ...]:
    script = """if True:
        import asyncio, sys
        from pathlib import Path
        from qproxy.model import End
        from qproxy.key_files import read_keys
        from qproxy.sessions.sqlite import SqliteStore

        async def end(directory, session_id):
            store = SqliteStore(directory / "sessions.db", [read_keys(directory / "session.key")[0].secret])
            ended = await store.delete("sales", session_id, End.LOGOUT, 1_800_000_000.0)
            await store.close()
            sys.exit(ended is None)

        asyncio.run(end(Path(sys.argv[1]), sys.argv[2]))
    """
    return sys.executable, "-c", script, str(directory), session_id


# --- how it stops ---


async def test_sigterm_accepts_no_more_tells_sockets_and_lets_a_download_end(qlik: ProcessSite) -> None:
    async with wire(qlik) as browser:
        await slow_download(qlik, browser)
        async with qlik.engine(qlik.people[0]) as ws:
            await greeting(ws)
            qlik.process.send(signal.SIGTERM)
            assert (await farewell(ws))[1:] == (1001, "qproxy is restarting")
        await eventually(lambda: qlik.manager.told("STOPPING=1"))
        await eventually(lambda: not accepts(qlik))
        assert qlik.process.running
        assert await read_to_the_end(browser) == BIG
    assert await qlik.process.ended(within=5.0) == 0


async def test_what_has_not_ended_within_the_configured_time_is_cut(tmp_path: Path) -> None:
    async with process_site(tmp_path, server="timeouts: {drain: 0.5}") as qlik, wire(qlik) as browser:
        await slow_download(qlik, browser)
        qlik.process.send(signal.SIGTERM)
        assert await qlik.process.ended(within=5.0) == 0
        assert "cut what had not ended within 0.5 s" in qlik.process.errors


async def test_a_second_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    async with process_site(tmp_path, server="timeouts: {drain: 1h}") as qlik, wire(qlik) as browser:
        await slow_download(qlik, browser)
        qlik.process.send(signal.SIGTERM)
        await eventually(lambda: qlik.manager.told("STOPPING=1"))
        qlik.process.send(signal.SIGTERM)
        assert await qlik.process.ended(within=3.0) == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_qproxy_ends_at_once_with_status_0_and_without_a_word_of_error(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with process_site(tmp_path) as qlik, wire(qlik) as idle:
        qlik.process.send(number)
        assert await idle.ended() == b""
        assert await qlik.process.ended(within=3.0) == 0
        assert not re.search(r'"level":"error"|Traceback', qlik.process.errors)


async def test_the_service_manager_hears_ready_and_stopping(qlik: ProcessSite) -> None:
    qlik.process.send(signal.SIGTERM)  # that it was ready, the fixture has waited for
    await eventually(lambda: qlik.manager.told("STOPPING=1"))
    assert await qlik.process.ended() == 0


def test_an_abstract_address_of_the_service_manager_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ServiceManager("@qproxy-test-notify")
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    running.notify("READY=1")
    assert manager.told("READY=1")
    manager.close()


# --- when it cannot start ---


async def test_a_bad_configuration_exits_with_78_and_names_each_place(qlik: ProcessSite) -> None:
    (qlik.directory / "sales.yaml").write_text("prefix: Sales\ncokie: X\n")
    async with command("run", str(qlik.directory)) as process:
        assert await process.ended() == 78
        places = re.findall(rf"{re.escape(str(qlik.directory))}/sales\.yaml:(\d+):(\d+): (\w+): \S", process.errors)
    assert ("1", "9", "prefix") in places
    assert ("2", "1", "cokie") in places
    assert "Traceback" not in process.errors


@pytest.mark.parametrize(("taken", "key"), [("public", "public.listen"), ("internal", "internal.listen")])
async def test_a_port_that_is_taken_is_a_clear_message_and_status_1(
    tmp_path: Path, taken: str, key: str, qlik: ProcessSite
) -> None:
    text = (qlik.directory / "server.yaml").read_text()
    port = int(json.loads(text)[taken]["listen"].rpartition(":")[2])
    other = {"public": str(qlik.internal_port), "internal": qlik.origin.rpartition(":")[2]}[taken]
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    (tmp_path / "server.yaml").write_text(text.replace(f":{other}", f":{free.getsockname()[1]}"))
    free.close()
    async with command("run", str(tmp_path)) as process:
        assert await process.ended() == 1
    for hint in ("cannot start", "another program listens there", key, str(port)):
        assert hint in process.errors
    assert "Traceback" not in process.errors


async def test_a_session_file_that_another_key_wrote_is_a_clear_message_and_no_start(qlik: ProcessSite) -> None:
    await qlik.stop()
    (qlik.directory / "sessions.db").write_bytes(b"this is no database" * 100)
    async with command("run", str(qlik.directory)) as process:
        assert await process.ended() == 1
    assert "cannot start" in process.errors
    assert "sessions.db" in process.errors
    assert "Traceback" not in process.errors


def test_without_the_fast_loop_it_runs_and_says_so_loudly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(running, "FAST_LOOP", "a_loop_that_is_not_installed")

    async def serve() -> int:
        return 7

    assert running.run_loop(serve) == 7
    assert "a_loop_that_is_not_installed is not installed: qproxy will be slow" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_it_does_not_start_on_the_slower_and_more_lenient_parser_of_aiohttp(qlik: ProcessSite) -> None:
    async with command("run", str(qlik.directory), AIOHTTP_NO_EXTENSIONS="1") as process:
        assert await process.ended() == 1
    assert "compiled parser" in process.errors
