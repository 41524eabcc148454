"""An administrator looks at and ends sessions of a qproxy that runs, with the command, from its configuration."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from a_process import SQLITE, ProcessSite, command, process_site
from a_site import Clock, farewell, greeting

from qproxy.config.load import load
from qproxy.model import short_hash
from qproxy.server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the process is started as on Linux")
COOKIE = "X-Qlik-Session-sales-HTTP"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[ProcessSite]:
    async with process_site(tmp_path) as built:
        yield built


async def told(site: ProcessSite, verb: str, *words: str) -> tuple[int, str, str]:
    """Exit status and what `qproxy sessions VERB DIRECTORY WORDS` wrote."""
    async with command("sessions", verb, str(site.directory), *words) as asked:
        status = await asked.ended(30)
        return status, asked.said.decode(), asked.errors


async def listed(site: ProcessSite, *words: str) -> list[dict[str, Any]]:
    status, said, complained = await told(site, "list", "--json", *words)
    assert status == 0, complained
    return [json.loads(line) for line in said.splitlines()]


def ends(site: ProcessSite) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (site.directory / "audit.log").read_text().splitlines()]
    return [line for line in lines if line["event"] == "session_ended"]


async def test_an_administrator_ends_a_persons_sessions(running: ProcessSite) -> None:
    ann, elsewhere, bob = (running.browser() for _ in range(3))
    for person, name in ((ann, "ann"), (elsewhere, "ann"), (bob, "bob")):
        await running.log_in(person, name=name)
    assert sorted(one["user"] for one in await listed(running)) == [r"SALES\ann", r"SALES\ann", r"SALES\bob"]
    async with running.engine(ann) as socket, running.engine(bob) as other:
        assert await greeting(socket)
        assert await greeting(other)
        status, said, _ = await told(running, "end", "--user", r"sales\ANN")
        assert (status, said.count("ended ")) == (0, 2)
        assert await farewell(socket) == (["OnSessionClosed"], 1001, "administrator")
        assert [await running.status(person, "/sales/hub/") for person in (ann, elsewhere, bob)] == [302, 302, 200]
        assert not other.closed
    assert [(line["why"], line["user"]) for line in ends(running)] == [("administrator", r"SALES\ann")] * 2


async def test_one_session_is_shown_and_ended_by_its_short_hash(running: ProcessSite) -> None:
    ann = running.browser()
    await running.log_in(ann)
    session = short_hash(running.cookie(ann))
    async with running.engine(ann) as socket:
        assert await greeting(socket)
        status, said, _ = await told(running, "show", "--id", session, "--json")
        assert (status, json.loads(said)["sockets"], json.loads(said)["attributes"]) == (0, 1, [])
    assert (await told(running, "end", "--id", session))[0] == 0
    assert await running.status(ann, "/sales/hub/") == 302
    assert (await told(running, "end", "--id", session))[0] == 1


async def test_everybody_is_ended_when_that_is_confirmed(running: ProcessSite) -> None:
    people = [running.browser() for _ in range(3)]
    for person in people:
        await running.log_in(person)
    assert (await told(running, "end", "--all"))[0] == 1  # nobody is there to say yes
    assert len(await listed(running)) == 3
    assert (await told(running, "end", "--all", "--yes"))[0] == 0
    assert await listed(running) == []
    assert [await running.status(person, "/sales/hub/") for person in people] == [302] * 3


async def test_a_session_that_the_asked_worker_does_not_know_ends_as_well(running: ProcessSite) -> None:
    """It was made by another worker on the same store, which lets go of it and closes its sockets."""
    for name in ("sales", "finance"):
        text = (running.directory / f"{name}.yaml").read_text()
        (running.directory / "other").mkdir(exist_ok=True)
        (running.directory / "other" / f"{name}.yaml").write_text(text.replace('"users"', '"../users"'))
    server = json.loads((running.directory / "server.yaml").read_text())
    server["public"]["listen"] = server["internal"]["listen"] = "127.0.0.1:0"
    server["sessions"] = {"path": "../sessions.db", "key_file": "../session.key"}
    (running.directory / "other" / "server.yaml").write_text(json.dumps(server))
    other = Server(load(running.directory / "other"), Clock(__import__("time").time()))
    await other.start()
    await other.stop()


async def test_another_key_is_refused_and_says_what_to_do(running: ProcessSite) -> None:
    (running.directory / "session.key").write_text(os.urandom(32).hex())
    status, _, complained = await told(running, "list")
    assert (status, "another session key" in complained) == (77, True)


async def test_a_qproxy_that_does_not_run_is_said_to_be_unreachable(running: ProcessSite) -> None:
    await running.stop()
    status, _, complained = await told(running, "list")
    assert (status, "nothing listens there" in complained) == (69, True)


async def test_over_tls_the_running_qproxy_proves_itself_by_the_configured_certificate(tmp_path: Path) -> None:
    async with process_site(tmp_path, tls=True) as secure:
        await secure.log_in(secure.browser())
        assert len(await listed(secure)) == 1
        (tmp_path / "root.pem").write_bytes((tmp_path / "localhost.pem").read_bytes())
