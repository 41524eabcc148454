"""What the configuration files may say: one server.yaml, and one file for each Qlik virtual proxy.

Only shapes, defaults and what can be judged by looking at one value. Rules between keys and between files are in
rules, files on disk are judged by files, reading is load's. Nothing here reads a file, the
environment or a clock. The description of each key is what `qproxy schema` gives to editors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qproxy.config.fields import (
    AccessTarget,
    Addresses,
    AttributeBytes,
    AuditTarget,
    Count,
    CountOrNever,
    Duration,
    DurationOrNever,
    FilePath,
    Flag,
    HeadBytes,
    HostNames,
    Netlocs,
    Networks,
    Origin,
    Origins,
    OriginUrl,
    Texts,
    WorkerCount,
    parse_address,
    parse_network,
    split_host_port,
)
from qproxy.config.login_models import LoginConfig
from qproxy.config.mapping_models import WhoConfig
from qproxy.config.names import (
    check_attributes,
    check_cookie,
    check_line,
    check_prefix,
    check_token,
    check_user_directory,
)
from qproxy.config.node_models import HealthConfig, Nodes, PoolConfig, UpstreamTlsConfig, Wait
from qproxy.config.page_models import PagesConfig
from qproxy.config.parts import LifetimeConfig, Part
from qproxy.config.qlik_models import Mode, QpsApiConfig
from qproxy.config.store_models import SessionsConfig
from qproxy.config.vouched_models import TrustedHeaderLogin
from qproxy.model import Attributes
from qproxy.settings import Problem

Line = Annotated[str, AfterValidator(check_line)]


class TlsConfig(Part):
    certificate: FilePath = Field(description="PEM file: the certificate, then the intermediate ones.")
    key: FilePath = Field(description="PEM file of the certificate's private key, readable by its owner only.")
    key_password_file: FilePath | None = Field(default=None, description="File with the password of that key.")


class PublicConfig(Part):
    url: OriginUrl = Field(description="The address that people open: scheme, host and port, nothing after it.")
    names: Netlocs = Field(default=(), description="Other public names, host[:port], for which qproxy answers too.")
    listen: Addresses = Field(
        default=(parse_address("0.0.0.0:443"),), description="Where browsers connect: IP:port or a list."
    )
    tls: TlsConfig | None = Field(default=None, description="Its certificate; none behind a TLS proxy.")
    client_ca: FilePath | None = Field(
        default=None, description="PEM file: a proxy in front may show a certificate of this CA."
    )

    @property
    def origin(self) -> str:
        """`https://bi.example.com[:port]`, as browsers send it in Origin."""
        return str(self.url)

    @property
    def host(self) -> str:
        """host[:port] in lower case, as browsers send it in Host."""
        return self.url.netloc

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every accepted Host, the main one first, each without its scheme's default port."""
        extra = (Origin(self.url.scheme, host, port or self._port) for host, port in map(split_host_port, self.names))
        return tuple(dict.fromkeys([self.host, *(one.netloc for one in extra)]))

    @property
    def origins(self) -> tuple[str, ...]:
        """The Origin of each of `hosts`."""
        return tuple(f"{self.url.scheme}://{host}" for host in self.hosts)

    @property
    def _port(self) -> int:
        return {"http": 80, "https": 443}[self.url.scheme]


class InternalConfig(Part):
    listen: Addresses = Field(
        default=(parse_address("127.0.0.1:8443"),), description="Where Qlik's proxy service and probes connect."
    )
    url: OriginUrl | None = Field(
        default=None, description="The address under which Qlik's proxy service reaches that listener."
    )
    tls: TlsConfig | None = Field(
        default=None, description="Certificate of the internal listener, as a rule exported from the QMC."
    )
    client_ca: FilePath | None = Field(
        default=None, description="PEM file: callers must show a certificate of this CA (root.pem)."
    )
    allow: Networks = Field(
        default=(parse_network("127.0.0.0/8"), parse_network("::1/128")),
        description="Networks that may call the internal listener.",
    )

    @property
    def origin(self) -> str:
        """`url`, or what follows from the first listening address."""
        first = self.listen[0]
        return str(self.url or Origin("https" if self.tls else "http", first.host, first.port))

    def session_module(self, vp: str) -> str:
        """The session module base URI of one virtual proxy, for the QMC."""
        return f"{self.origin}/session-module/{vp}"


class LoginLifetimeConfig(LifetimeConfig):
    qlik_timeout: Literal["end", "keep"] = Field(
        default="end", description="What a session's end in Qlik means here, when it can be Qlik's inactivity timeout."
    )
    most_sessions: CountOrNever = Field(
        default=5, description="A person's further login ends that person's oldest one here, or never."
    )


class LoggingConfig(Part):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least weight that is logged."
    )
    format: Literal["json", "text"] = Field(default="json", description="JSON lines for programs or text for people.")
    access: AccessTarget = Field(default="stdout", description="One line for each request: stdout, off or a file.")
    audit: AuditTarget = Field(default="stdout", description="Logins, logouts and session ends: stdout or a file.")


class LimitsConfig(Part):
    connections: Count = Field(default=10_000, description="Most connections on the public listener at one time.")
    connections_per_address: Count = Field(
        default=4_000, description="Most of them from one address; trusted_proxies are exempt."
    )
    head_bytes: HeadBytes = Field(default=32768, description="Longest request head.")


