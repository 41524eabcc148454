"""Somebody guesses passwords for an evening, at two doors that count together: workers of one qproxy, or two machines.

The person whose name it is waits as well, and calls the administrator, who sees it and lets her in.
"""

import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from a_process import ProcessSite, command, process_site
from a_site import PASSWORD, greeting
from redis_servers import Node

from qproxy.auth.guesses import PAIR

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers share a port on Linux only")
FORM = "/qproxy/login/sales"
LONG = 3
JUDGED = PAIR.free + 2
"""So many are judged before somebody has to wait for more than 2 s: after 1 s, and after 2 s more."""


@dataclass
class Doors:
    """Two ways into one site; guesses alternate between them. `told` asks the first."""

    sites: list[ProcessSite]
    used: int = 0

    @property
    def next(self) -> ProcessSite:
        self.used += 1
        return self.sites[self.used % len(self.sites)]

    async def guess(self, name: str, password: str = "wrong") -> tuple[int, int, str]:
        """Status, seconds to wait and text of the page, by a browser that was never here."""
        door = self.next
        person = door.browser()
        form = await door.form(person, FORM) | {"name": name, "password": password}
        async with person.post(door.url(FORM), data=form, allow_redirects=False) as answer:
            return answer.status, int(answer.headers.get("Retry-After", 0)), await answer.text()

    async def guessed(self, name: str) -> int:
        """How many guesses were judged before the next one has to wait for `LONG`, however often one tries."""
        judged = 0
        while True:
            status, wait, _ = await self.guess(name)
            assert (status, wait) == (403, 0) or (status == 429 and wait > 0)
            judged += status == 403
            if wait >= LONG:
                return judged

    async def told(self, verb: str, *words: str) -> str:
        async with command("throttle", verb, str(self.sites[0].directory), *words) as asked:
            assert await asked.ended(30) == 0, asked.errors
            return asked.said.decode()

    async def listed(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self.told("list", "--json", *words)).splitlines()]

    def logins(self) -> list[tuple[str, str, str, str]]:
        """Each attempt in the audit logs: outcome, who, from where, by what."""
        written = "".join((one.directory / "audit.log").read_text("utf-8") for one in self.sites)
        lines = [json.loads(line) for line in written.splitlines()]
        logins = [line for line in lines if line["event"] == "login"]
        return [(one["outcome"], one["user"], one["client"], one["method"]) for one in logins]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "valkey").start()
    yield node
    node.kill()


WORKERS, MACHINES = "two workers, SQLite", "two machines, Redis"


@pytest.fixture(params=[WORKERS, MACHINES])
async def doors(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Doors]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == WORKERS:
            site = await stack.enter_async_context(process_site(tmp_path, server="workers: 2"))
            yield Doors([site])
            return
        node = request.getfixturevalue("valkey")
        one, other = tmp_path / "one", tmp_path / "other"
        sessions = {"store": "redis", "key_file": str(one / "session.key"), "redis": {"url": f"redis://{node.address}"}}
        vp = json.dumps({"login": [{"method": "password_file", "file": str(one / "users")}]})
        sites = []
        for directory in (one, other):
            directory.mkdir()
            sites.append(await stack.enter_async_context(process_site(directory, json.dumps(sessions), vp=vp)))
        yield Doors(sites)


async def lets_in(door: ProcessSite, name: str) -> aiohttp.ClientSession:
    person = door.browser()
    await door.log_in(person, name=name)
    return person


async def test_a_guesser_is_slowed_down_at_every_door_and_the_person_is_let_in(doors: Doors) -> None:
    assert await doors.guessed("ann") == JUDGED
    assert (await doors.guess("ann", PASSWORD))[0] == 429  # too early

    # she calls
    tried = {(one["name"], one["network"]): one for one in await doors.listed("--all", "--name", "ANN")}
    assert set(tried) == {("ann", "127.0.0.1"), ("ann", None)}
    pair = tried["ann", "127.0.0.1"]
    assert (pair["tries"], pair["ways"]) == (JUDGED, ["finance/password_file", "sales/password_file"])
    assert "127.0.0.1" in await doors.told("list", "--all", "--address", "127.0.0.1")
    assert await doors.told("clear", "--name", "ANN") == "cleared 2\n"
    assert await doors.listed("--all", "--name", "ann") == []
    door = doors.next
    ann = await lets_in(door, "ann")
    async with door.engine(ann) as socket:
        assert await greeting(socket)

    outcomes = doors.logins()
    assert outcomes.count(("wrong", "ann", "127.0.0.1", "password_file")) == JUDGED
    assert outcomes.count(("throttled", "ann", "127.0.0.1", "password_file")) > 0
    assert outcomes.count(("accepted", r"SALES\ann", "127.0.0.1", "password_file")) == 1


@pytest.mark.parametrize("doors", [MACHINES], indirect=True)
async def test_a_name_that_nobody_has_is_treated_as_one_that_somebody_has(doors: Doors) -> None:
    assert await doors.guessed("nobody") == JUDGED
    _, _, page = await doors.guess("nobody")
    assert await doors.guessed("ann") == JUDGED
    _, _, hers = await doors.guess("ann")
    hidden = re.compile(r'value="[^"]*"|\d+ seconds?')
    assert hidden.sub("", page) == hidden.sub("", hers)
    assert {one["name"] for one in await doors.listed("--all")} == {"nobody", "ann", None}


@pytest.mark.parametrize("doors", [WORKERS], indirect=True)
async def test_a_restart_forgets_no_guess(doors: Doors) -> None:
    assert [(await doors.guess("ann"))[0] for _ in range(PAIR.free - 1)] == [403] * (PAIR.free - 1)
    for site in doors.sites:
        await site.stop()
        await site.start()
    assert await doors.guessed("ann") == JUDGED - (PAIR.free - 1)
