"""What a way to log in is given and what it may answer.

It exists so that passwords, identity providers and directories look alike to the login flow. It must not know HTTP
beyond names and values, and no answer may carry what the person typed as a secret.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from qproxy.model import NO_TIE, Attributes, Session, Tie

Keep = Callable[[Mapping[str, str], int], Awaitable[str]]
"""Makes an opaque, URL-safe text of at most so many bytes (43 at least), bound to this browser, virtual proxy and way
to log in, good for ten minutes and one return. Who comes back with it gets the mapping as `LoginRequest.kept`."""


async def keep_nothing(_: Mapping[str, str], __: int) -> str:
    """Where nobody comes back."""
    return ""


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """One step of a login: what the browser sent on behalf of the person.

    `form` is empty when the page is only being opened; `query` is that of the URL, made by whoever made it. `verb` is
    "" on the login page, else the last part of the address at which the method takes browsers back (`returns`).
    `kept` is what the method had kept in its step before, of this browser and this login: {} at the beginning, and
    when what came back was not ours, too old, used before or another browser's. `here` is the address of the method on
    the public host, "https://bi.example.com/qproxy/login/sales/oidc", below which its verbs are.
    `peer` is the address of the connection itself, `address` the browser's, as far as a trusted proxy named one.
    `headers` has the request's fields, names in lower case, each with all its values. `certificate`: the names in the
    one that the connection showed and an authority of the configuration made.
    """

    vp: str
    address: str
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    verb: str = ""
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)
    here: str = ""
    peer: str = ""
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    keep: Keep = field(default=keep_nothing, repr=False)
    certificate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One input of the form. `label` is a word of the table of texts, or the text itself."""

    name: str
    label: str
    autocomplete: str = "off"
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page tells above its form: a sentence or a name (`label`, as a field's), and what it is the name of. With
    `picture` the values are images, each as a data: address."""

    label: str
    values: tuple[str, ...] = field(default=(), repr=False)
    picture: bool = False


class Reason(StrEnum):
    """Why a login was refused, as a person may know it. WRONG never says which part was wrong."""

    WRONG = "wrong"
    THROTTLED = "throttled"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    DENIED = "denied"
    """Known, but not let in: by a rule, by the provider, or by an account that is locked or over."""
    REJECTED = "rejected"
    """What an identity provider, or somebody in its name, sent cannot be trusted."""
    STALE = "stale"
    """The login took too long, was done before, or began in another browser: begin again."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The person has to fill in a form first. What `keep` holds comes back with the form as `LoginRequest.kept`; a
    "name" in it is the person's, where the form does not ask for it again. `title`, `button` and `message` are words
    of the table of texts, or the texts themselves; "" means the login page's own. `further`: one of `Method.anew`, to
    which the page has a link; its text is `login_` and that word."""

    fields: tuple[Field, ...]
    message: str = ""
    keep: Mapping[str, str] = field(default_factory=dict, repr=False)
    title: str = ""
    button: str = ""
    shown: tuple[Shown, ...] = ()
    further: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """The browser has to go elsewhere first: an absolute URL of an identity provider from the configuration. With
    `form` it is a form that the person posts there (SAML's POST binding)."""

    url: str = field(repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The browser is to prove by itself who is in front of it (401 with this WWW-Authenticate); the page below it, for
    browsers that cannot, offers the other ways to log in."""

    scheme: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The person is known. `user_id` is the name that the method means by default; `directory` None means the virtual
    proxy's own user directory; `claims` are all that was learned of the person, for the mapping rules of the
    configuration (names as the provider or directory spells them), `attributes` what the method itself gives to
    Qlik. `tie`: what the session keeps of this login. `target`: a path to go to, where the method knows one; it is
    checked like any other."""

    user_id: str
    directory: str | None = None
    attributes: Attributes = field(default_factory=Attributes)
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tie: Tie = field(default=NO_TIE, repr=False)
    target: str = ""
    answer: str = field(default="", repr=False)
    """The WWW-Authenticate by which the browser knows that this is whom it meant (RFC 4559 section 5)."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not logged in. `word` says exactly why, for the audit log and docs/errors.md ("oidc_wrong_nonce"); "" is the
    reason's own. `text` is for the person (empty: the table's text for the reason); `retry_after` in seconds."""

    reason: Reason
    text: str = ""
    retry_after: int | None = None
    word: str = ""
    again: Ask | None = None
    """What to fill in again, where that is not the first form."""

    @property
    def outcome(self) -> str:
        return self.word or self.reason.value


Answer = Ask | Send | Challenge | Accept | Refuse


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one of the method's own addresses that is not a step of a login: a provider's logout, a program."""

    verb: str
    http_method: str
    here: str
    address: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw_query: str = field(default="", repr=False)
    """The query as it came: what a signature is over."""
    sessions: tuple[Session, ...] = ()
    """The living sessions whose cookies the browser sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a Call. `ends`: sessions with one of these keys in their tie end, and those of `ends_here` (ids),
    before it is answered. `url`: the browser is sent there. `word`: what the audit log calls it, "" for nothing."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    url: str = field(default="", repr=False)
    ends: tuple[str, ...] = ()
    ends_here: tuple[str, ...] = field(default=(), repr=False)
    word: str = ""


class Method(ABC):
    """A way to log in. `name` is how the configuration, the URL and the audit log call it: unique in a virtual proxy.

    `returns`: verbs below `LoginRequest.here` at which browsers come to `step`, each with the name of the parameter
    that brings back what `keep` made ("" for none). `posts_back`: they come there with a POST from another site.
    `calls`: verbs that come to `call`. `anew`: words of the login page's query with which somebody who is logged in
    gets the form nevertheless. `grace`: seconds for which sessions go on whose login is to be checked again, while the
    provider cannot be asked.
    """

    returns: ClassVar[Mapping[str, str]] = {}
    posts_back: ClassVar[bool] = False
    calls: ClassVar[frozenset[str]] = frozenset()
    anew: ClassVar[frozenset[str]] = frozenset()
    grace: float = 900.0
    name: str

    @property
    def scope(self) -> str:
        """What guesses are counted for: the same text for all that judge the same people."""
        return self.name

    def counted_as(self, name: str) -> str:
        """Under which text guesses at that name are counted: the same for all spellings of a person."""
        return name.strip().casefold()

    @abstractmethod
    async def step(self, request: LoginRequest) -> Answer:
        """Never raises for what a person typed; a broken backend is Refuse(UNAVAILABLE)."""

    async def call(self, call: Call) -> Reply:
        return Reply(404)

    async def leave(self, session: Session, back: str) -> str:
        """Where the browser goes after a logout, so that it is one there too, and comes back to `back`, an address that
        may have a query with nothing but `state`; "" for nowhere. `session` has ended: of it only what it was tied to
        counts. Never raises."""
        return ""

    async def recheck(self, session: Session) -> Tie | None:
        """The provider is asked whether the login still stands: what the session keeps from now on, or None for no.

        Raises Unavailable when it cannot be asked."""
        return session.tie

    async def find(self, name: str) -> Accept | None:
        """Who would be accepted under that name, found without a password; None for nobody. Only methods that can tell
        have one of their own. Raises Unavailable."""
        return Accept(name)

    async def close(self) -> None:  # noqa: B027 - most methods hold nothing
        """Lets go of threads and connections; no step is called afterwards. May be called twice."""


class Unavailable(Exception):
    """Who would have to judge cannot be asked now: what, where, and what to do."""
