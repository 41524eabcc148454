"""A real SAML identity provider: pysaml2 behind http.server, a program of its own.

    python tests/saml_idp.py FOLDER

FOLDER holds idp.pem and idp_key.pem. It prints its port. `POST /trust` takes a service provider's metadata, and
`POST /next` (JSON) says who logs in next and how the answer is made. It asks nobody for a password: whoever comes is
that person.
"""

import json
import sys
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lxml import etree
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server

SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


class Provider:
    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.origin = f"http://127.0.0.1:{port}"
        self.next: dict[str, Any] = {}
        self.server: Server | None = None
        self.partner = ""

    @property
    def settings(self) -> dict[str, Any]:
        endpoints = {
            "single_sign_on_service": [(f"{self.origin}/sso", BINDING_HTTP_REDIRECT)],
            "single_logout_service": [(f"{self.origin}/slo", BINDING_HTTP_REDIRECT)],
        }
        return {
            "entityid": f"{self.origin}/metadata",
            "key_file": str(self.folder / "idp_key.pem"),
            "cert_file": str(self.folder / "idp.pem"),
            "encryption_keypairs": [],
            "service": {"idp": {"endpoints": endpoints, "want_authn_requests_signed": True}},
            "allow_unknown_attributes": True,
        }

    def metadata(self) -> str:
        from saml2.metadata import entity_descriptor  # noqa: PLC0415

        return str(entity_descriptor(IdPConfig().load(self.settings)))

    def trust(self, metadata: str) -> None:
        config = IdPConfig().load({**self.settings, "metadata": {"inline": [metadata]}})
        self.server = Server(config=config)
        [self.partner] = self.server.metadata.keys()

    def sso(self, query: dict[str, str]) -> tuple[str, str]:
        """The SAMLResponse, and where it is to be posted."""
        assert self.server is not None
        asked = self.server.parse_authn_request(
            query["SAMLRequest"], BINDING_HTTP_REDIRECT,
            query.get("RelayState"), query.get("SigAlg"), query.get("Signature"),
        )  # fmt: skip
        assert asked is not None
        return self.answer(asked.message.id), asked.message.assertion_consumer_service_url

    def answer(self, request_id: str | None) -> str:
        assert self.server is not None
        wanted = self.next
        acs = self.server.metadata.assertion_consumer_service(self.partner, BINDING_HTTP_POST)[0]["location"]
        name_id = NameID(format=NAMEID_FORMAT_PERSISTENT, text=wanted.get("name_id", "ann"))
        made = self.server.create_authn_response(
            wanted.get("attributes", {"groups": ["Sales", "Europe"], "uid": ["ann"]}),
            request_id,
            acs,
            wanted.get("audience", self.partner),
            name_id=name_id,
            authn={"class_ref": CONTEXT, "authn_auth": self.origin},
            sign_assertion=wanted.get("sign_assertion", True),
            sign_response=wanted.get("sign_response", False),
            sign_alg=wanted.get("sign_alg", SHA256),
            digest_alg=DIGEST,
        )
        return encrypted(str(made), self.folder / "sp.pem") if wanted.get("encrypt") else str(made)

    def begin_logout(self, query: dict[str, str]) -> str:
        """The address with a request of ours to log somebody out."""
        assert self.server is not None
        slo = self.server.metadata.single_logout_service(self.partner, BINDING_HTTP_REDIRECT, "spsso")[0]["location"]
        name_id = NameID(format=NAMEID_FORMAT_PERSISTENT, text=query["name_id"])
        _, made = self.server.create_logout_request(slo, self.partner, name_id=name_id, sign=False)
        sent = self.server.apply_binding(BINDING_HTTP_REDIRECT, str(made), slo, sign=True, sigalg=SHA256)
        return str(dict(sent["headers"])["Location"])

    def slo(self, query: dict[str, str]) -> str:
        assert self.server is not None
        asked = self.server.parse_logout_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT)
        response = self.server.create_logout_response(asked.message, [BINDING_HTTP_REDIRECT], sign=False)
        slo = self.server.metadata.single_logout_service(self.partner, BINDING_HTTP_REDIRECT, "spsso")[0]["location"]
        sent = self.server.apply_binding(
            BINDING_HTTP_REDIRECT, str(response), slo, query.get("RelayState", ""), response=True, sign=True,
            sigalg=SHA256,
        )  # fmt: skip
        return str(dict(sent["headers"])["Location"])


def encrypted(response: str, certificate: Path) -> str:
    """Its assertion encrypted for the partner as it stands: pysaml2 itself writes a signed one anew, with other
    prefixes, which ends the signature."""
    xmlsec: Any = import_module("xmlsec")  # its types lack half of what it has
    root = etree.fromstring(response.encode())
    assertion = root.find(f"{{{ASSERTION}}}Assertion")
    assert assertion is not None
    box = etree.Element(f"{{{ASSERTION}}}EncryptedAssertion")
    root.replace(assertion, box)
    data = xmlsec.template.encrypted_data_create(box, xmlsec.Transform.AES256, type=xmlsec.EncryptionType.ELEMENT)
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    key = xmlsec.template.add_encrypted_key(
        xmlsec.template.encrypted_data_ensure_key_info(data), xmlsec.Transform.RSA_OAEP
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    keys = xmlsec.KeysManager()
    keys.add_key(xmlsec.Key.from_file(str(certificate), xmlsec.KeyFormat.CERT_PEM))
    context = xmlsec.EncryptionContext(keys)
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, 256, xmlsec.KeyDataType.SESSION)
    box.append(assertion)
    box.append(context.encrypt_xml(data, assertion))
    return str(etree.tostring(root).decode())


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        if address.path == "/metadata":
            self._say(200, self.provider.metadata())
        elif address.path == "/sso":
            message, acs = self.provider.sso(query)
            self._say(200, page(message, acs, query.get("RelayState", "")))
        elif address.path == "/unsolicited":
            self._say(200, page(self.provider.answer(None), "", query.get("RelayState", "")))
        elif address.path == "/slo":
            self._say(303, "", self.provider.slo(query))
        else:
            self._say(200, self.provider.begin_logout(query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/trust":
            self.provider.trust(body)
        else:
            self.provider.next = json.loads(body)
        self._say(200, "ok")

    def _say(self, status: int, text: str, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def page(message: str, acs: str, relay_state: str) -> str:
    import base64  # noqa: PLC0415

    encoded = base64.b64encode(message.encode()).decode()
    return (
        f'<form method="post" action="{escape(acs)}"><input type="hidden" name="SAMLResponse" value="{encoded}">'
        f'<input type="hidden" name="RelayState" value="{escape(relay_state)}"><button>Continue</button></form>'
    )


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.provider = Provider(Path(sys.argv[1]), server.server_address[1])
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
