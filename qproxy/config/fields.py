"""The kinds of value that the configuration knows: durations, origins, addresses, networks, host names.

Every scalar of a YAML file arrives here as text, because the loader guesses no types: what `no`, `017` or `1e3` means
is decided by the key that it stands at. From Python, numbers and finished objects are taken as they are. A parser
raises ValueError with words that continue "this value ..." and never repeats the value: the loader adds it where it is
no secret. Nothing here opens a file or asks the network.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

DEFAULT_PORTS = {"http": 80, "https": 443}
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 3650 * 86400
MOST_WORKERS = 256
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([smhd]?)")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,15}")
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*"
)
_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_YES, _NO = {"true", "yes", "on"}, {"false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address (or localhost) and a port to listen on; port 0 lets the operating system choose."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def wildcard(self) -> bool:
        return self.host in {"0.0.0.0", "::"}  # noqa: S104 - a comparison, nothing is bound

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower case, IPv6 without brackets) and port. As text it is what a browser sends in `Origin`."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """host[:port] as a browser writes it in `Host`: the scheme's own port is left out."""
        return bracketed(self.host) + ("" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def parse_duration(value: object) -> float:
    """Seconds, from a number of them or from text such as 30s, 5m, 8h, 2d."""
    match = _DURATION.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if match is None or isinstance(value, bool):
        raise ValueError("must be a duration such as 30s, 5m, 8h or 2d, or a number of seconds")
    seconds = float(match[1]) * UNITS[match[2]]
    if not 0 < seconds <= LONGEST:
        raise ValueError("must be longer than nothing and at most ten years (3650d)")
    return seconds


def parse_duration_or_never(value: object) -> float | None:
    return None if value is None or value == "never" else parse_duration(value)


def parse_whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ValueError("must be a whole number in plain digits (no leading zero, no exponent, no separators)")
    return int(value)


def parse_whole_or_never(value: object) -> int | None:
    return None if value is None or value == "never" else parse_whole(value)


def parse_workers(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    try:
        number = parse_whole(value)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_WORKERS:
        raise ValueError(f"must be auto, or a whole number from 1 to {MOST_WORKERS}")
    return number


def parse_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word not in _YES | _NO:
        raise ValueError("must be true or false")
    return word in _YES


def parse_host(value: object) -> str:
    """A host name or IP address in lower case, IPv6 without brackets."""
    if not isinstance(value, str):
        raise ValueError("must be a host name")
    host = value.lower().removeprefix("[").removesuffix("]")
    if not host.isascii():
        raise ValueError("must be written in ASCII; for an international name that is its xn-- form")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _HOST_NAME.fullmatch(host) or re.fullmatch(r"[0-9.]+", host):
        raise ValueError("must be a host name or an IP address, without scheme and path")
    return host


def split_host_port(value: object) -> tuple[str, int | None]:
    """(host, port or None) of host[:port]."""
    match = _HOST_PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be host or host:port, without scheme and path")
    port = None if match[2] is None else int(match[2])
    if port is not None and port > 65535:
        raise ValueError("must have a port of at most 65535")
    return parse_host(match[1]), port


def parse_netloc(value: object) -> str:
    """host[:port] in lower case."""
    host, port = split_host_port(value)
    return bracketed(host) + ("" if port is None else f":{port}")


def parse_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    wanted = ValueError("must be IP:port, such as 127.0.0.1:8443, 0.0.0.0:443 or [::]:443")
    try:
        host, port = split_host_port(value)
        if host != "localhost":
            ipaddress.ip_address(host)
    except ValueError:
        raise wanted from None
    if port is None:
        raise wanted
    return Address(host, port)


def parse_origin(value: object) -> Origin:
    if isinstance(value, Origin):
        return value
    scheme, separator, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise ValueError("must begin with https:// or http://")
    if "@" in rest:
        raise ValueError("must not hold a user name or password")
    if "/" in rest or "?" in rest or "#" in rest:
        raise ValueError("must end after the host or port: no path, no slash, no query")
    host, port = split_host_port(rest)
    if port == 0:
        raise ValueError("must have a port from 1 to 65535")
    return Origin(scheme.lower(), host, port or DEFAULT_PORTS[scheme.lower()])


def parse_network(value: object) -> Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    text = value if isinstance(value, str) else ""
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be a network such as 10.1.0.0/16 or fd00::/8, or one IP address") from None
    if "/" in text and ipaddress.ip_interface(text).ip != loose.network_address:
        raise ValueError(f"must be a network address: did you mean {loose} or the one address without a slash?")
    return loose


def parse_path(value: object, validation: ValidationInfo) -> Path:
    """A path; a relative one is taken from the configuration's directory when the loader says which that is."""
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be the path of a file")
    directory = (validation.context or {}).get("directory")
    return Path(value) if directory is None else Path(directory, value)


def parse_access_target(value: object, validation: ValidationInfo) -> Path | Literal["stdout", "off"]:
    if value == "stdout" or value == "off":
        return value
    return parse_path(value, validation)


def parse_audit_target(value: object, validation: ValidationInfo) -> Path | Literal["stdout"]:
    if value == "off":
        raise ValueError("must be stdout or a path: the audit log cannot be switched off")
    return "stdout" if value == "stdout" else parse_path(value, validation)


def one_or_many(value: object) -> object:
    """A single value where a list is wanted is a list of one."""
    return [value] if isinstance(value, str | Path | Address | Origin) else value


_AS_TEXT = PlainSerializer(str, return_type=str)


def _text_schema(**keywords: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **keywords})


_DURATION_SCHEMA = {"type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]+)? ?[smhd]?$", "examples": ["30s", "8h"]}
_NEVER_SCHEMA = _DURATION_SCHEMA | {"pattern": "^(never|[0-9]+(\\.[0-9]+)? ?[smhd]?)$"}

Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
DurationOrNever = Annotated[float | None, BeforeValidator(parse_duration_or_never), WithJsonSchema(_NEVER_SCHEMA)]
Count = Annotated[int, Field(ge=1, le=10_000_000), BeforeValidator(parse_whole)]
CountOrNever = Annotated[
    int | None,
    Field(ge=1, le=10_000_000),
    BeforeValidator(parse_whole_or_never),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^(never|[1-9][0-9]*)$", "minimum": 1}),
]
PasswordLength = Annotated[int, Field(ge=8, le=64), BeforeValidator(parse_whole)]
HeadBytes = Annotated[int, Field(ge=4096, le=65536), BeforeValidator(parse_whole)]
AttributeBytes = Annotated[int, Field(ge=0, le=16384), BeforeValidator(parse_whole)]
WorkerCount = Annotated[
    int | Literal["auto"],
    PlainValidator(parse_workers),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}]}),
]
Flag = Annotated[bool, BeforeValidator(parse_flag)]
HostName = Annotated[str, PlainValidator(parse_host), _text_schema(examples=["qlik1.internal"])]
Netloc = Annotated[str, PlainValidator(parse_netloc), _text_schema(examples=["bi.example.com"])]
ListenAddress = Annotated[Address, _AS_TEXT, PlainValidator(parse_address), _text_schema(examples=["127.0.0.1:8443"])]
OriginUrl = Annotated[Origin, _AS_TEXT, PlainValidator(parse_origin), _text_schema(examples=["https://bi.example.com"])]
NetworkRange = Annotated[Network, _AS_TEXT, PlainValidator(parse_network), _text_schema(examples=["10.1.0.0/16"])]
FilePath = Annotated[Path, PlainValidator(parse_path), _text_schema(examples=["../certs/server.pem"])]
AccessTarget = Annotated[
    Path | Literal["stdout", "off"], PlainValidator(parse_access_target), _text_schema(examples=["stdout", "off"])
]
AuditTarget = Annotated[Path | Literal["stdout"], PlainValidator(parse_audit_target), _text_schema(examples=["stdout"])]


def _one_or_many(kind: object) -> BeforeValidator:
    return BeforeValidator(one_or_many, json_schema_input_type=kind)


Texts = Annotated[tuple[str, ...], _one_or_many(str | tuple[str, ...])]
Addresses = Annotated[
    tuple[ListenAddress, ...], Field(min_length=1), _one_or_many(ListenAddress | tuple[ListenAddress, ...])
]
FilePaths = Annotated[tuple[FilePath, ...], Field(min_length=1), _one_or_many(FilePath | tuple[FilePath, ...])]
Origins = Annotated[tuple[OriginUrl, ...], _one_or_many(OriginUrl | tuple[OriginUrl, ...])]
Networks = Annotated[tuple[NetworkRange, ...], _one_or_many(NetworkRange | tuple[NetworkRange, ...])]
Netlocs = Annotated[tuple[Netloc, ...], _one_or_many(Netloc | tuple[Netloc, ...])]
HostNames = Annotated[tuple[HostName, ...], _one_or_many(HostName | tuple[HostName, ...])]
