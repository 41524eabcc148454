"""Who somebody would be for Qlik, asked without a password: what `qproxy whoami` prints.

The rules and the methods are those that serve. Nobody is logged in, and nothing is written.
"""

import ipaddress
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from qproxy.auth.mapping import Denied, Identity, identify, rules_of
from qproxy.auth.method import Accept
from qproxy.auth.oidc_claims import flattened
from qproxy.auth.passwords import Passwords
from qproxy.config import Config, LoginPart, VirtualProxyConfig
from qproxy.login_methods import Supplies, open_way
from qproxy.model import Attributes
from qproxy.observe.lines import quoted
from qproxy.sessions.memory_notes import MemoryNotes

One = TypeVar("One")
LONGEST_FILE = 1024 * 1024


class NotAsked(Exception):
    """The question cannot be answered as it was put: says why, and what would do."""


@dataclass(frozen=True, slots=True)
class Question:
    """`claims` None: the method is asked for the name. `name` "" means what the claims say."""

    vp: str = ""
    method: str = ""
    name: str = ""
    claims: Mapping[str, tuple[str, ...]] | None = field(default=None, repr=False)
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Found:
    vp: str
    method: str
    known: Identity | Denied

    @property
    def allowed(self) -> bool:
        return isinstance(self.known, Identity)

    def as_data(self) -> dict[str, Any]:
        told: dict[str, Any] = {"vp": self.vp, "method": self.method, "allowed": self.allowed}
        if isinstance(self.known, Denied):
            return told | {"word": self.known.word, "rule": self.known.rule, "why": list(self.known.why)}
        attributes = [{"name": name, "value": value} for name, value in self.known.attributes.pairs]
        return told | {
            "user_directory": self.known.user.directory,
            "user_id": self.known.user.id,
            "attributes": attributes,
            "bytes": self.known.attributes.size,
            "cut": list(self.known.cut),
            "why": list(self.known.why),
        }


async def find(config: Config, question: Question) -> Found:
    """Raises NotAsked, and Unavailable when the method cannot ask who would know."""
    try:
        ipaddress.ip_address(question.address)
    except ValueError:
        raise NotAsked(f"{question.address!r} is no IP address") from None
    vp = _only("virtual proxy", "--vp", {one.name: one for one in config.virtual_proxies}, question.vp)
    login = _only("way to log in", "--method", {one.known_as: one for one in vp.login}, question.method)
    accept = await _accept(config, vp, login, question)
    known = identify(accept, question.address, rules_of(vp, login))
    return Found(vp.name, login.known_as, known if isinstance(known, Denied) else _with_everybodys(known, vp))


def _with_everybodys(known: Identity, vp: VirtualProxyConfig) -> Identity:
    pairs = (*known.attributes.pairs, *vp.static_attributes.pairs)
    said = [f"attribute {name}: {len(values)} values that everybody gets" for name, values in vp.attributes.items()]
    return replace(known, attributes=Attributes(pairs), why=(*known.why, *said))


def _only(what: str, option: str, there: Mapping[str, One], name: str) -> One:
    if name in there:
        return there[name]
    if not name and len(there) == 1:
        return next(iter(there.values()))
    says = f"there is no {what} {name!r}" if name else f"say which {what} with {option}"
    raise NotAsked(f"{says}: there are {', '.join(there) or 'none'}")


async def _accept(config: Config, vp: VirtualProxyConfig, login: LoginPart, question: Question) -> Accept:
    if question.claims is None:
        return await _looked_up(config, vp, login, question.name)
    named = next((question.claims[claim] for claim in login.names_by if claim in question.claims), ())
    name = question.name or (named[0] if len(named) == 1 else "")
    if not name and not login.who.over(vp.who).user_id:
        raise NotAsked("the claims do not say the name that this way to log in uses: say it with --as")
    return Accept(name, claims=question.claims)


async def _looked_up(config: Config, vp: VirtualProxyConfig, login: LoginPart, name: str) -> Accept:
    if not name:
        raise NotAsked("say who with --as NAME, or with --claims FILE")
    supplies = Supplies(config.server.public, time.time, MemoryNotes(time.time), Passwords())
    method = open_way(login, vp, supplies).method
    try:
        accept = await method.find(name)
    finally:
        await method.close()
    if accept is None:
        raise NotAsked(f"{login.known_as} knows nobody by the name {name!r}")
    return accept


def read_claims(path: Path) -> dict[str, tuple[str, ...]]:
    """Of a JSON object as an ID token has it; nested names are joined by dots, as at a login. Raises NotAsked."""
    try:
        content = path.read_bytes()[: LONGEST_FILE + 1]
        said = json.loads(content) if len(content) <= LONGEST_FILE else None
    except (OSError, ValueError, RecursionError) as error:
        raise NotAsked(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(said, dict):
        raise NotAsked(f"{path} must hold one JSON object, as an ID token has it, of at most 1 MB")
    return dict(flattened(said)[0])


def lines(found: Found) -> Iterator[str]:
    """For people."""
    known = found.known
    if isinstance(known, Identity):
        yield f"user directory  {_shown(known.user.directory)}"
        yield f"user id         {_shown(known.user.id)}"
        yield f"attributes      {len(known.attributes.pairs)}, {known.attributes.size} bytes"
        yield from (f"  {_shown(name)} = {_shown(value)}" for name, value in known.attributes.pairs)
        yield from (f"cut             {_shown(one)}" for one in known.cut)
        yield "why"
    else:
        yield f"not let in      {known.word}"
        yield f"                {_shown(known.rule)}"
        yield "why"
    yield from (f"  {number}. {_shown(one)}" for number, one in enumerate(known.why, 1))


def _shown(text: str) -> str:
    """Chosen elsewhere: what a terminal would obey is quoted."""
    return text if text.isprintable() else quoted(text)
