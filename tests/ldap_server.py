"""A real OpenLDAP server on free ports of loopback, with TLS, people, groups in groups and a password policy.

One process and one folder each; it is ended with the test that started it. Entries carry attributes of Active
Directory too, which Debian's msuser.schema allows.
"""

import base64
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import trustme
from needs import require
from site_plan import free_port
from waiting import wait_until

from qproxy.auth.ldap import Ldap
from qproxy.auth.ldap_opening import open_ldap
from qproxy.config import LdapLogin

SUFFIX = "dc=acme,dc=example"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
SERVICE = f"cn=qproxy,{SUFFIX}"
SERVICE_PASSWORD = "service-canary"
PASSWORD = "correct horse"
GUID = bytes(range(16))
SID = bytes([1, 5, 0, 0, 0, 0, 0, 5]) + b"".join(n.to_bytes(4, "little") for n in (21, 1, 2, 3, 1104))
ODD = 'Jo "Q" (x*) \\ Smith, #1'
"""A name full of letters that filters and distinguished names use themselves."""
READY_S = 20.0

CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/msuser.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/pid
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
disallow bind_anon
sizelimit 100
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by self read by * none
database mdb
maxsize 104857600
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
rootpw admin
directory {folder}/db
index objectClass,uid,member eq
overlay memberof
memberof-group-oc groupOfNames
overlay ppolicy
ppolicy_use_lockout
"""


def person(uid: str, *more: str, cn: str = "", password: str = PASSWORD) -> str:
    lines = [
        f"dn: uid={uid},{PEOPLE}", "objectClass: inetOrgPerson", "objectClass: extensibleObject", f"uid: {uid}",
        f"cn: {cn or uid}", f"sn: {uid}", f"userPassword: {password}", *more,
    ]  # fmt: skip
    return "\n".join(lines)


def group(name: str, *members: str) -> str:
    return "\n".join(
        [
            f"dn: cn={name},{GROUPS}",
            "objectClass: groupOfNames",
            "objectClass: extensibleObject",
            f"cn: {name}",
            *(f"member: {one}" for one in members),
        ]
    )


def as_binary(value: bytes) -> str:
    return base64.b64encode(value).decode()


def policy(name: str, *more: str) -> str:
    return "\n".join(
        [
            f"dn: cn={name},{SUFFIX}",
            "objectClass: device",
            "objectClass: pwdPolicy",
            f"cn: {name}",
            "pwdAttribute: userPassword",
            *more,
        ]
    )


def of_policy(name: str) -> str:
    return f"pwdPolicySubentry: cn={name},{SUFFIX}"


def entries() -> list[str]:
    return [
        f"dn: {SUFFIX}\nobjectClass: domain\ndc: acme",
        f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people",
        f"dn: {GROUPS}\nobjectClass: organizationalUnit\nou: groups",
        f"dn: {SERVICE}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: qproxy\n"
        f"userPassword: {SERVICE_PASSWORD}",
        policy("expired", "pwdMaxAge: 60", "pwdMustChange: TRUE"),
        policy("strict", "pwdLockout: TRUE", "pwdMaxFailure: 2", "pwdMustChange: TRUE"),
        person(
            "anna",
            "mail: anna@acme.example",
            "displayName: Anna Åkesson",
            "sAMAccountName: anna",
            "userPrincipalName: anna@acme.example",
            f"objectGUID:: {as_binary(GUID)}",
            f"objectSid:: {as_binary(SID)}",
        ),
        person("off", "userAccountControl: 514"),
        person("bob", "mail: twin@acme.example"),
        person("cid", "mail: twin@acme.example"),
        person("lo", of_policy("strict")),
        person("old", of_policy("expired"), "pwdChangedTime: 20200101000000Z"),
        person("new", of_policy("strict"), "pwdReset: TRUE"),
        f"dn: cn=odd,{PEOPLE}\nobjectClass: inetOrgPerson\ncn: odd\nsn: odd\nuserPassword: {PASSWORD}\n"
        f"uid:: {as_binary(ODD.encode())}",
        group("sales", f"uid=anna,{PEOPLE}"),
        group("europe", f"cn=sales,{GROUPS}", f"cn=world,{GROUPS}"),
        group("world", f"cn=europe,{GROUPS}"),
        group("others", f"uid=bob,{PEOPLE}"),
    ]


class Slapd:
    """`ca` signs its certificate, which is for localhost."""

    def __init__(self, folder: Path) -> None:
        require("slapd")
        self.folder = folder
        self.plain, self.tls = free_port(), free_port()
        self.ca = folder / "ca.pem"
        self.secret = folder / "ldap.password"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ldap(self) -> str:
        return f"ldap://localhost:{self.plain}"

    @property
    def ldaps(self) -> str:
        return f"ldaps://localhost:{self.tls}"

    def prepare(self) -> "Slapd":
        (self.folder / "db").mkdir(parents=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(self.folder / "server.pem", append=True)
        self.secret.write_text(SERVICE_PASSWORD)
        self.secret.chmod(0o600)
        (self.folder / "slapd.conf").write_text(CONF.format(folder=self.folder, suffix=SUFFIX, service=SERVICE))
        (self.folder / "people.ldif").write_text("\n\n".join(with_member_of(entries())), "utf-8")
        load = ["slapadd", "-f", str(self.folder / "slapd.conf"), "-l", str(self.folder / "people.ldif")]
        subprocess.run(load, check=True, capture_output=True, env={"PATH": "/usr/sbin:/usr/bin:/bin"})
        return self

    def start(self) -> "Slapd":
        urls = f"ldap://localhost:{self.plain} ldaps://localhost:{self.tls}"
        words = ["/usr/sbin/slapd", "-f", str(self.folder / "slapd.conf"), "-h", urls, "-d", "0"]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(self.plain) and listens(self.tls), within=READY_S)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(READY_S)
            self._process = None

    def login(self, **keys: object) -> LdapLogin:
        """Search, then bind, as the configuration would say it."""
        wanted: dict[str, object] = {
            "method": "ldap",
            "servers": [self.ldaps],
            "ca": str(self.ca),
            "subtree": PEOPLE,
            "bind_as": SERVICE,
            "password_file": str(self.secret),
            "filter": "(uid={account})",
            "user_id": "uid",
        }
        return LdapLogin.model_validate(wanted | keys)

    def method(self, **keys: object) -> Ldap:
        return open_ldap(self.login(**keys))


def with_member_of(texts: list[str]) -> list[str]:
    """slapadd runs no overlay, so what memberof would have written is written here."""
    members: dict[str, list[str]] = {}
    for text in texts:
        dn = text.splitlines()[0].removeprefix("dn: ")
        for line in text.splitlines():
            if line.startswith("member: "):
                members.setdefault(line.removeprefix("member: "), []).append(dn)
    return [
        "\n".join([text, *(f"memberOf: {one}" for one in members.get(text.splitlines()[0].removeprefix("dn: "), []))])
        for text in texts
    ]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 1):
        return True
    return False


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Slapd]:
    server = Slapd(folder).prepare().start()
    try:
        yield server
    finally:
        server.stop()
