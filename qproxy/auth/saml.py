"""Logging in at a SAML 2.0 identity provider: Web Browser SSO by HTTP-Redirect and HTTP-POST, and Single Logout.

A request of ours is answered once, by a signed assertion for this service provider, in the browser that began the
login. XML is read in one thread of its own. It must not believe anything that was not signed.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from qproxy.auth import saml_messages as messages
from qproxy.auth.method import Accept, Answer, Call, LoginRequest, Method, Reason, Refuse, Reply, Send
from qproxy.auth.saml_messages import Assertion, SamlFault, ServiceProvider
from qproxy.model import Session, Tie
from qproxy.notes import Notes

log = logging.getLogger("qproxy.auth")

Made = TypeVar("Made")
RELAY_STATE: Final = 80
"""Bytes that the protocol grants it (saml-bindings 3.4.3)."""
SKEW: Final = 300.0
LOGOUT_SECONDS: Final = 600.0
LONGEST_MESSAGE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Wishes:
    """`user_attribute`: whose value is the user id, "" for the NameID. `unsolicited`: logins that the provider begins
    are taken, too, without a request of ours."""

    user_attribute: str = ""
    unsolicited: bool = False


class Saml(Method):
    """`clock`: seconds since the epoch."""

    returns: ClassVar[Mapping[str, str]] = {"acs": "RelayState"}
    posts_back: ClassVar[bool] = True
    calls: ClassVar[frozenset[str]] = frozenset({"metadata", "slo"})

    def __init__(
        self, name: str, provider: ServiceProvider, wishes: Wishes, notes: Notes, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self._provider = provider
        self._wishes = wishes
        self._notes = notes
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="qproxy-saml")

    # logging in

    async def step(self, request: LoginRequest) -> Answer:
        try:
            if request.verb == "acs":
                return await self._come_back(request)
            return await self._send(request)
        except SamlFault as fault:
            log.warning("login %s: %s: %s", self.name, fault.word, fault)
            unusable = fault.word == "saml_metadata"
            return Refuse(Reason.UNAVAILABLE if unusable else Reason.REJECTED, word=fault.word)

    async def _send(self, request: LoginRequest) -> Answer:
        asking = await self._threaded(lambda: messages.Asking(self._provider, request.here))
        relay_state = await request.keep({"id": asking.id}, RELAY_STATE)
        return Send(await self._threaded(lambda: asking.url(relay_state)))

    async def _come_back(self, request: LoginRequest) -> Answer:
        message = request.form.get("SAMLResponse", "")
        request_id = request.kept.get("id", "")
        if not request_id and not self._wishes.unsolicited:
            return Refuse(Reason.STALE)
        if not message or len(message) > LONGEST_MESSAGE:
            raise SamlFault("saml_malformed", f"a SAMLResponse of {len(message)} bytes")
        said = await self._threaded(lambda: messages.judged(self._provider, request.here, message, request_id))
        await self._use_up(said)
        return self._accepted(said, "" if request_id else request.form.get("RelayState", ""))

    async def _use_up(self, said: Assertion) -> None:
        """An assertion is good once, whoever brings it (saml-profiles 4.1.4.5)."""
        until = max(said.good_until, self._clock()) + SKEW
        for once in said.once:
            if not await self._notes.once(f"{self.name} {once}", until):
                raise SamlFault("saml_replayed", "the same assertion came before")

    def _accepted(self, said: Assertion, target: str) -> Answer:
        wanted = self._wishes.user_attribute
        named = said.attributes.get(wanted, ()) if wanted else (said.name_id,)
        if len(named) != 1 or not named[0].strip():
            there = ", ".join(sorted(said.attributes)) or "none"
            raise SamlFault("saml_no_user", f"attribute {wanted} has {len(named)} values; there were: {there}"[:500])
        claims = {**said.attributes, "name_id": (said.name_id,), "issuer": (said.issuer,)}
        return Accept(named[0], claims=claims, tie=self._tie(said), target=target)

    def _tie(self, said: Assertion) -> Tie:
        kept = {
            "name_id": said.name_id,
            "name_id_format": said.name_id_format,
            "qualifier": said.qualifiers[0],
            "sp_qualifier": said.qualifiers[1],
            "session_index": said.session_index,
        }
        person = _key(said.issuer, said.name_id)
        keys = (person, _key(said.issuer, said.name_id, said.session_index)) if said.session_index else (person,)
        return Tie(keys, {name: value for name, value in kept.items() if value}, said.session_until)

    async def recheck(self, session: Session) -> Tie | None:
        """The provider said until when its session lasts; there is nobody to ask whether it may last longer."""
        over = 0 < session.tie.check_at <= self._clock()
        return None if over else session.tie

    # logging out

    async def leave(self, session: Session, back: str) -> str:
        here = _here(back, session.vp, self.name)
        try:
            url, request_id = await self._threaded(
                lambda: messages.logout_request(self._provider, here, session.tie.kept)
            )
            if url:
                await self._notes.put(_logout_note(request_id), back.encode(), self._clock() + LOGOUT_SECONDS)
        except (SamlFault, *messages.BROKEN) as error:
            log.error("login %s: no logout at the provider: %s", self.name, error)
            return ""
        return url

    async def call(self, call: Call) -> Reply:
        try:
            if call.verb == "metadata":
                xml = await self._threaded(lambda: messages.metadata(self._provider, call.here))
                return Reply(200, xml, "application/samlmetadata+xml")
            return await self._logout(call)
        except SamlFault as fault:
            log.warning("login %s: %s: %s", self.name, fault.word, fault)
            return Reply(400, b"This logout could not be understood.", word=fault.word)

    async def _logout(self, call: Call) -> Reply:
        found = await self._threaded(lambda: messages.leaving(self._provider, call.here, call.query, call.raw_query))
        if found.answers:
            back = await self._notes.take(_logout_note(found.answers))
            return Reply(200, b"You are logged out.", url=(back or b"").decode())
        if not await self._notes.once(f"{self.name} {found.once}", self._clock() + 2 * SKEW):
            raise SamlFault("saml_replayed", "the same logout came before")
        issuer = await self._threaded(lambda: messages.issuer(self._provider, call.here))
        keys = tuple(_key(issuer, found.name_id, one) for one in found.session_indexes or ("",))
        return Reply(303, url=found.url, ends=keys, word="provider_logout")

    async def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _threaded(self, work: Callable[[], Made]) -> Made:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _key(issuer: str, name_id: str, session_index: str = "") -> str:
    return "\0".join(("saml", issuer, name_id, session_index))


def _logout_note(request_id: str) -> str:
    return f"saml logout {request_id}"


def _here(back: str, vp: str, name: str) -> str:
    """The method's address on the host that the browser is at."""
    scheme, _, rest = back.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/qproxy/login/{vp}/{name}"