class TimeoutsConfig(Part):
    head: Duration = Field(default=10, description="A request head must be complete in this time.")
    keep_alive: Duration = Field(default=75, description="A connection without a request is closed after this time.")
    body_stall: Duration = Field(default=60, description="Longest pause in a request body.")
    write_stall: Duration = Field(default=60, description="Longest time in which a browser takes nothing.")
    connect: Duration = Field(default=3, description="A Qlik node must be connected, TLS included.")
    first_byte: Duration = Field(default=600, description="A Qlik node must begin its answer in this time.")
    response_stall: Duration = Field(default=300, description="Longest pause within an answer of a Qlik node.")
    websocket_idle: DurationOrNever = Field(default=None, description="Silent WebSockets are closed, or never.")
    drain: Duration = Field(default=30, description="At a stop, what runs may take this long to end.")


class ServerConfig(Part):
    public: PublicConfig = Field(description="The side that browsers see.")
    internal: InternalConfig = Field(default=InternalConfig(), description="The side that Qlik's proxy service sees.")
    sessions: SessionsConfig = Field(default=SessionsConfig(), description="Where sessions are kept.")
    logging: LoggingConfig = Field(default=LoggingConfig(), description="What is written down, and where.")
    trusted_proxies: Networks = Field(default=(), description="Whose X-Forwarded-For is believed.")
    limits: LimitsConfig = Field(default=LimitsConfig(), description="How much one or all may take.")
    timeouts: TimeoutsConfig = Field(default=TimeoutsConfig(), description="How long each step may take.")
    pages: PagesConfig = Field(default=PagesConfig(), description="How the login and failure pages look.")
    workers: WorkerCount = Field(default=1, description="Processes that serve; auto: as many as there are cores.")


class VirtualProxyConfig(Part):
    """One virtual proxy. `name` is the file's name without .yaml and does not stand in the file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = Field(description="From the file's name.")
    prefix: Annotated[str, AfterValidator(check_prefix)] = Field(
        description='Prefix in the QMC; "" is the default one.'
    )
    cookie: Annotated[str, AfterValidator(check_cookie)] = Field(description="Session cookie header name in the QMC.")
    user_directory: Annotated[str, AfterValidator(check_user_directory)] = Field(description="User directory in Qlik.")
    upstreams: Nodes = Field(
        description="The Qlik nodes' proxy services: https://host[:port], or {url, drain}; all https or all http."
    )
    upstream_tls: UpstreamTlsConfig | None = Field(default=None, description="How the nodes prove who they are.")
    mode: Mode = Field(default="session_module", description="How Qlik's proxy service learns who a session is.")
    qps_api: QpsApiConfig | None = Field(
        default=None,
        description="The API of Qlik's proxy service on port 4243, which is told of sessions and their ends.",
    )
    strip_headers: tuple[Annotated[str, AfterValidator(check_token)], ...] = Field(
        default=(), description="Request headers that no browser may send, such as the header authentication header."
    )
    login: tuple[LoginConfig, ...] = Field(default=(), description="Ways to log in; needed unless anonymous is always.")
    who: WhoConfig = Field(default=WhoConfig(), description="Who people are for Qlik, and who is let in.")
    lifetime: LoginLifetimeConfig = Field(default=LoginLifetimeConfig(), description="When a session ends by itself.")
    anonymous: Literal["none", "allow", "always"] = Field(
        default="none", description="Anonymous access mode in the QMC."
    )
    same_site: Literal["lax", "none", "strict"] = Field(default="lax", description="SameSite of the session cookie.")
    allowed_origins: Origins = Field(default=(), description="Other sites that may open WebSockets and send data.")
    require_origin: Flag = Field(default=True, description="Refuse a WebSocket whose request names no Origin.")
    attributes: Annotated[Mapping[str, Texts], AfterValidator(check_attributes)] = Field(
        default={}, description="Session attributes that everybody gets: name to one text or a list."
    )
    attributes_cap: AttributeBytes = Field(default=12288, description="Most bytes of them.")
    internal_names: HostNames = Field(default=(), description="Other names of the nodes in redirects.")
    pages: PagesConfig = Field(
        default=PagesConfig(), description="How this virtual proxy's pages look, where it is otherwise."
    )
    pool: PoolConfig = Field(default=PoolConfig(), description="Connections to the Qlik nodes.")
    health: HealthConfig = Field(default=HealthConfig(), description="How it is found out which nodes are up.")
    wait_for_qlik: Wait = Field(
        default=10, description="While no node is there, harmless requests wait this long for one; 0: not at all."
    )

    @property
    def path(self) -> str:
        """`/prefix`, or "" for the default virtual proxy."""
        return f"/{self.prefix}" if self.prefix else ""

    @property
    def upstream_scheme(self) -> str:
        return self.upstreams[0].scheme

    @property
    def cookie_name(self) -> str:
        """The cookie's name on the wire: QPS adds -HTTP to it when it is spoken to over http."""
        return self.cookie if self.upstream_scheme == "https" else f"{self.cookie}-HTTP"

    @property
    def static_attributes(self) -> Attributes:
        return Attributes.of(self.attributes)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that one configuration directory says, checked."""

    directory: Path
    server: ServerConfig
    virtual_proxies: tuple[VirtualProxyConfig, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def vouching(self) -> frozenset[bytes]:
        """The headers (lower case) in which a proxy in front may say who somebody is, of all virtual proxies: it sends
        them with every request, whichever it is for."""
        logins = [login for vp in self.virtual_proxies for login in vp.login if isinstance(login, TrustedHeaderLogin)]
        return frozenset(name.lower().encode() for login in logins for name in login.headers)
