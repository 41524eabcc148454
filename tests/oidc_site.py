"""A real OpenID provider for tests, npm's oidc-provider under Node, and a person who logs in at its form.

`provider` starts one on a port of its own, over TLS by an authority made on the spot, and ends it.
"""

import asyncio
import contextlib
import json
import os
import re
import ssl
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import trustme
from joserfc.jwk import KeySet, RSAKey
from needs import require
from site_plan import free_port
from yarl import URL

SCRIPT = Path(__file__).resolve().parent / "clients" / "oidc_provider.mjs"
SECRET = "a secret of the client, long enough to sign with"
CLIENT = "qproxy-sales"
READY_WITHIN = 30.0


@dataclass(frozen=True)
class RealProvider:
    issuer: str
    ca: Path

    def visitor(self) -> aiohttp.ClientSession:
        """What a person's browser is there: its cookies at the provider, and whom it trusts."""
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=self.ca))
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True))


def a_client(*callbacks: str, **more: Any) -> dict[str, Any]:
    """As an administrator registers qproxy there."""
    client = {"client_id": CLIENT, "client_secret": SECRET, "redirect_uris": list(callbacks)}
    return {key: value for key, value in (client | more).items() if value is not None}


@contextlib.asynccontextmanager
async def real_provider(
    folder: Path, clients: Sequence[Mapping[str, Any]], config: Mapping[str, Any] | None = None, *, tls: bool = True
) -> AsyncIterator[RealProvider]:
    """`config`: of oidc-provider itself, over what oidc_provider.mjs says."""
    for part in ("node", "npm-clients"):
        require(part)
    provider = RealProvider(f"http{'s' if tls else ''}://localhost:{free_port()}", folder / "provider-ca.pem")
    signing = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256"})
    options = {
        "issuer": provider.issuer,
        "clients": list(clients),
        "keys": KeySet([signing]).as_dict(private=True),
        "config": dict(config or {}),
        **_certificate(folder, provider.ca),
    }
    if not tls:
        del options["cert"], options["key"]
    async with _running(options):
        yield provider


def _certificate(folder: Path, ca: Path) -> dict[str, str]:
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    cert, key = folder / "provider-cert.pem", folder / "provider-key.pem"
    authority.cert_pem.write_to_path(ca)
    made.cert_chain_pems[0].write_to_path(cert)
    made.private_key_pem.write_to_path(key)
    return {"cert": str(cert), "key": str(key)}


@contextlib.asynccontextmanager
async def _running(options: Mapping[str, Any]) -> AsyncIterator[None]:
    # The runtime of Debian 12 is older than oidc-provider likes: its warning goes to stderr, which is read on failure.
    environ = os.environ | {"NODE_NO_WARNINGS": "1"}
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), json.dumps(options), stdout=PIPE, stderr=PIPE, env=environ
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(READY_WITHIN):
            line = await process.stdout.readline()
        if not line:
            raise AssertionError(f"oidc-provider did not start:\n{(await errors).decode()}")
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await errors


async def at_the_provider(person: aiohttp.ClientSession, address: str, name: str, back: str) -> str:
    """Follows the provider's redirects and fills in its form; where below `back` it sends the browser."""
    for _ in range(8):
        if address.startswith(back):
            return address
        async with person.get(URL(address, encoded=True), allow_redirects=False) as page:
            text = await page.text()
            location = page.headers.get("Location")
        if location is None:
            found = re.search(r'<form[^>]* action="([^"]+)"', text)
            assert found is not None, text
            form = {"prompt": "login", "login": name, "password": "any"}
            async with person.post(unescape(found[1]), data=form, allow_redirects=False) as done:
                location = done.headers["Location"]
        address = str(URL(address).join(URL(location, encoded=True)))
    raise AssertionError(f"a loop at {address}")
