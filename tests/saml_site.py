"""A SAML identity provider that runs, a service provider that trusts it, and what passes between them."""

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import trustme

from qproxy.auth import Answer, Call, LoginRequest, Reply, Send
from qproxy.auth.saml import Saml, Wishes
from qproxy.auth.saml_messages import ServiceProvider
from qproxy.sessions.memory_notes import MemoryNotes

PROGRAM = Path(__file__).with_name("saml_idp.py")
HERE = "https://bi.example.com/qproxy/login/sales/saml"


def make_keys(folder: Path, *names: str) -> None:
    authority = trustme.CA()
    for name in names:
        made = authority.issue_cert(f"{name}.example", key_type=trustme.KeyType.RSA)
        made.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        made.private_key_pem.write_to_path(folder / f"{name}_key.pem")
        (folder / f"{name}_key.pem").chmod(0o600)


@dataclass
class Idp:
    folder: Path
    origin: str

    def ask(self, path: str, body: bytes | None = None) -> str:
        address = path if path.startswith("http") else self.origin + path
        with urlopen(Request(address, body)) as answer:
            return str(answer.read().decode())

    def next(self, **wanted: Any) -> None:
        self.ask("/next", json.dumps(wanted).encode())

    @property
    def metadata(self) -> str:
        return self.ask("/metadata")


@contextmanager
def running_idp(folder: Path) -> Iterator[Idp]:
    make_keys(folder, "idp", "sp")
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Idp(folder, f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()


def fields_of(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))


@dataclass
class Login:
    """One service provider and its login with that provider, without the flow: what is kept is kept here."""

    idp: Idp
    method: Saml
    kept: dict[str, str] = field(default_factory=dict)
    here: str = HERE

    async def trust(self) -> None:
        described = await self.method.call(Call("metadata", "GET", self.here, ""))
        self.idp.ask("/trust", described.body)

    async def keep(self, kept: Mapping[str, str], limit: int) -> str:
        assert limit == 80
        self.kept = dict(kept)
        return "r" * 43

    async def begin(self) -> str:
        sent = await self.method.step(LoginRequest("sales", "192.0.2.1", here=self.here, keep=self.keep))
        assert isinstance(sent, Send)
        return sent.url

    async def answered(self, change: Callable[[str], str] = str) -> Answer:
        """A whole login; `change` works on the XML that comes back."""
        form = fields_of(self.idp.ask(await self.begin()))
        xml = change(base64.b64decode(form["SAMLResponse"]).decode())
        return await self.come_back({**form, "SAMLResponse": base64.b64encode(xml.encode()).decode()})

    async def come_back(self, form: Mapping[str, str]) -> Answer:
        request = LoginRequest("sales", "192.0.2.1", form, verb="acs", kept=self.kept, here=self.here)
        return await self.method.step(request)

    async def slo(self, address: str) -> Reply:
        query = address.partition("?")[2]
        from urllib.parse import parse_qsl  # noqa: PLC0415

        given = dict(parse_qsl(query, keep_blank_values=True))
        return await self.method.call(Call("slo", "GET", self.here, "", given, raw_query=query))


def service_provider(idp: Idp, **wanted: Any) -> ServiceProvider:
    certificate, key = ((idp.folder / name).read_text() for name in ("sp.pem", "sp_key.pem"))
    return ServiceProvider(idp.metadata, certificate=certificate, key=key, **wanted)


async def login_at(idp: Idp, provider: ServiceProvider | None = None, wishes: Wishes | None = None) -> Login:
    made = Saml("saml", provider or service_provider(idp), wishes or Wishes(), MemoryNotes(time.time), time.time)
    login = Login(idp, made)
    await login.trust()
    return login
