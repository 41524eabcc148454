"""Guessing on the login page, whichever way to log in: slowed down before anything is judged, told, written down."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from login_site import PASSWORD, Browser, Desk, Reply, Site, open_site, password_method, user_file

from qproxy.auth import Accept, Answer, Ask, Field, LoginRequest, Method, Reason, Refuse
from qproxy.auth.ldap import Ldap
from qproxy.auth.local_rules import LocalRules
from qproxy.auth.passwords import Passwords
from qproxy.auth.way import Way
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.memory_tries import MemoryTries

LOGIN = "/qproxy/login/sales"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Counting(Method):
    """Knows ann, and counts how often it is asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked = 0

    async def step(self, request: LoginRequest) -> Answer:
        if not request.form:
            return Ask((Field("name", "name"), Field("password", "password", secret=True)))
        self.asked += 1
        if request.form.get("name") == "down":
            return Refuse(Reason.UNAVAILABLE)
        return Accept("ann") if request.form.get("password") == PASSWORD else Refuse(Reason.WRONG)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def method() -> Counting:
    return Counting()


@pytest.fixture
async def site(clock: Clock, method: Counting) -> AsyncIterator[Site]:
    async with open_site(Desk([method]), clock=clock) as opened:
        yield opened


async def guess(browser: Browser, password: str = "wrong", name: str = "ann") -> Reply:
    return await browser.log_in(name=name, password=password)


async def test_the_wait_grows_and_is_told(site: Site, clock: Clock, method: Counting) -> None:
    browser = site.browser()
    statuses = [(await guess(browser)).status for _ in range(5)]
    refused = await guess(browser, PASSWORD)
    assert (statuses, refused.status, refused.headers["Retry-After"]) == ([403] * 5, 429, "1")
    clock.now = 1.0
    await guess(browser)
    assert (await guess(browser, PASSWORD)).headers["Retry-After"] == "2"
    assert method.asked == 6


async def test_a_hundred_guesses_at_once_are_no_better_than_one_by_one(site: Site, method: Counting) -> None:
    browser = site.browser()
    form = await browser.get(LOGIN)
    fields = {"token": form.token, "name": "ann"}
    await asyncio.gather(*(browser.post(LOGIN, {**fields, "password": f"guess {n}"}) for n in range(100)))
    assert method.asked == 5


async def test_the_right_password_clears_what_was_wrong_before(site: Site) -> None:
    for _ in range(3):
        for _ in range(4):
            await guess(site.browser())
        assert (await guess(site.browser(), PASSWORD)).status == 303


async def test_a_try_that_nobody_could_judge_does_not_count(site: Site) -> None:
    statuses = {(await guess(site.browser(), name="down")).status for _ in range(20)}
    assert statuses == {503}


async def test_the_spelling_of_a_name_buys_no_guesses(site: Site) -> None:
    statuses = [
        (await guess(site.browser(), name=name)).status for name in ("ann", " ANN", "Ann ", "aNN", "ANn", "ann")
    ]
    assert statuses == [403] * 5 + [429]


async def test_each_try_is_in_the_audit_log_a_slowed_one_too(site: Site) -> None:
    for _ in range(6):
        await guess(site.browser())
    assert [(event.outcome, event.user) for event in site.desk.events] == [("wrong", "ann")] * 5 + [
        ("throttled", "ann")
    ]


async def test_two_virtual_proxies_with_one_file_count_together(tmp_path: Path) -> None:
    path = user_file(tmp_path, "ann")
    desks = [Desk(chosen_ways=[Way(password_method(path))]), Desk(chosen_ways=[Way(password_method(path))], name="hr")]
    async with open_site(*desks, clock=lambda: 0.0) as site:
        for _ in range(5):
            await guess(site.browser())
        refused = await site.browser().log_in("/qproxy/login/hr")
    assert refused.status == 429


class Directory(Counting):
    """Takes a name with and without its domain, as a directory does."""

    def counted_as(self, name: str) -> str:
        return Ldap.counted_as(self, name)  # type: ignore[arg-type]


async def test_the_domain_before_or_behind_a_name_buys_no_guesses() -> None:
    names = ("ann", "ACME\\ann", "ann@acme.example", "acme\\ANN", "Ann@ACME.example", "ann")
    async with open_site(Desk([Directory()]), clock=lambda: 0.0) as site:
        statuses = [(await guess(site.browser(), name=name)).status for name in names]
    assert statuses == [403] * 5 + [429]


async def test_a_name_that_nobody_has_costs_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question to the store and each password that is hashed takes its time."""
    done: list[str] = []
    noted(monkeypatch, done, MemoryNotes, "once", "put", "take", "look")
    noted(monkeypatch, done, MemoryTries, "take", "settle")
    noted(monkeypatch, done, Passwords, "matches", "hashed")
    ways = [Way(password_method(user_file(tmp_path, "ann"), rules=LocalRules(lock_after=10)))]
    costs = []
    async with open_site(Desk(chosen_ways=ways), clock=lambda: 0.0) as site:
        for name in ("ann", "nobody"):
            for _ in range(6):
                done.clear()
                status = (await guess(site.browser(), name=name)).status
                costs.append((name, status, tuple(done)))
    anns, nobodys = ([cost[1:] for cost in costs if cost[0] == name] for name in ("ann", "nobody"))
    assert anns == nobodys
    assert [status for status, _ in anns] == [403] * 5 + [429]
    assert "matches" in anns[0][1]


def noted(monkeypatch: pytest.MonkeyPatch, done: list[str], kind: type, *names: str) -> None:
    for name in names:
        real = getattr(kind, name)

        async def called(*words: Any, real: Any = real, name: str = name, **more: Any) -> Any:
            done.append(name)
            return await real(*words, **more)

        monkeypatch.setattr(kind, name, called)
