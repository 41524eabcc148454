"""Which virtual proxy and which area a raw request target names. Pure: text in, text out.

Qlik finds the prefix as the text in front of the first reserved word of the path, whatever its case. The rest
of the path is kept byte for byte; only what a rule needs is decoded.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

QLIK_WORDS = (
    "qmc client hub qps app sense single resources extensions content api qrs dev-hub appcontent tempcontent"
    " engine qlik-embed internal_windows_authentication internal_forms_authentication samlauthn oidc dataprepservice"
)
OWN_WORDS = "echo status cookies cached gzip chunked early-hints fault"  # debugging pages that Qlik does not have
RESERVED = frozenset(f"{QLIK_WORDS} {OWN_WORDS}".split())


@dataclass(frozen=True)
class Place:
    """Where a request goes: `prefix` without slashes, `rest` from the reserved word on (raw), `query` raw."""

    prefix: str
    rest: str
    query: str

    @property
    def area(self) -> str:
        return self.rest.split("/", 1)[0].lower()


@dataclass(frozen=True)
class EngineTarget:
    """What an engine socket's path asks for, decoded."""

    app: str
    identity: str = ""
    ttl: float = 0.0


def place(target: str, prefixes: Collection[str]) -> Place | None:
    """The place of a raw target, or None when no rule finds a virtual proxy in it.

    A path without a reserved word belongs to the longest known prefix that it starts with.
    """
    path, _, query = target.partition("?")
    segments = path.removeprefix("/").split("/")
    for at, segment in enumerate(segments):
        if segment.lower() in RESERVED:
            return Place("/".join(segments[:at]), "/".join(segments[at:]), query)
    for prefix in sorted((each for each in prefixes if each), key=len, reverse=True):
        if path == f"/{prefix}" or path.startswith(f"/{prefix}/"):
            return Place(prefix, path[len(prefix) + 2 :], query)
    return Place("", path.removeprefix("/"), query) if "" in prefixes else None


def argument(query: str, name: str) -> str | None:
    """The first value of a query key, its name compared without regard to case; None when it is missing."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return next((value for key, value in pairs if key.lower() == name.lower()), None)


def number(query: str, name: str, default: int = 0) -> int:
    """A whole number from the query; raises ValueError for anything else."""
    value = argument(query, name)
    return default if value is None else int(value)


def engine_target(rest: str) -> EngineTarget:
    """Split `app/{id}/identity/{x}/ttl/{seconds}`; an empty id is the global engine."""
    segments = rest.split("/")[1:]
    app = unquote(segments[0]) if segments else ""
    options = dict(zip(segments[1::2], segments[2::2], strict=False))
    ttl = options.get("ttl", "")
    return EngineTarget(app, unquote(options.get("identity", "")), float(ttl) if ttl.isdecimal() else 0.0)


def host_of(authority: str) -> str:
    """The host of a Host header, lower case, without its port; brackets of an address are dropped."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower()


def origin_host(origin: str) -> str:
    return host_of(origin.partition("://")[2])
