"""An OpenID provider of our own that does what it is told, right or wrong, and counts what it is asked.

Right by itself: codes are good once and only with their PKCE verifier. A test changes one thing (a claim, a header, a
key, an endpoint's answer, what the browser brings back) and sees what qproxy makes of it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey
from login_site import Browser, Desk, Reply, Site, open_site

from qproxy.auth.oidc import OpenIdConnect, Wishes
from qproxy.auth.oidc_client import BasicSecret
from qproxy.auth.oidc_http import HttpAnswer, ProviderHttp
from qproxy.auth.oidc_provider import Client, Provider
from qproxy.sessions.memory_notes import MemoryNotes

CLIENT = "qproxy-sales"
SECRET = "client-secret-canary-0123456789abcdef"
LOGIN = "/qproxy/login/sales"
KEY = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})
EC_KEY = ECKey.generate_key("P-256", parameters={"kid": "two", "use": "sig"})

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> Json:
    """Both; what is None in the second one is gone."""
    return {name: value for name, value in {**first, **second}.items() if value is not None}


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class FalseProvider:
    """`claims`, `header`, `token`, `userinfo`, `metadata` and `response` change what it would say. `sign` makes the ID
    token; `endpoints` answer in place of its own ("discovery", "jwks", "token", "userinfo")."""

    clock: Clock
    origin: str = ""
    claims: Json = field(default_factory=dict)
    header: Json = field(default_factory=dict)
    token: Json = field(default_factory=dict)
    userinfo: Json = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    response: Json = field(default_factory=dict)
    keys: list[Key] = field(default_factory=lambda: [KEY])
    jwks: Json | None = None
    key: Key = field(default_factory=lambda: KEY)
    sign: Callable[["FalseProvider", Json, Json], str] | None = None
    endpoints: dict[str, Handler] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Json] = field(default_factory=dict)
    redeemed: list[Json] = field(default_factory=list)
    """The authorization requests whose codes were redeemed."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[str] = field(default_factory=list)
    """Codes and tokens that went through here: no log may hold one."""

    @property
    def issuer(self) -> str:
        return self.origin

    def back(self, away: str) -> str:
        """Where a person goes from the provider's form: what its authorization endpoint answers."""
        asked = dict(parse_qsl(urlsplit(away).query))
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        self.seen.append(code)
        response = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{LOGIN}/oidc/callback?{urlencode(changed(response, self.response))}"

    def id_token(self, nonce: str, access_token: str) -> str:
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "sub": "id-of-ann",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "sid": "s-1",
            "at_hash": encoded(hashlib.sha256(access_token.encode()).digest()[:16]),
            "preferred_username": "ann",
        }
        header = changed({"alg": "RS256", "kid": "one", "typ": "JWT"}, self.header)
        return (self.sign or signed)(self, header, changed(claims, self.claims))

    async def discovery(self, _: web.Request) -> web.Response:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "jwks_uri": f"{self.origin}/jwks",
            "userinfo_endpoint": f"{self.origin}/userinfo",
            "authorization_response_iss_parameter_supported": True,
        }
        return web.json_response(changed(said, self.metadata))

    async def keys_told(self, _: web.Request) -> web.Response:
        listed = [key.as_dict(private=False) for key in self.keys]
        return web.json_response({"keys": listed} if self.jwks is None else self.jwks)

    async def redeem(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), None)
        verifier = str(form.get("code_verifier", "")).encode()
        if asked is None or asked["code_challenge"] != encoded(hashlib.sha256(verifier).digest()):
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.redeemed.append(asked)
        access_token = secrets.token_urlsafe(16)
        id_token = self.id_token(asked["nonce"], access_token)
        self.seen += [access_token, id_token]
        said = {"token_type": "Bearer", "access_token": access_token, "id_token": id_token, "expires_in": 300}
        return web.json_response(changed(said, self.token))

    async def tell(self, _: web.Request) -> web.Response:
        return web.json_response(changed({"sub": "id-of-ann", "email": "ann@acme.example"}, self.userinfo))

    def routed(self, endpoint: str, own: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked[endpoint] += 1
            return await self.endpoints.get(endpoint, own)(request)

        return handle


def signed(provider: FalseProvider, header: Json, claims: Json) -> str:
    return signed_by(provider.key, header, claims)


def signed_by(key: Key | bytes, header: Json, claims: Json | bytes) -> str:
    """By hand, since no library signs every nonsense. Bytes are the secret of HS256."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signing = f"{encoded(json.dumps(header).encode())}.{encoded(payload)}"
    if isinstance(key, bytes):
        return f"{signing}.{encoded(hmac.digest(key, signing.encode(), 'sha256'))}"
    return f"{signing}.{encoded(jws.JWSRegistry.algorithms[header['alg']].sign(signing.encode(), key))}"


@asynccontextmanager
async def false_provider(clock: Clock | None = None) -> AsyncIterator[FalseProvider]:
    provider = FalseProvider(clock or Clock())
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.routed("discovery", provider.discovery))
    app.router.add_get("/jwks", provider.routed("jwks", provider.keys_told))
    app.router.add_post("/token", provider.routed("token", provider.redeem))
    app.router.add_get("/userinfo", provider.routed("userinfo", provider.tell))
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.origin = "http://{}:{}".format(*runner.addresses[0])
    try:
        yield provider
    finally:
        provider.gate.set()
        await runner.cleanup()


class ToldProvider(ProviderHttp):
    """An OpenID provider's answers, without a network: a code is a name and what proves it."""

    async def get(self, endpoint: str, url: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        issuer = "https://idp.example"
        endpoints = {"authorization_endpoint": "/a", "token_endpoint": "/t", "jwks_uri": "/k"}
        description = {"issuer": issuer} | {name: f"{issuer}{path}" for name, path in endpoints.items()}
        return HttpAnswer(200, {"keys": [KEY.as_dict(private=False)]} if endpoint == "jwks" else description)

    async def post(
        self, endpoint: str, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        name, _, proof = form["code"].partition(" ")
        if proof != "right-canary":
            return HttpAnswer(400, {"error": "invalid_grant"})
        said = {"iss": "https://idp.example", "aud": "qproxy", "sub": name, "iat": 0, "exp": 60, "nonce": "n"}
        token = signed_by(KEY, {"alg": "RS256", "kid": "one"}, said)
        return HttpAnswer(200, {"token_type": "bearer", "access_token": "a", "id_token": token})


@dataclass
class FaultySite:
    provider: FalseProvider
    site: Site
    method: OpenIdConnect

    async def log_in(self, browser: Browser | None = None) -> Reply:
        """To the provider and back; what a person sees at the end."""
        browser = browser or self.site.browser()
        away = await browser.get(LOGIN)
        return await browser.get(self.provider.back(away.location)) if away.status == 303 else away

    @property
    def outcome(self) -> str:
        """What the audit log says of the last attempt."""
        return self.site.desk.events[-1].outcome


@asynccontextmanager
async def faulty_site(
    provider: FalseProvider, wishes: Wishes | None = None, timeout: float = 5.0, **client: Any
) -> AsyncIterator[FaultySite]:
    """The login flow at that provider. `client`: fields of Client."""
    right: Json = {"issuer": provider.issuer, "client_id": CLIENT, "proof": BasicSecret(SECRET)}
    who = Client(**(right | client))
    asked = Provider(who, ProviderHttp(timeout=timeout), provider.clock)
    method = OpenIdConnect("oidc", asked, wishes or Wishes(), provider.clock, MemoryNotes(provider.clock))
    async with open_site(Desk([method])) as site:
        yield FaultySite(provider, site, method)
