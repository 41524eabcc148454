"""A configuration directory to try things on: small files that load, and real certificates made on the spot."""

import datetime
import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from qproxy.config.load import load
from qproxy.config.models import Config
from qproxy.settings import ConfigError

NOW = datetime.datetime.now(datetime.UTC)
ENVIRON = {"FINANCE_DIRECTORY": "FINANCE", "SESSION_KEY": secrets.token_hex(32), "EMPTY": ""}
ENVIRON |= {"REDIS_PASSWORD": secrets.token_hex(8), "SENTINEL_PASSWORD": secrets.token_hex(8)}
SERVER = """\
public:
  url: https://bi.example.com
  listen: 127.0.0.1:8000
sessions:
  store: memory
"""
SALES = """\
prefix: sales
cookie: X-Qlik-Session-sales
user_directory: SALES
upstreams: http://localhost:8080
anonymous: always
"""


@cache
def public_key() -> str:
    """Of a portal that signs tokens."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class ConfigSite:
    """config/, certs/ and state/ below one folder; config/ holds nothing at first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "config"
        self.directory.mkdir()

    def write(self, server: str | None = SERVER, **vps: str) -> "ConfigSite":
        for name, text in {"server": server, **(vps or {"sales": SALES})}.items():
            if text is not None:
                (self.directory / f"{name}.yaml").write_text(text, encoding="utf-8")
        return self

    def load(self, environ: Mapping[str, str] = ENVIRON, *, files: bool = True) -> Config:
        return load(self.directory, environ=environ, files=files, now=NOW)

    def problems(self, environ: Mapping[str, str] = ENVIRON, *, files: bool = True) -> list[str]:
        """What is printed, without the directory; empty when it loads."""
        try:
            self.load(environ, files=files)
        except ConfigError as error:
            return [str(problem).removeprefix(f"{self.directory}/") for problem in error.problems]
        return []

    def warnings(self) -> list[str]:
        return [str(problem).removeprefix(f"{self.directory}/") for problem in self.load().warnings]

    def with_files(self, not_after: datetime.datetime | None = None) -> "ConfigSite":
        """Every file that the examples and the documentation name."""
        certs, state = self.root / "certs", self.root / "state"
        certs.mkdir()
        state.mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(certs / "root.pem")
        for name in ("public", "server", "client"):
            made = authority.issue_cert("bi.example.com", "qproxy.internal", not_after=not_after)
            made.private_key_pem.write_to_path(certs / f"{name}_key.pem")
            for number, blob in enumerate(made.cert_chain_pems):
                blob.write_to_path(certs / f"{name}.pem", append=number > 0)
        (certs / "portal.pub.pem").write_text(public_key())
        (certs / "qproxy.keytab").write_text("a key of Kerberos")
        (certs / "session.key").write_text(secrets.token_hex(32))
        for name in ("old-session.key", "front.secret"):
            (certs / name).write_text(secrets.token_urlsafe(32))
        saml = authority.issue_cert("bi.example.com", not_after=not_after, key_type=trustme.KeyType.RSA)
        saml.private_key_pem.write_to_path(certs / "saml_key.pem")
        saml.cert_chain_pems[0].write_to_path(certs / "saml.pem")
        (certs / "idp.xml").write_text("<md:EntityDescriptor><md:IDPSSODescriptor/></md:EntityDescriptor>")
        authority.cert_pem.write_to_path(certs / "acme-ca.pem")
        (certs / "ldap.password").write_text(secrets.token_hex(8))
        (certs / "oidc.secret").write_text(secrets.token_urlsafe(32))
        for name in ("oidc", "oidc_key"):
            source = certs / name.replace("oidc", "client")
            (certs / f"{name}.pem").write_bytes(source.with_suffix(".pem").read_bytes())
        for name in ("sales", "finance"):
            (state / f"{name}.users").write_text("")
        for path in [*certs.iterdir(), *state.iterdir()]:
            os.chmod(path, 0o600)
        return self
