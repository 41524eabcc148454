"""An evening with a real OpenID provider at which qproxy is registered with all that a logout needs."""

import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from a_site import site
from oidc_evening import Evening, login_of
from oidc_site import RealProvider, a_client, real_provider
from site_plan import free_port

GRANTS = ["authorization_code", "refresh_token"]
FEATURES = {"backchannelLogout": {"enabled": True}, "rpInitiatedLogout": {"enabled": True}}


@contextlib.asynccontextmanager
async def provider_with_logout(
    folder: Path, port: int, *, backchannel: bool = True, tls: bool = True
) -> AsyncIterator[RealProvider]:
    """For a qproxy at that port, as the page on OpenID Connect says."""
    origin = f"http://localhost:{port}"
    here = f"{origin}/qproxy/login/sales/oidc"
    told = {"backchannel_logout_uri": f"{here}/backchannel", "backchannel_logout_session_required": True}
    back = {"post_logout_redirect_uris": [f"{origin}/qproxy/logout/sales/done"], "grant_types": GRANTS}
    client = a_client(f"{here}/callback", **back, **(told if backchannel else {}))
    config = {"features": FEATURES, "rotateRefreshToken": True}
    async with real_provider(folder, [client], config, tls=tls) as provider:
        yield provider


@contextlib.asynccontextmanager
async def evening_with_logout(
    folder: Path, *, backchannel: bool = True, tls: bool = True, **keys: Any
) -> AsyncIterator[Evening]:
    """`keys`: of the login."""
    port = free_port()
    async with provider_with_logout(folder, port, backchannel=backchannel, tls=tls) as provider:
        vp = json.dumps({"login": [login_of(provider, folder, **keys)]})
        async with site(folder, vp=vp, port=port, now=time.time(), vps={"sales": "sales"}) as built:
            yield Evening(built, provider)
