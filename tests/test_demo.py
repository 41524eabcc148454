"""The demo: ready in one line for programs, its own evening for people, and nothing left of it afterwards."""

import asyncio
import json
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from a_process import Process, command
from site_plan import free_port
from waiting import eventually

from qproxy.demo import Demo, DemoOptions, demo
from qproxy.demo_check import evening

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ended by signals")
STEPS = ["deep link", "login", "hub", "csrf token", "engine", "module", "logout", "refused"]


async def described(process: Process) -> Any:
    """The one line that a program reads."""
    await eventually(lambda: process.said.endswith(b"\n") or not process.running, within=30.0)
    assert process.said.count(b"\n") == 1, process.errors
    return json.loads(process.said)


async def test_a_program_learns_from_one_line_where_everything_is_and_ends_it_by_sigterm() -> None:
    port, internal = free_port(), free_port()
    async with command("demo", "--json", "--port", str(port), "--internal-port", str(internal)) as process:
        told = await described(process)
        assert told["url"] == f"http://localhost:{port}/sales"
        assert told["internal"] == f"http://127.0.0.1:{internal}"
        assert [set(one) for one in told["users"]] == [{"user", "password"}] * 2
        assert re.fullmatch(r"[0-9a-f-]{36}", told["app"])
        await serves(told)
        process.send(signal.SIGTERM)
        assert await process.ended(within=10.0) == 0
        assert json.loads(process.said) == told


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def serves(told: dict[str, Any]) -> None:
    async with aiohttp.ClientSession(headers={"Accept": "text/html"}) as person:
        async with person.get(f"{told['url']}/hub/", allow_redirects=False) as answer:
            assert answer.headers["Location"].startswith("/qproxy/login/sales?state=")
        async with person.get(f"{told['internal']}/readyz") as answer:
            assert answer.status == 200


async def test_it_ends_in_time_while_somebody_uses_it() -> None:
    async with command("demo", "--json") as process, aiohttp.ClientSession() as person:
        told = await described(process)
        origin = told["url"].removesuffix("/sales")
        async with person.ws_connect(f"{told['url']}/app/x", origin=origin) as ws:
            assert (await ws.receive_json())["method"] == "OnAuthenticationInformation"
            process.send(signal.SIGTERM)
            assert await process.ended(within=10.0) == 0


async def test_nothing_of_the_demo_is_left_on_disk(tmp_path: Path) -> None:
    async with command("demo", "--json", TMPDIR=str(tmp_path)) as process:
        await described(process)
        assert [name[:12] for name in names_in(tmp_path)] == ["qproxy-demo-"]
        process.send(signal.SIGINT)
        assert await process.ended(within=10.0) == 0
    assert names_in(tmp_path) == []


async def test_a_signal_right_behind_the_line_is_not_lost(tmp_path: Path) -> None:
    async with command("demo", "--json", TMPDIR=str(tmp_path)) as process:
        await eventually(lambda: process.said or not process.running, within=30.0)
        process.send(signal.SIGTERM)
        assert await process.ended(within=10.0) == 0


@pytest.mark.parametrize("tls", [[], ["--tls"]])
async def test_the_evening_that_drives_itself_goes_well_and_tells_each_step(tls: list[str]) -> None:
    async with command("demo", "--check", *tls) as process:
        assert await process.ended(within=60.0) == 0, process.errors
    *steps, last = process.said.decode().splitlines()
    assert [line.split("  ")[1].strip() for line in steps] == STEPS
    assert all(line.startswith("ok  ") for line in steps)
    assert last == "all well"


async def test_a_port_that_is_taken_is_a_clear_message(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        async with command("demo", "--port", port, TMPDIR=str(tmp_path)) as process:
            assert await process.ended(within=30.0) == 1
    assert "the demo cannot start" in process.errors
    assert "--port" in process.errors
    assert "Traceback" not in process.errors
    assert names_in(tmp_path) == []


async def test_people_are_told_one_address_two_names_and_what_to_try() -> None:
    async with command("demo") as process:
        await eventually(lambda: b"Ctrl-C" in process.said or not process.running, within=30.0)
        text = process.said.decode()
        process.send(signal.SIGINT)
        assert await process.ended(within=10.0) == 0
    assert len(re.findall(r"Open +http://localhost:\d+/sales/hub/$", text, re.MULTILINE)) == 1
    assert re.findall(r"^ +(ann|bob) +password \S+$", text, re.MULTILINE) == ["ann", "bob"]
    assert "What to try" in text


# --- in this process ---


async def test_the_evening_stops_at_the_first_step_that_goes_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with demo(tmp_path, DemoOptions()) as running:
        wrong = Demo(running.origin, running.internal, {"ann": "not her password"}, running.node, None)
        assert await evening(wrong) == 1
        told = capsys.readouterr()
        assert told.out.startswith("ok  deep link")
        assert told.err == "FAILED  login: status 403\n"
        assert await evening(running) == 0


async def test_the_evening_says_when_nothing_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with demo(tmp_path, DemoOptions(tls=True)) as running:
        gone = Demo(f"https://localhost:{free_port()}", running.internal, running.people, running.node, running.ca)
        assert await evening(gone) == 1
        assert "FAILED  deep link" in capsys.readouterr().err


async def test_the_demos_private_key_is_for_its_owner_only(tmp_path: Path) -> None:
    async with demo(tmp_path, DemoOptions(tls=True)):
        modes = {name: mode_of(tmp_path / name) for name in ("localhost_key.pem", "users.txt")}
    assert set(modes.values()) == {0o600}


async def test_two_demos_run_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with demo(tmp_path / "a", DemoOptions()) as first, demo(tmp_path / "b", DemoOptions()) as second:
        assert first.origin != second.origin
        assert set(await asyncio.gather(evening(first), evening(second))) == {0}
