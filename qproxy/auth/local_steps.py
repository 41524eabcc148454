"""What follows the right password: a code, a new password, the enrolment of an authenticator app.

Each form is judged here and leads to the next one, in the order of local_rules. It must not say yes to anything that
was proved in another browser, for another password or before: the flow sees to the first, `Progress` to the second, the
notes to the third.
"""

import asyncio
import logging
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Final

from qproxy.auth import totp, users
from qproxy.auth.lately import Lately
from qproxy.auth.local_forms import (
    SAVED,
    Progress,
    asks_code,
    asks_first_code,
    asks_new_password,
    proof_of,
    shows_recovery_codes,
)
from qproxy.auth.local_rules import NEW_PASSWORD, REFUSED, Due, LocalRules, day_of
from qproxy.auth.lock_out import LockOut
from qproxy.auth.method import Accept, Answer, Ask, LoginRequest, Reason, Refuse
from qproxy.auth.passwords import Passwords
from qproxy.auth.user_file import Entry, UserFileError, name_key
from qproxy.breached import BreachedError
from qproxy.clients import network_of
from qproxy.model import NO_TIE, Tie

log = logging.getLogger("qproxy.auth")

CODE_LIFE: Final = (2 * totp.WINDOW + 1) * totp.STEP
"""Seconds for which a code could be used again."""
PAGE_LIFE: Final = 600.0
"""Seconds for which the flow takes a form back."""
STALE: Final = Refuse(Reason.STALE)


