"""What a stand-in Qlik node is told before it starts: virtual proxies, apps, listeners, toggles.

Plain frozen dataclasses, so that a test reads like the settings page of a real site. Each toggle names one
behaviour that differs between releases or is not known for certain. Nothing here may open
a port or read a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ssl import SSLContext
from typing import Any

RELEASES = ("2.x", "2018", "feb2019", "2020", "2024-05", "2024-11", "2026-05")


@dataclass(frozen=True)
class AppSettings:
    """One app of the engine: `layout_bytes` pads layouts, `delay_ms` delays answers, `live` makes it push."""

    id: str
    title: str
    layout_bytes: int = 0
    delay_ms: int = 0
    live: bool = False


@dataclass(frozen=True)
class VirtualProxySettings:
    """One virtual proxy, with the words of the administration console; an empty prefix is the default one."""

    prefix: str = ""
    cookie_name: str = "X-Qlik-Session"
    cookie_domain: str = ""
    secure: bool = True  # the Secure attribute on https; on http it is never set
    samesite: str = ""  # "", None, Lax, Strict
    inactivity_s: float = 1800
    anonymous: str = "none"  # none, allow, always
    auth: str = "ticket"  # ticket, header_static, header_dynamic, jwt
    header_name: str = ""
    static_dir: str = ""
    jwt_key: str = ""  # public RSA key (PEM) for auth jwt
    redirect_uri: str = ""
    session_module: str = ""
    win_pattern: str = "Windows"
    host_allow: tuple[str, ...] = ()
    extra_headers: tuple[tuple[str, str], ...] = ()
    ext_security: bool = False
    linked: bool = True


@dataclass(frozen=True)
class Toggles:
    """Behaviours that a test may switch; None means: as the release does it."""

    ping_poison: bool = True  # a PING swallows the next message of the client
    pong: bool = False  # answer a PING
    close_after_302: bool = True  # TCP is closed after the redirect to the login, unannounced
    csrf: bool | None = None  # engine sockets need the token of qps/csrftoken in their query
    origin_required: bool = False  # refuse an upgrade without Origin
    loginuri_from_origin: bool = True
    http_cookie_suffix: bool | None = None  # "-HTTP" behind the cookie's name on plain http
    legacy_auth: bool | None = None  # send browsers to port 4244 instead of internal_* pages
    host_mismatch: int = 400
    module_error: str = "redirect"  # redirect, 500
    post_unauth: int = 403  # 302: sent to the login like a GET
    logout_calls: str = "user"  # user, session, both
    cache_ttl_s: float | None = None  # None: a validated session is never asked for again
    user_after_first_message: bool = False
    deflate: bool = False  # accept permessage-deflate
    xrf_on_module_calls: bool = False
    double_slash: bool = False  # ROOT//session//id instead of ROOT/session/id
    module_content_type: bool = True  # name the type of a POSTed session
    module_client_cert: bool = True
    post_status_accept: str = "any2xx"  # any2xx, 200, 201
    fatal_close_code: int = 1001
    rest_duplicate_status: int = 409
    rest_unknown_delete_status: int = 200
    mirror_api_sessions: bool = True  # tell the module of sessions made by ticket, header or REST
    ws_unauth: str = "auth_info"  # auth_info, 403
    debug: str = "session"  # who may use echo and its kin: session (a living one), open (anyone)
    greet_debug_sockets: bool = False

    def for_release(self, release: str) -> "Toggles":
        """The same with each None settled by the release."""
        age = RELEASES.index(release)
        settled = {
            "csrf": age >= RELEASES.index("2024-11"),
            "http_cookie_suffix": age >= RELEASES.index("feb2019"),
            "legacy_auth": age < RELEASES.index("2018"),
        }
        change: Mapping[str, Any] = {name: on for name, on in settled.items() if getattr(self, name) is None}
        return replace(self, **change)

    def switched(self, name: str, value: object) -> "Toggles":
        """The same with one toggle changed; raises KeyError that lists the names for an unknown one."""
        known = [each.name for each in fields(self)]
        if name not in known:
            raise KeyError(f"no toggle {name!r}; there are: {', '.join(known)}")
        change: Mapping[str, Any] = {name: value}
        return replace(self, **change)


@dataclass(frozen=True)
class SimConfig:
    """A node. Ports: 0 asks the system for a free one, None leaves the listener out; https needs `tls`."""

    release: str = "2024-11"
    machine_names: tuple[str, ...] = ("qlik1.internal", "qlik1")
    virtual_proxies: tuple[VirtualProxySettings, ...] = (VirtualProxySettings(),)
    apps: tuple[AppSettings, ...] = ()
    toggles: Toggles = field(default_factory=Toggles)
    bind: str = "127.0.0.1"
    http_port: int | None = 0
    https_port: int | None = 0
    rest_port: int | None = 0
    legacy_auth_port: int | None = None
    control_port: int | None = None
    tls: SSLContext | None = None
    rest_tls: SSLContext | None = None  # no client certificate: the answer is 403
    module_ssl: SSLContext | None = None  # towards modules on https, with our certificate
    module_ssl_anonymous: SSLContext | None = None  # the same without one, for module_client_cert=False
    module_timeout_s: float = 5.0
    max_header_bytes: int = 16384
    max_header_line_bytes: int = 8192
    max_sessions_per_user: int = 5
    users_with_license: tuple[str, ...] | None = None  # "DIRECTORY\\id"; None: everybody
    keepalive_s: float = 300.0
    sweep_every_s: float = 1.0
    live_every_s: float = 2.0  # how often the data of live apps moves
    journal_limit: int = 20_000

    def __post_init__(self) -> None:
        if self.release not in RELEASES:
            raise ValueError(f"unknown release {self.release!r}; there are: {', '.join(RELEASES)}")
