"""An evening with a real OpenID provider: the stand-in node, qproxy in front of it, and the provider beside."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from a_site import APP, Site, call, greeting, site
from oidc_site import CLIENT, SECRET, RealProvider, a_client, at_the_provider, real_provider
from site_plan import free_port

SHEET = f"/sales/sense/app/{APP}/sheet/s1/state/analysis?a=%2Fb+c;d"


def login_of(provider: RealProvider, folder: Path, **more: Any) -> dict[str, Any]:
    secret = folder / "client.secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    keys = {
        "method": "oidc",
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret_file": str(secret),
        "ca": str(provider.ca),
    }
    return {key: value for key, value in (keys | more).items() if value is not None}


@dataclass
class Evening:
    """A site with an OpenID login beside the file of users, and its provider."""

    site: Site
    provider: RealProvider

    @property
    def back(self) -> str:
        return f"{self.site.origin}/qproxy/login/sales/oidc/callback"

    async def away(self, person: aiohttp.ClientSession, target: str = SHEET) -> str:
        """The address at the provider to which somebody is sent who wants to go to `target`."""
        return await self.sent(person, await self.sent(person, target))

    async def sent(self, person: aiohttp.ClientSession, target: str) -> str:
        async with person.get(self.site.url(target), allow_redirects=False) as answer:
            assert answer.status in (302, 303), await answer.text()
            return answer.headers["Location"]

    async def log_in(self, person: aiohttp.ClientSession, name: str = "ann", target: str = SHEET) -> str:
        """All the way; the address at the end."""
        async with self.provider.visitor() as there:
            back = await at_the_provider(there, await self.away(person, target), name, self.back)
        return await self.sent(person, back)


@contextlib.asynccontextmanager
async def evening(
    folder: Path,
    client: dict[str, Any] | None = None,
    *,
    tls: bool = True,
    more: Sequence[dict[str, Any]] = (),
    **keys: Any,
) -> AsyncIterator[Evening]:
    """`client`: how the provider registers us; `tls`: whether it speaks it; `more` ways to log in beside it; `keys` of
    the login, None to leave one out."""
    port = free_port()
    client_there = a_client(f"http://localhost:{port}/qproxy/login/sales/oidc/callback", **(client or {}))
    async with real_provider(folder, [client_there], tls=tls) as provider:
        vp = json.dumps({"login": [login_of(provider, folder, **keys), *more]})
        async with site(folder, vp=vp, port=port, now=time.time(), vps={"sales": "sales"}) as built:
            yield Evening(built, provider)


async def who(qlik: Site, person: aiohttp.ClientSession) -> str:
    async with qlik.engine(person) as ws:
        await greeting(ws)
        return str((await call(ws, "GetAuthenticatedUser"))["qReturn"])