class LocalSteps:
    def __init__(self, path: Path, lately: Lately, passwords: Passwords, rules: LocalRules, lock_out: LockOut) -> None:
        self._path = path
        self._lately = lately
        self._passwords = passwords
        self._rules = rules
        self._lock_out = lock_out

    async def next(self, progress: Progress, request: LoginRequest) -> Answer:
        """What the person has to do now, or that nothing is left. May raise StoreUnavailable."""
        entry = progress.entry
        due = await self._due(progress, request)
        if due in REFUSED:
            return Refuse(Reason.DENIED, due.value, word=due.value)
        if due is Due.CODE:
            return asks_code(progress)
        if due in NEW_PASSWORD:
            return asks_new_password(progress, due, self._rules)
        if due is Due.ENROL:
            return asks_first_code(progress, self._rules, totp.new_key())
        await self._lock_out.right(entry)
        return Accept(entry.name, attributes=entry.attributes, tie=self.tie(entry))

    def tie(self, entry: Entry) -> Tie:
        """What a session keeps of the login, where it is checked again."""
        if self._rules.recheck is None:
            return NO_TIE
        kept = {"name": entry.name, "of": proof_of(entry)}
        return Tie(kept=kept, check_at=self._lately.clock() + self._rules.recheck)

    def stands(self, entry: Entry | None, tie: Tie) -> bool:
        """Whether the person would still be let in, with the password and the key of then."""
        if entry is None or proof_of(entry) != tie.kept.get("of"):
            return False
        return self._rules.refused(entry, day_of(self._lately.clock())) is None

    async def _due(self, progress: Progress, request: LoginRequest) -> Due:
        if await self._lock_out.closed(progress.entry):
            return Due.LOCKED
        today = day_of(self._lately.clock())
        return self._rules.due(progress.entry, today, progress.done, "change" in request.query)

    async def judge(self, progress: Progress, request: LoginRequest) -> Answer:
        """The form that came back. Raises TooBusy and UserFileError; may raise StoreUnavailable."""
        if await self._due(progress, request) in REFUSED:
            return await self.next(progress, request)
        if progress.stage == Due.CODE.value:
            after = await self._code(progress, request)
        elif progress.stage == Due.ENROL.value:
            after = await self._first_code(progress, request)
        elif progress.stage == SAVED:
            after = await self._saved(progress)
        else:
            after = await self._new_password(progress, request)
        return await self.next(after, request) if isinstance(after, Progress) else after

    # the second step

    async def _code(self, progress: Progress, request: LoginRequest) -> Progress | Answer:
        typed, entry = request.form.get("code", ""), progress.entry
        drift = totp.drift_of(entry.marks.totp, typed, self._lately.clock())
        if drift is None:
            return await self._recovery_code(progress, typed)
        if not await self._first_use(entry.marks.totp, drift):
            return Refuse(Reason.WRONG, "code_used", word="code_used", again=asks_code(progress))
        if drift:
            log.info("the clock of the authenticator app of %r is off by %+d steps of 30 s", entry.name, drift)
        return progress.after(Due.CODE)

    async def _recovery_code(self, progress: Progress, typed: str) -> Progress | Answer:
        """Each stands in for a code once."""
        entry, given = progress.entry, totp.recovery_hash(typed)
        left = tuple(one for one in entry.marks.recovery if not secrets.compare_digest(one, given))
        if left == entry.marks.recovery:
            return await self._wrong_code(progress, asks_code(progress))
        after = replace(entry, marks=replace(entry.marks, recovery=left))
        if not await asyncio.to_thread(users.swap, self._path, entry, after):
            return STALE
        log.warning("%r used a recovery code; %d are left", entry.name, len(left))
        return progress.after(Due.CODE, entry=after)

    async def _wrong_code(self, progress: Progress, again: Ask) -> Answer:
        await self._lock_out.wrong(name_key(progress.entry.name), progress.entry)
        return Refuse(Reason.WRONG, "code_wrong", word="code_wrong", again=again)

    async def _first_use(self, key: str, drift: int) -> bool:
        """RFC 6238 section 5.2: a code is accepted once."""
        step = totp.step_at(self._lately.clock()) + drift
        return await self._lately.once(f"code {step} of {totp.recovery_hash(key)}", CODE_LIFE)

    # the enrolment

    async def _first_code(self, progress: Progress, request: LoginRequest) -> Progress | Answer:
        key, entry = progress.extra, progress.entry
        drift = totp.drift_of(key, request.form.get("code", ""), self._lately.clock())
        if drift is None:
            return await self._wrong_code(progress, asks_first_code(progress, self._rules, key))
        codes = totp.new_recovery_codes()
        hashes = tuple(map(totp.recovery_hash, codes))
        after = replace(entry, marks=replace(entry.marks, totp=key, recovery=hashes))
        if not await self._first_use(key, drift) or not await asyncio.to_thread(users.swap, self._path, entry, after):
            return STALE
        log.info("%r has a second step from now on", entry.name)
        return shows_recovery_codes(progress.after(Due.CODE, entry=after), codes, secrets.token_urlsafe(16))

    async def _saved(self, progress: Progress) -> Progress | Answer:
        """The page asks nothing, so it lets in once: the browser's back button is no login."""
        once = await self._lately.once(f"recovery codes saved {progress.extra}", PAGE_LIFE)
        return progress.after() if once else STALE

    # another password

    async def _new_password(self, progress: Progress, request: LoginRequest) -> Progress | Answer:
        entry, new, why = progress.entry, request.form.get("new", ""), Due(progress.stage)
        problem = await self._problem(entry, new, request)
        if problem:
            return asks_new_password(progress, why, self._rules, problem)
        caller = network_of(request.address)
        after = users.renewed(entry, await self._passwords.hashed(new, caller), self._lately.clock())
        if not await asyncio.to_thread(users.swap, self._path, entry, after):
            return STALE
        log.info("%r has a new password", entry.name)
        return progress.after(why, entry=after)

    async def _problem(self, entry: Entry, new: str, request: LoginRequest) -> str:
        """ "" or a word of the table of texts."""
        if new != request.form.get("again", ""):
            return "password_differs"
        try:
            problem = await asyncio.to_thread(self._rules.password.problem, new, entry.name)
        except BreachedError as error:
            raise UserFileError(str(error)) from None
        if problem:
            return problem
        same = await self._passwords.matches(new, entry.hash, network_of(request.address))
        return "" if same is None else "password_same"
