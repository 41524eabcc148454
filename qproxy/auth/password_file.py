"""Logging in with a user name and a password from a file of users.

The first way in: it needs no other server. It must not tell, by text, cost or time, whether a name exists, and says
only to who has the right password what else is the matter. Further steps are local_steps'.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from qproxy.auth import users
from qproxy.auth.lately import Lately
from qproxy.auth.local_forms import FIRST, Progress
from qproxy.auth.local_rules import LocalRules
from qproxy.auth.local_steps import LocalSteps
from qproxy.auth.lock_out import LockOut
from qproxy.auth.method import Accept, Answer, Ask, LoginRequest, Method, Reason, Refuse, Unavailable
from qproxy.auth.passwords import Passwords, TooBusy
from qproxy.auth.user_file import LONGEST_NAME, Entry, UserFile, UserFileError, name_key
from qproxy.clients import network_of
from qproxy.model import Session, Tie

log = logging.getLogger("qproxy.auth")

BUSY_SECONDS: Final = 5


class PasswordFile(Method):
    """`passwords` may be shared between virtual proxies; `close` closes them. `offers_change`: the page has a link to
    where people choose another password."""

    anew: ClassVar[frozenset[str]] = frozenset({"change"})

    def __init__(
        self,
        path: Path,
        lately: Lately,
        *,
        name: str = "password_file",
        passwords: Passwords | None = None,
        rules: LocalRules | None = None,
        offers_change: bool = False,
    ) -> None:
        self.name = name
        self._offers_change = offers_change
        self._file = UserFile(path)
        self._reading = asyncio.Lock()
        self._passwords = Passwords() if passwords is None else passwords
        self._lock_out = LockOut(path, lately, (rules or LocalRules()).lock_after)
        self._steps = LocalSteps(path, lately, self._passwords, rules or LocalRules(), self._lock_out)
        self._complaint = ""

    @property
    def scope(self) -> str:
        return str(self._file.path)

    async def step(self, request: LoginRequest) -> Answer:
        if not request.form:
            return Ask(FIRST, further="change" if self._offers_change and "change" not in request.query else "")
        typed = request.kept.get("name") or request.form.get("name", "")
        return await self._judged(request, name_key(typed) if len(typed) <= LONGEST_NAME else "")

    async def recheck(self, session: Session) -> Tie | None:
        try:
            entries = await self._entries()
        except UserFileError as error:
            raise Unavailable(str(error)) from None
        entry = entries.get(name_key(session.tie.kept.get("name", "")))
        return self._steps.tie(entry) if entry and self._steps.stands(entry, session.tie) else None

    async def find(self, name: str) -> Accept | None:
        try:
            entry = (await self._entries()).get(name_key(name))
        except UserFileError as error:
            raise Unavailable(str(error)) from None
        return Accept(entry.name, attributes=entry.attributes) if entry else None

    async def close(self) -> None:
        await self._lock_out.close()
        self._passwords.close()

    async def _judged(self, request: LoginRequest, key: str) -> Answer:
        try:
            entries = await self._entries()
            if request.kept:
                return await self._further(request, entries.get(key))
            return await self._first(request, key, entries.get(key))
        except TooBusy:
            return Refuse(Reason.BUSY, retry_after=BUSY_SECONDS)
        except UserFileError as error:
            self._complain(str(error))
            return Refuse(Reason.UNAVAILABLE)

    async def _entries(self) -> Mapping[str, Entry]:
        async with self._reading:
            entries = await asyncio.to_thread(self._file.entries)
        self._complaint = ""
        return entries

    async def _first(self, request: LoginRequest, key: str, entry: Entry | None) -> Answer:
        password, known = request.form.get("password", ""), entry.hash if entry else None
        kept = await self._passwords.matches(password, known, network_of(request.address))
        if entry is None or kept is None:
            await self._lock_out.wrong(key, entry)
            return Refuse(Reason.WRONG)
        if kept != entry.hash:
            entry = await self._rehashed(entry, kept)
        return await self._steps.next(Progress(entry), request)

    async def _further(self, request: LoginRequest, entry: Entry | None) -> Answer:
        progress = Progress.read(request.kept, entry)
        if progress is None:
            return Refuse(Reason.STALE)
        return await self._steps.judge(progress, request)

    async def _rehashed(self, entry: Entry, password_hash: str) -> Entry:
        after = replace(entry, hash=password_hash)
        try:
            return after if await asyncio.to_thread(users.swap, self._file.path, entry, after) else entry
        except UserFileError as error:
            log.info("the password of %r keeps its older hash: %s", entry.name, error)
            return entry

    def _complain(self, complaint: str) -> None:
        """Once until it is mended, not at every login."""
        if complaint != self._complaint:
            log.error("nobody can log in with a password: %s", complaint)
            self._complaint = complaint
