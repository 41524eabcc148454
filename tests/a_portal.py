"""A company's portal in front of people: it runs the example of docs/logins/jwt-handoff.md as it stands there.

Only the addresses of the example are exchanged for those of the test.
"""

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from joserfc.jwk import RSAKey
from site_plan import free_port

PAGE = (Path(__file__).parent.parent / "docs" / "logins" / "jwt-handoff.md").read_text(encoding="utf-8")
BI = "https://bi.example.com"


@cache
def signing_key() -> RSAKey:
    return RSAKey.generate_key(2048)


def example() -> Callable[..., str]:
    """The function of the documentation."""
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(block[1], names)  # the documentation's own lines
    made: Callable[..., str] = names["open_qlik"]
    return made


@dataclass
class Portal:
    """`origin` is where its page /qlik is; `bi` the public address of qproxy, set once it is known."""

    directory: Path
    host: str = "127.0.0.1"
    user: str = "ann"
    bi: str = ""
    target: str = "_self"
    port: int = field(default_factory=free_port)

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def login(self) -> str:
        """The virtual proxy's part of the configuration."""
        file = self.directory / "portal.pub.pem"
        file.write_bytes(signing_key().as_pem(private=False))
        return f"""
login:
  - method: jwt_handoff
    id: portal
    portal: {self.origin}/qlik
    issuer: https://portal.example.com
    audience: {BI}/sales
    key_file: {file}
"""

    def form(self, state: str = "") -> str:
        made = example()(signing_key().as_pem(private=True).decode(), self.user, ["Sales"], state)
        return made.replace(BI, self.bi)

    async def page(self, request: web.Request) -> web.Response:
        form = self.form(request.query.get("state", "")).replace("<form ", f'<form target="{self.target}" ')
        text = f'<!doctype html><title>Portal</title>{form}<iframe name="bi" width="900" height="600"></iframe>'
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Portal"]:
        app = web.Application()
        app.router.add_get("/qlik", self.page)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            await runner.cleanup()
