"""Who is asking: ticket, session id, header, anonymous, in Qlik's order. Sets the exchange's session or says why not.

Whoever cannot be identified is turned away elsewhere (`turning_away.py`); no answers are made here.
"""

import uuid
from enum import Enum
from typing import Any

from qproxy.qliksim import routes
from qproxy.qliksim.core import Core
from qproxy.qliksim.exchange import Exchange
from qproxy.qliksim.jwt_login import BadTokenError, owner_of
from qproxy.qliksim.state import Attributes, SimSession, VirtualProxyState


class Outcome(Enum):
    KNOWN = "known"
    NOBODY = "nobody"
    MODULE_FAILED = "module failed"
    REFUSED = "its token is bad"


async def identify(exchange: Exchange, opens: bool = True) -> Outcome:
    """Find or open the session of a request; `opens` False finds only (no anonymous session is made)."""
    if await _by_ticket(exchange):
        return Outcome.KNOWN
    if _has_bad_token(exchange):
        return Outcome.REFUSED
    session_id = exchange.cookie()
    outcome = await _by_cookie(exchange, session_id) if session_id else Outcome.NOBODY
    if outcome is Outcome.KNOWN and not _other_header_user(exchange):
        return outcome
    if await _by_header(exchange):
        return Outcome.KNOWN
    if opens and await _anonymous(exchange, stale=session_id is not None):
        return Outcome.KNOWN
    exchange.session = None
    return outcome if outcome is not Outcome.KNOWN else Outcome.NOBODY


async def _by_ticket(exchange: Exchange) -> bool:
    ticket_id = routes.argument(exchange.place.query, "qlikticket")
    ticket = exchange.vp.redeem(ticket_id) if ticket_id else None
    if ticket is None:
        return False
    await _open(exchange, (ticket.directory, ticket.user), ticket.attributes, "ticket")
    return True


async def _by_cookie(exchange: Exchange, session_id: str) -> Outcome:
    found = await look_up(exchange.core, exchange.vp, session_id)
    if isinstance(found, Outcome):
        return found
    exchange.session = found
    return Outcome.KNOWN


async def look_up(core: Core, vp: VirtualProxyState, session_id: str) -> SimSession | Outcome:
    """The session of an id from the cache or, when it is not there or too old, from the session module."""
    cached = vp.sessions.get(session_id)
    if cached is not None and not _needs_asking(core, cached):
        return cached
    return await _ask_module(core, vp, session_id)


def _needs_asking(core: Core, session: SimSession) -> bool:
    ttl = core.toggles.cache_ttl_s
    return session.source == "module" and ttl is not None and session.validated + ttl <= core.clock()


async def _ask_module(core: Core, vp: VirtualProxyState, session_id: str) -> SimSession | Outcome:
    reply = await core.modules.find(vp.settings.prefix, session_id)
    found = reply.session_object()
    if found is None:
        vp.sessions.pop(session_id, None)
        return Outcome.NOBODY if reply.missing else Outcome.MODULE_FAILED
    owner = (found["userdirectory"].strip(), found["userid"].strip())
    session = vp.sessions.get(session_id)  # another request may have asked at the same time
    if session is None:
        session = vp.open_session(owner, attributes_of(found.get("attributes")), "module", session_id)
    session.validated = core.clock()
    return session


def attributes_of(value: Any) -> Attributes:
    """Qlik's list of one-key objects, from whatever a module or a client sent."""
    if not isinstance(value, list):
        return []
    return [{str(key): str(text)} for each in value if isinstance(each, dict) for key, text in each.items()]


def _token_owner(exchange: Exchange) -> tuple[str, str] | None:
    """The user of a bearer token, where tokens are the way to log in; raises BadTokenError."""
    kind, _, token = exchange.request.headers.get("Authorization", "").partition(" ")
    if exchange.vp.settings.auth != "jwt" or kind.lower() != "bearer":
        return None
    return owner_of(token, exchange.vp.settings.jwt_key, exchange.core.clock())


def _has_bad_token(exchange: Exchange) -> bool:
    try:
        _token_owner(exchange)
    except BadTokenError:
        return True
    return False


def _header_owner(exchange: Exchange) -> tuple[str, str] | None:
    """The user that a header names, or its token where tokens are the way to log in."""
    settings = exchange.vp.settings
    if settings.auth == "jwt":
        return _token_owner(exchange)
    value = exchange.request.headers.get(settings.header_name, "") if settings.header_name else ""
    if not value or not settings.auth.startswith("header_"):
        return None
    if settings.auth == "header_static":
        return settings.static_dir, value
    directory, _, user = value.rpartition("\\")
    return directory, user


def _other_header_user(exchange: Exchange) -> bool:
    owner = _header_owner(exchange)
    return owner is not None and exchange.session is not None and exchange.session.owner != owner


async def _by_header(exchange: Exchange) -> bool:
    owner = _header_owner(exchange)
    if owner is None:
        return False
    await _open(exchange, owner, [], "header")
    return True


async def _anonymous(exchange: Exchange, stale: bool) -> bool:
    """A session for nobody in particular; a stale id goes to the login instead, unless all are anonymous."""
    mode = exchange.vp.settings.anonymous
    forced = routes.argument(exchange.place.query, "forceauthentication") == "yes"
    if mode == "none" or (mode == "allow" and (stale or forced)):
        return False
    await _open(exchange, ("NONE", f"anonymous{uuid.uuid4()}"), [], "anonymous")
    return True


async def _open(exchange: Exchange, owner: tuple[str, str], attributes: Attributes, source: str) -> None:
    exchange.session = exchange.vp.open_session(owner, attributes, source)
    exchange.new_session = True
    if source == "anonymous" or exchange.core.toggles.mirror_api_sessions:
        await exchange.core.modules.register(exchange.vp.settings.prefix, exchange.session)
