"""Logging in with a user name and a password from a file of users.

The first way in: it needs no other server. It must not tell, by text, cost or time, whether a name exists.
"""

import asyncio
import logging
import math
import time
from pathlib import Path
from typing import Final

from qproxy.auth import users
from qproxy.auth.method import Accept, Answer, Ask, Field, LoginRequest, Method, Reason, Refuse
from qproxy.auth.passwords import Passwords, TooBusy
from qproxy.auth.throttle import Throttle
from qproxy.auth.user_file import LONGEST_NAME, Entry, UserFile, UserFileError, name_key
from qproxy.clients import network_of

log = logging.getLogger("qproxy.auth")

FIELDS: Final = (
    Field("name", "name", autocomplete="username"),
    Field("password", "password", autocomplete="current-password", secret=True),
)
BUSY_SECONDS: Final = 5


class PasswordFile(Method):
    """`throttle` and `passwords` may be shared between virtual proxies; `close` closes `passwords`."""

    def __init__(
        self,
        path: Path,
        *,
        name: str = "password_file",
        passwords: Passwords | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.name = name
        self._file = UserFile(path)
        self._reading = asyncio.Lock()
        self._passwords = Passwords() if passwords is None else passwords
        self._throttle = Throttle(time.monotonic) if throttle is None else throttle
        self._complaint = ""

    async def step(self, request: LoginRequest) -> Answer:
        if not request.form:
            return Ask(FIELDS)
        typed = request.form.get("name", "")
        key = name_key(typed) if len(typed) <= LONGEST_NAME else ""
        wait = self._throttle.take(request.address, key)
        if wait > 0:
            return Refuse(Reason.THROTTLED, retry_after=math.ceil(wait))
        try:
            return await self._judge(request, key)
        except TooBusy:
            self._throttle.give_back(request.address, key)
            return Refuse(Reason.BUSY, retry_after=BUSY_SECONDS)
        except UserFileError as error:
            self._throttle.give_back(request.address, key)
            self._complain(str(error))
            return Refuse(Reason.UNAVAILABLE)

    async def close(self) -> None:
        self._passwords.close()

    async def _judge(self, request: LoginRequest, key: str) -> Answer:
        async with self._reading:
            entries = await asyncio.to_thread(self._file.entries)
        self._complaint = ""
        entry = entries.get(key)
        password, known = request.form.get("password", ""), entry.hash if entry else None
        kept = await self._passwords.matches(password, known, network_of(request.address))
        if entry is None or kept is None:
            return Refuse(Reason.WRONG)
        self._throttle.forgive(request.address, key)
        if kept != entry.hash:
            await self._keep(entry, kept)
        return Accept(entry.name, attributes=entry.attributes)

    async def _keep(self, entry: Entry, password_hash: str) -> None:
        try:
            await asyncio.to_thread(users.keep_hash, self._file.path, entry, password_hash)
        except UserFileError as error:
            log.info("the password of %r keeps its older hash: %s", entry.name, error)

    def _complain(self, complaint: str) -> None:
        """Once until it is mended, not at every login."""
        if complaint != self._complaint:
            log.error("nobody can log in with a password: %s", complaint)
            self._complaint = complaint
