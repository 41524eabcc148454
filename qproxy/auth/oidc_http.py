"""Calls to an OpenID provider: bounded in time and size, JSON or nothing, never redirected.

Every answer can be wrong; each way ends in an OidcFault that names the endpoint. Nothing that a provider says is
repeated in a detail, but for OAuth's error codes, and those only in letters.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import aiohttp
from yarl import URL

from qproxy.auth.oidc_errors import OidcFault

LARGEST_ANSWER: Final = 1 << 18
"""Bytes: a thousand groups in a userinfo answer have room."""

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`content` is {} where the status is not 200 and the body no JSON object."""

    status: int
    content: JsonObject = field(repr=False)


class ProviderHttp:
    """One HTTP client for all calls to one provider. `tls` None: the system's authorities. `timeout` in seconds, for
    a whole call. `proxy`: the forward proxy's address, or ""."""

    def __init__(self, tls: ssl.SSLContext | None = None, timeout: float = 10.0, proxy: str = "") -> None:
        self._tls = tls
        self._timeout = timeout
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def get(self, endpoint: str, url: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Raises OidcFault. `endpoint` is one of oidc_errors.ENDPOINTS."""
        return await self._call(endpoint, "GET", url, headers or {}, None)

    async def post(
        self, endpoint: str, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Raises OidcFault."""
        return await self._call(endpoint, "POST", url, headers or {}, form)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _call(
        self, endpoint: str, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> HttpAnswer:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._asked(endpoint, method, url, headers, form)
        except TimeoutError:
            text = f"{url}: no whole answer within {self._timeout:g} s: look at the provider and the way to it"
            raise OidcFault(f"oidc_{endpoint}_slow", text) from None
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            text = f"{url}: TLS failed ({reason_of(error)}): is `ca` the authority that made its certificate?"
            raise OidcFault(f"oidc_{endpoint}_tls", text) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = f"{url}: {reason_of(error)}: is the provider up, and does the firewall let this machine call it?"
            raise OidcFault(f"oidc_{endpoint}_unreachable", text) from None

    async def _asked(
        self, endpoint: str, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> HttpAnswer:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        async with self._session.request(
            method,
            URL(url, encoded=True),
            data=form,
            headers={"User-Agent": "qproxy", "Accept": "application/json", "Accept-Encoding": "identity", **headers},
            ssl=self._tls if self._tls is not None else True,
            proxy=self._proxy or None,
            allow_redirects=False,
        ) as answer:
            if answer.status // 100 == 3:
                text = f"{url} redirects, which is not followed: configure the address that it leads to"
                raise OidcFault(f"oidc_{endpoint}_redirected", text)
            body = await _bounded(answer.content)
        if len(body) > LARGEST_ANSWER:
            raise OidcFault(f"oidc_{endpoint}_too_large", f"{url} answers with more than {LARGEST_ANSWER} bytes")
        content = json_object(body)
        if content is None and answer.status == 200:
            text = f"{url} answers with {answer.content_type}, but no JSON object: is it the provider's?"
            raise OidcFault(f"oidc_{endpoint}_not_json", text)
        return HttpAnswer(answer.status, content or {})


def failed(endpoint: str, url: str, status: int) -> OidcFault:
    return OidcFault(f"oidc_{endpoint}_failed", f"{url} answers with status {status}: look at the provider's log")


def json_object(body: bytes | str) -> JsonObject | None:
    """None for whatever is no JSON object: also for one with NaN, with a name twice, or nested too deep."""
    try:
        content = json.loads(body, parse_constant=_no_number, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number of JSON")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def reason_of(error: BaseException) -> str:
    """What failed, without the peer's words."""
    found = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    text = getattr(found, "verify_message", None) or getattr(found, "reason", None) or getattr(found, "strerror", None)
    return text if isinstance(text, str) else type(error).__name__


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """At most one byte more than an answer may have."""
    read = bytearray()
    while len(read) <= LARGEST_ANSWER and (piece := await content.read(LARGEST_ANSWER + 1 - len(read))):
        read += piece
    return bytes(read)
