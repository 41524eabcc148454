"""The login form as a program that means no good would send it."""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from security.behind import Scripted

ENCODED = "Content-Type: application/x-www-form-urlencoded"


@dataclass
class Form:
    """A browser's binding cookie and the token that belongs to it."""

    qlik: Scripted
    cookie: str
    token: str

    @classmethod
    async def of(cls, qlik: Scripted) -> "Form":
        page = await qlik.ask("GET /qproxy/login/sales", "Accept: text/html")
        token = re.search(rb'name="token" value="([0-9a-f]+)"', page.body)
        assert token is not None
        return cls(qlik, (page.header("Set-Cookie") or "").partition(";")[0], token[1].decode())

    async def post(self, *fields: str, **form: str) -> int:
        """The status that answers the form; `fields` are header lines."""
        body = urlencode({"token": self.token, **form}).encode()
        head = ("POST /qproxy/login/sales", f"Cookie: {self.cookie}", ENCODED, *fields)
        return (await self.qlik.ask(*head, body=body)).status
