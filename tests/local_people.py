"""People of a file of users at the login page, for tests of what comes after the password."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path

from login_site import PASSWORD, Browser, Desk, Reply, Site, open_site, quick_hasher, user_file

from qproxy.auth import Method, totp, users
from qproxy.auth.lately import Lately
from qproxy.auth.local_rules import LocalRules
from qproxy.auth.password_file import PasswordFile
from qproxy.auth.passwords import Passwords
from qproxy.auth.user_marks import Marks
from qproxy.sessions.memory_notes import MemoryNotes

LOGIN = "/qproxy/login/sales"
KEY = totp.new_key()
NOON = 1_800_000_000.0
"""2027-01-15, 08:00 UTC."""


class People:
    """A site with ann and bob, whose file and clock a test can change."""

    def __init__(self, site: Site, path: Path, now: list[float], notes: MemoryNotes) -> None:
        self.site = site
        self.notes = notes
        self.path = path
        self.now = now

    def mark(self, name: str = "ann", **marks: object) -> None:
        users.mark(self.path, name, lambda before: replace(before, **marks))  # type: ignore[arg-type]

    def marks(self, name: str = "ann") -> Marks:
        return {entry.name: entry.marks for entry in users.people(self.path)}[name]

    def code(self, key: str = KEY) -> str:
        return totp.code_of(key, totp.step_at(self.now[0]))

    async def first(self, browser: Browser, password: str = PASSWORD, page: str = LOGIN, name: str = "ann") -> Reply:
        """What comes after name and password."""
        return await browser.log_in(page, name, password)

    async def log_in(self, password: str = PASSWORD, code: str = "", name: str = "ann") -> Reply:
        browser = self.site.browser()
        reply = await self.first(browser, password, name=name)
        return await go_on(browser, reply, code=code) if code else reply

    @property
    def method(self) -> Method:
        return self.site.desk.methods[0]

    @property
    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.site.desk.events]


async def go_on(browser: Browser, reply: Reply, page: str = LOGIN, **fields: str) -> Reply:
    """Fills in the form that the page shows."""
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', reply.text))
    return await browser.post(page, hidden | fields)


def shown(reply: Reply) -> list[str]:
    return [unescape(one) for one in re.findall(r"<code>([^<]*)</code>", reply.text)]


@asynccontextmanager
async def people(folder: Path, clock: Callable[[], float] = time.monotonic, **rules: object) -> AsyncIterator[People]:
    now, path = [NOON], user_file(folder, "ann", "bob")
    wanted = LocalRules(**rules)  # type: ignore[arg-type]
    notes = MemoryNotes(lambda: now[0])
    lately = Lately(notes, lambda: now[0])
    method = PasswordFile(path, lately, passwords=Passwords(quick_hasher()), rules=wanted)
    async with open_site(Desk([method]), clock=clock) as site:
        yield People(site, path, now, notes)
