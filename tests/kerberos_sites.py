"""What the tests of Kerberos share: a configuration, a browser's part of the exchange, and what came of it."""

import base64
import re
from pathlib import Path
from typing import Any

from a_realm import REALM, SERVICE
from a_site import Site

from qproxy.certificates import endpoint_binding


def login(keytab: Path, more: str = "") -> str:
    """Tickets for whoever comes from this machine, a file of users besides."""
    return f"""
login:
  - method: password_file
    file: users
  - method: kerberos
    hint: {{networks: 127.0.0.0/8}}
    keytab: {keytab}
    service: {SERVICE}
    realms: {REALM}
    {more}
"""


class Initiator:
    """A browser with somebody's tickets. `environ` is what Realm.log_in gave."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._cache = environ["KRB5CCNAME"]
        self._context: Any = None
        self.answer = ""

    def header(self, service: str = SERVICE, bound_to: Path | None = None) -> str:
        """The Authorization field of a new exchange, bound to a certificate if one is given."""
        import gssapi  # noqa: PLC0415 - there once a realm is
        from gssapi.raw import ChannelBindings  # noqa: PLC0415

        bound = {"channel_bindings": ChannelBindings(application_data=endpoint_binding(bound_to))} if bound_to else {}
        self._context = gssapi.SecurityContext(
            name=gssapi.Name(service, gssapi.NameType.kerberos_principal),
            creds=gssapi.Credentials(usage="initiate", store={"ccache": self._cache}),
            mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"),
            flags=[gssapi.RequirementFlag.mutual_authentication],
            usage="initiate",
            **bound,
        )
        return f"Negotiate {base64.b64encode(self._context.step()).decode()}"

    def finish(self, answer: str) -> bool:
        """Whether the server's WWW-Authenticate proves who it is."""
        self._context.step(base64.b64decode(answer.removeprefix("Negotiate ")))
        return bool(self._context.complete)


async def asked(qlik: Site, authorization: str) -> tuple[int, str]:
    """Status and failure word of the login page with that field."""
    return (await answered(qlik, authorization))[:2]


async def answered(qlik: Site, authorization: str) -> tuple[int, str, str]:
    """Further the WWW-Authenticate."""
    headers = {"Authorization": authorization}
    async with qlik.browser().get("/qproxy/login/sales", headers=headers, allow_redirects=False) as page:
        words = re.findall(r"\bkerberos_\w+", await page.text())
        return page.status, words[0] if words else "", page.headers.get("WWW-Authenticate", "")
