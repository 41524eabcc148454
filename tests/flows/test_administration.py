"""An administrator looks at and ends sessions of a qproxy that runs, with the command, from its configuration."""

import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from a_process import ProcessSite, command, process_site
from a_site import farewell, greeting
from waiting import eventually

from qproxy.key_files import read_keys
from qproxy.model import Attributes, End, Lifetime, User, short_hash
from qproxy.sessions.front import Sessions
from qproxy.sessions.pace import Pace
from qproxy.sessions.sqlite import SqliteStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the process is started as on Linux")


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
    """Another worker made it, on the same store, and lets go of it."""
    store = SqliteStore(running.directory / "sessions.db", [read_keys(running.directory / "session.key")[0].secret])
    worker = Sessions(store, {"sales": Lifetime(600, 6000)}, time.time, pace=Pace(follow=0.05))
    gone: list[End] = []
    worker.on_gone(lambda _, why: gone.append(why))
    await worker.start()
    session = await worker.open("sales", User("SALES", "eve"), Attributes())
    assert (await told(running, "end", "--id", session.short))[0] == 0
    await eventually(lambda: gone == [End.ADMINISTRATOR])
    assert await worker.find("sales", session.id) is None
    await worker.stop()
    await store.close()


async def guessed(running: ProcessSite) -> int:
    person = running.browser()
    form = await running.form(person, "/qproxy/login/sales") | {"name": "ann", "password": "wrong"}
    async with person.post(running.url("/qproxy/login/sales"), data=form, allow_redirects=False) as answer:
        return answer.status


@pytest.mark.parametrize(("words", "cleared"), [(["--name", "ANN"], 2), (["--all"], 3)])
async def test_an_administrator_lets_somebody_try_again(running: ProcessSite, words: list[str], cleared: int) -> None:
    assert [await guessed(running) for _ in range(6)] == [403] * 5 + [429]
    async with command("throttle", "clear", str(running.directory), *words) as asked:
        assert (await asked.ended(30), asked.said.decode().strip()) == (0, f"cleared {cleared}")
    await running.log_in(running.browser())
    audit = (running.directory / "audit.log").read_text()
    assert "throttle_clear" in audit


async def test_whom_to_let_try_again_must_be_said_once(running: ProcessSite) -> None:
    for words in ([], ["--all", "--name", "ann"], ["--name", ""]):
        async with command("throttle", "clear", str(running.directory), *words) as asked:
            assert await asked.ended(30) == 2
