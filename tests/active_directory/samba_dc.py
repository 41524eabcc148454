"""A domain controller of Active Directory by Samba, on its own fixed ports: only in a network namespace of its own.

`make test-ad` makes that namespace, where loopback is all there is. People, groups and what is wrong with some of them
are made by Samba's own tool.
"""

import socket
import subprocess
from pathlib import Path

import trustme
from needs import require
from waiting import wait_until

REALM = "acme.example"
SUFFIX = "DC=acme,DC=example"
PASSWORD = "C0rrect-horse"
SERVICE = f"CN=qproxy,CN=Users,{SUFFIX}"
READY_S = 60.0

COMMANDS = (
    "domain passwordsettings set --account-lockout-threshold=2 --min-pwd-age=0",
    f"user create qproxy {PASSWORD}",
    f"user create anna {PASSWORD} --mail-address=anna@{REALM} --given-name=Anna --surname=Akesson",
    f"user create gone {PASSWORD}",
    "user disable gone",
    f"user create over {PASSWORD}",
    "user setexpiry over --days=-2",
    f"user create fresh {PASSWORD} --must-change-at-next-login",
    f"user create lost {PASSWORD}",
    f"user create leaver {PASSWORD}",
    "group add sales",
    "group add europe",
    "group add world",
    "group addmembers sales anna",
    "group addmembers europe sales,world",
    "group addmembers world europe",
)


class SambaDc:
    def __init__(self, folder: Path) -> None:
        require("samba")
        interfaces = [name for _, name in socket.if_nameindex()]
        assert interfaces == ["lo"], f"only in a network of its own, not beside {interfaces}: make test-ad"
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.secret = folder / "service.password"
        self._conf = folder / "etc" / "smb.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> "SambaDc":
        options = [
            f"--option={key}={value}"
            for key, value in {
                "pid directory": self.folder / "run",
                "ncalrpc dir": self.folder / "ncalrpc",
                "log file": self.folder / "log",
            }.items()
        ]
        self._tool(
            "domain", "provision", f"--realm={REALM}", "--domain=ACME", "--server-role=dc", "--dns-backend=NONE",
            f"--adminpass={PASSWORD}", f"--targetdir={self.folder}", "--host-name=dc1", *options,
        )  # fmt: skip
        self._certify()
        text = self._conf.read_text()
        tls = f"tls certfile = {self.folder}/server.pem\ntls keyfile = {self.folder}/server.key\ntls cafile = {self.ca}"
        services = "server services = ldap"
        text = "\n".join(services if "server services" in line else line for line in text.splitlines())
        self._conf.write_text(text.replace("[global]", f"[global]\n{tls}", 1))
        for command in COMMANDS:
            self.run(command)
        self.secret.write_text(PASSWORD)
        self.secret.chmod(0o600)
        return self

    def start(self) -> "SambaDc":
        words = ["/usr/sbin/samba", "--interactive", "--model=single", f"--configfile={self._conf}"]
        output = (self.folder / "output").open("wb")
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=output, stderr=output)
        output.close()
        wait_until(lambda: listens(636) and listens(389), within=READY_S)
        return self

    def stop(self) -> None:
        """It ends with its input."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(READY_S)

    def run(self, command: str) -> None:
        """One command of samba-tool."""
        self._tool(*command.split(), f"--configfile={self._conf}")

    def _certify(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        (self.folder / "server.key").chmod(0o600)
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(self.folder / "server.pem", append=True)

    def _tool(self, *words: str) -> None:
        done = subprocess.run(["/usr/bin/samba-tool", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), 1).close()
    except OSError:
        return False
    return True
