"""Asks a session module who a session is, and tells it of sessions that began or ended here.

The node is the client of this small REST interface; each call is journaled. A module that fails is a fact to
act on, never an exception: the answer says what happened and the pipeline decides.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from qproxy.qliksim.recorded import Entry, Journal
from qproxy.qliksim.settings import SimConfig, Toggles
from qproxy.qliksim.state import SimSession

logger = logging.getLogger(__name__)

XRFKEY = "0123456789abcdef"


@dataclass(frozen=True)
class Reply:
    """What came back; `status` is None when nothing did, and `trouble` says why."""

    status: int | None
    text: str = ""
    trouble: str = ""

    @property
    def missing(self) -> bool:
        return self.status == 404

    def session_object(self) -> dict[str, Any] | None:
        """The session object of a good answer, with keys in lower case; None for anything else."""
        if self.status != 200:
            return None
        try:
            found = json.loads(self.text)
        except ValueError:
            return None
        if not isinstance(found, dict):
            return None
        lowered = {str(key).lower(): value for key, value in found.items()}
        named = all(isinstance(lowered.get(key), str) and lowered[key] for key in ("userdirectory", "userid"))
        return lowered if named else None


FAULTS = {
    "slow": Reply(None, trouble="timeout"),
    "refused": Reply(None, trouble="connection refused"),
    "500": Reply(500, "internal error"),
    "html": Reply(200, "<!doctype html><title>Sign in</title>"),
    "null": Reply(200, "null"),
    "empty": Reply(200, ""),
}


@dataclass(frozen=True)
class Call:
    """One request to a module; `path` is the segments behind ROOT, not yet escaped."""

    vp: str
    method: str
    path: tuple[str, ...]
    session: SimSession | None = None
    body: bytes | None = None
    content_type: str | None = "application/json"


class ModuleClient:
    """The session modules of all virtual proxies of one node, one URI each (empty: none)."""

    def __init__(self, config: SimConfig, toggles: Callable[[], Toggles], journal: Journal) -> None:
        self.uris = {vp.prefix: vp.session_module for vp in config.virtual_proxies}
        self.fault: Reply | None = None
        self._config = config
        self._toggles = toggles
        self._journal = journal
        self._client: ClientSession | None = None

    async def open(self) -> None:
        timeout = ClientTimeout(total=self._config.module_timeout_s)
        connector = TCPConnector(limit=200)
        self._client = ClientSession(connector=connector, timeout=timeout, cookie_jar=DummyCookieJar())

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def configured(self, vp: str) -> bool:
        return bool(self.uris.get(vp))

    def set_fault(self, mode: str | None) -> None:
        """Act as if modules failed in this way; None ends it. Raises KeyError for an unknown mode."""
        if mode is not None and mode not in FAULTS:
            raise KeyError(f"no module fault {mode!r}; there are: {', '.join(FAULTS)}")
        self.fault = FAULTS[mode] if mode is not None else None

    async def find(self, vp: str, session_id: str) -> Reply:
        return await self.call(Call(vp, "GET", ("session", session_id)))

    async def register(self, vp: str, session: SimSession) -> bool:
        """Tell of a session made here; True when the module took it, or when there is none."""
        body = json.dumps(session.shown(), ensure_ascii=False).encode()
        named = "application/json" if self._toggles().module_content_type else None
        reply = await self.call(Call(vp, "POST", ("session",), session, body, named))
        accepted = self._toggles().post_status_accept
        if accepted == "any2xx":
            return reply.status is not None and 200 <= reply.status < 300
        return reply.status == int(accepted)

    async def forget(self, vp: str, session: SimSession) -> Reply:
        return await self.call(Call(vp, "DELETE", ("session", session.id), session))

    async def forget_owner(self, vp: str, owner: tuple[str, str]) -> Reply:
        return await self.call(Call(vp, "DELETE", ("user", *owner)))

    async def call(self, call: Call) -> Reply:
        """Make one call and journal it; a virtual proxy without a module answers 404 unjournaled."""
        if not self.configured(call.vp):
            return Reply(404, trouble="no session module configured")
        url, headers = self._url(call), self._headers(call)
        entry = self._journal.add(Entry("module", f"{call.method} {url} HTTP/1.1", call.vp, list(headers.items())))
        entry.body = (call.body or b"").decode()
        reply = self.fault or await self._send(call, url, headers)
        entry.status, entry.reply = reply.status, reply.text
        if reply.trouble or (reply.status or 0) >= 500:
            entry.note = f"module_error {reply.trouble or reply.status}"
        return reply

    def _url(self, call: Call) -> str:
        joint = "//" if self._toggles().double_slash else "/"
        url = self.uris[call.vp].rstrip("/") + joint + joint.join(quote(part, safe="") for part in call.path)
        return f"{url}?xrfkey={XRFKEY}" if self._toggles().xrf_on_module_calls else url

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"X-Qlik-Security": security_text(call.session, self._config, call.vp)}
        if call.session is not None:
            owner = f"UserDirectory={quote(call.session.directory)}; UserId={quote(call.session.user)}"
            headers |= {"X-Qlik-User": owner, "X-Qlik-ProxySession": call.session.id}
        if self._toggles().xrf_on_module_calls:
            headers["X-Qlik-Xrfkey"] = XRFKEY
        if call.body is not None and call.content_type:
            headers["Content-Type"] = call.content_type
        return headers

    async def _send(self, call: Call, url: str, headers: Mapping[str, str]) -> Reply:
        if self._client is None:
            return Reply(None, trouble="the node is not started")
        config = self._config
        context = config.module_ssl if self._toggles().module_client_cert else config.module_ssl_anonymous
        options: dict[str, Any] = {"ssl": context} if context is not None else {}
        try:
            async with self._client.request(
                call.method, URL(url, encoded=True), data=call.body, headers=headers, allow_redirects=False,
                skip_auto_headers=("Content-Type", "User-Agent"), **options,
            ) as response:  # fmt: skip
                return Reply(response.status, (await response.read()).decode("utf-8", "surrogateescape"))
        except TimeoutError:
            return Reply(None, trouble="timeout")
        except (ClientError, OSError) as error:
            logger.info("session module of %r: %s", call.vp, error)
            return Reply(None, trouble=type(error).__name__)


def security_text(session: SimSession | None, config: SimConfig, prefix: str) -> str:
    """The text of X-Qlik-Security: the environment, then each attribute."""
    settings = next(vp for vp in config.virtual_proxies if vp.prefix == prefix)
    environment = "OS=Linux; Device=Default; Browser=Chrome 156.0; " if settings.ext_security else ""
    attributes = [] if session is None else [f"; {k}={v}" for each in session.attributes for k, v in each.items()]
    address = "; IP=127.0.0.1" if settings.ext_security else ""
    return f"{environment}SecureRequest=true{address}; Context=AppAccess" + quote("".join(attributes), safe="; =,")
