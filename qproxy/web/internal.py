"""Who may use the internal listener, and its one application: session module, administration, health and metrics.

Whoever reaches the session module can become any Qlik user, so it fails closed: an address that is not listed, and a
caller without a certificate where one is asked for, get 403 and no word more. The address is the TCP peer's; no header
is trusted for anything, X-Forwarded-For included. Browsers are refused at the module whatever their address, so that no
web page that is read on the server itself can post a session or, by a name of its own that it lets point here (DNS
rebinding), ask for one.
"""

import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from qproxy.observe import Observer
from qproxy.web.administration import MOUNT as ADMINISTRATION
from qproxy.web.administration import Administration
from qproxy.web.module_wire import MOUNT
from qproxy.web.session_module import LARGEST_BODY, SessionModule, peer_of
from qproxy.web.status import Status

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ONE_LINE_IN = 60.0
"""Seconds in which one address and reason makes at most one audit line."""
VERDICTS = 1024


class Guard:
    """Judges callers. `allowed` may not be empty: fail closed must be meant. `certificate`: ask for one at the module.

    With `certificate` the listener's TLS context must have verify_mode CERT_OPTIONAL and only the CA of Qlik: TLS then
    refuses certificates of strangers, and what is left to see here is whether one was shown.

    `names`: the host names, in lower case, by which the module may be called besides addresses and localhost; None:
    any, which is right where TLS proves the name.
    """

    def __init__(
        self,
        allowed: Sequence[Network],
        certificate: bool,
        observer: Observer,
        clock: Callable[[], float],
        names: Collection[str] | None = None,
    ) -> None:
        if not allowed:
            raise ValueError("the internal listener needs at least one allowed network")
        self._allowed = tuple(allowed)
        self._certificate = certificate
        self._observer = observer
        self._clock = clock
        self._names = names
        self._verdicts: dict[str, bool] = {}
        self._told: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def refuses(self, request: web.Request) -> str | None:
        """Why this request is refused, in one word, or None."""
        peer = peer_of(request)
        reason = self._reason(peer, request)
        if reason is not None:
            self.refused(peer, reason)
        return reason

    def _reason(self, peer: str, request: web.Request) -> str | None:
        if not self._listed(peer):
            return "address"
        if not for_module(request.raw_path):
            return None
        if self._certificate and not for_administration(request.raw_path) and not request.get_extra_info("peercert"):
            return "certificate"
        if self._names is not None and not is_called_so(request.headers.get("Host", ""), self._names):
            return "host"
        return "browser" if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers else None

    def _listed(self, peer: str) -> bool:
        verdict = self._verdicts.get(peer)
        if verdict is None:
            if len(self._verdicts) >= VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[peer] = is_listed(peer, self._allowed)
        return verdict

    def refused(self, peer: str, reason: str) -> None:
        """Count it, and write an audit line unless the same was written a moment ago."""
        self._observer.metrics.internal_refused(reason)
        now = self._clock()
        written, silent = self._told.get((peer, reason), (float("-inf"), 0))
        if now - written < ONE_LINE_IN:
            self._told[peer, reason] = (written, silent + 1)
            return
        self._told[peer, reason] = (now, 0)
        self._told.move_to_end((peer, reason))
        if len(self._told) > VERDICTS:
            self._told.popitem(last=False)
        self._observer.audit("internal_refused", client=peer, reason=reason, unwritten=silent)


def is_listed(peer: str, allowed: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks; IPv4 within IPv6 counts as IPv4, no address as none."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in allowed)


def is_called_so(host: str, names: Collection[str]) -> bool:
    """Whether a Host field is one of `names`, an IP address or localhost, whatever the port: no name of a stranger."""
    name = host.rpartition(":")[0] if host.rpartition("]")[2].count(":") == 1 else host
    name = name.lower().removesuffix(".")
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name in names or name in {"", "localhost"}
    return True


def for_module(raw_path: str) -> bool:
    """Everything is the module's but the three pages that are named here: a new page has to be let out explicitly."""
    return raw_path.partition("?")[0] not in {"/livez", "/readyz", "/metrics"}


def for_administration(raw_path: str) -> bool:
    """Where a certificate is no proof: Qlik's nodes have one. What is asked for there has to be signed."""
    return raw_path.startswith(f"/{ADMINISTRATION}/")


def guarded(guard: Guard) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if guard.refuses(request) is not None:
            refused = web.Response(status=403, body=b"")
            refused.force_close()
            return refused
        return await handler(request)

    return middleware


async def _no_banner(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


def internal_app(
    guard: Guard, module: SessionModule, status: Status, administration: Administration
) -> web.Application:
    """The application of the internal listener.

    `guard` judges every request before anything else is looked at; `status` answers its three pages, `administration`
    what stands below its word; every other path is the session module's, whose root for a virtual proxy is
    `/session-module/{name}`. Run it with aiohttp's own access log off (`access_log=None`), which would print session
    ids, and with `logger=CalmLogger()`, as internal_protocol does.
    """
    app = web.Application(middlewares=[guarded(guard)], client_max_size=LARGEST_BODY)
    status.add_to(app)
    administration.add_to(app, guard.refused)
    app.router.add_route("*", r"/{path:[\s\S]*}", module.handle)  # a dot would let an encoded newline by
    app.on_response_prepare.append(_no_banner)
    return app


class CalmLogger(logging.LoggerAdapter[logging.Logger]):
    """For aiohttp's server (`AppRunner(logger=CalmLogger())`): a request that cannot be parsed makes one short line.

    By itself aiohttp logs a traceback for each, with the bytes that it could not parse: whoever reaches the port could
    fill the log, and a session id may stand in those bytes.
    """

    def __init__(self, name: str = "qproxy.internal") -> None:
        super().__init__(logging.getLogger(name))

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        if isinstance(exc_info, HttpProcessingError):
            self.info(f"{msg}: %s", *args, type(exc_info).__name__)
        else:
            super().exception(msg, *args, exc_info=exc_info, **kwargs)


def root_of(internal_url: str, vp: str) -> str:
    """What to put into Qlik's setting "Session module base URI"."""
    return f"{internal_url.rstrip('/')}/{MOUNT}/{vp}"
