"""An OpenID provider on a loopback port that signs whatever a test wants, and answers refresh tokens as it is told."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from qproxy.auth.oidc import OpenIdConnect, Wishes
from qproxy.auth.oidc_http import ProviderHttp
from qproxy.auth.oidc_logout import EVENT
from qproxy.auth.oidc_provider import Client, Provider
from qproxy.sessions.memory_notes import MemoryNotes

CLIENT_ID = "qlik"
KEY = RSAKey.generate_key(2048, {"kid": "k1"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k1"})


class SmallProvider:
    """`answer` is what its token endpoint says: a status and JSON. `forms` came to it."""

    def __init__(self) -> None:
        self.issuer = ""
        self.forms: list[Mapping[str, str]] = []
        self.more: dict[str, Any] = {}
        self.answer: Callable[[], tuple[int, dict[str, Any]]] = self.renewed
        self.app = web.Application()
        self.app.router.add_get("/.well-known/openid-configuration", self._describe)
        self.app.router.add_get("/jwks", self._keys)
        self.app.router.add_post("/token", self._token)

    def token(self, claims: Mapping[str, Any], key: RSAKey = KEY, typ: str = "JWT", alg: str = "RS256") -> str:
        """Signed; None stands for a claim that is left out."""
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, **claims}
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode({"typ": typ, "kid": "k1", "alg": alg}, kept, key, algorithms=[alg])

    def logout_token(self, key: RSAKey = KEY, typ: str = "logout+jwt", **claims: Any) -> str:
        said = {"jti": secrets.token_hex(8), "sid": "s-1", "events": {EVENT: {}}}
        return self.token({**said, **claims}, key, typ)

    def renewed(self) -> tuple[int, dict[str, Any]]:
        again = {"access_token": "a2", "token_type": "Bearer", "expires_in": 300, "refresh_token": "r2"}
        return 200, {**again, "id_token": self.token({"sub": "ann"})}

    async def _describe(self, _: web.Request) -> web.Response:
        endpoints = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token")}
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **endpoints, **self.more})

    async def _keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [{**KEY.as_dict(private=False), "kid": "k1"}]})

    async def _token(self, request: web.Request) -> web.Response:
        self.forms.append(dict(await request.post()))  # type: ignore[arg-type]
        status, content = self.answer()
        return web.json_response(content, status=status)


@asynccontextmanager
async def small_provider() -> AsyncIterator[SmallProvider]:
    made = SmallProvider()
    runner = web.AppRunner(made.app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.issuer = "http://127.0.0.1:{1}".format(*runner.addresses[0])
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def method_at(provider: SmallProvider, wishes: Wishes | None = None) -> AsyncIterator[OpenIdConnect]:
    """The login method as qproxy has it."""
    asked = Provider(Client(provider.issuer, CLIENT_ID), ProviderHttp(timeout=5.0), time.time)
    made = OpenIdConnect("oidc", asked, wishes or Wishes(), time.time, MemoryNotes(time.time))
    yield made
    await made.close()
