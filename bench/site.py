"""Where one run of the benchmark happens: its ports, its throw-away certificates, its folders. It starts nothing."""

import random
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import trustme

WORK = Path(__file__).resolve().parent / ".work"
"""All that is built, installed or written; not committed."""
HOST = "127.0.0.1"
SERVER_NAME = "localhost"
"""The name in the certificate, of the proxies as of the upstream."""
# Below the ports that Linux gives to connections by itself: thousands of those are open when a peer starts.
FIRST_PORT, LAST_PORT = 20_000, 32_000
TRIES = 200
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on now, and that was not given before. OSError when none is found."""
    for _ in range(TRIES):
        port = random.randint(FIRST_PORT, LAST_PORT)  # noqa: S311 - not a secret
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT} in {TRIES} tries")


@dataclass(frozen=True, slots=True)
class Site:
    """What each peer is told: the upstream's two ports, and a certificate that is good for both sides of a proxy."""

    work: Path
    upstream_port: int
    upstream_tls_port: int
    ca: Path
    certificate: Path
    key: Path

    def folder(self, name: str) -> Path:
        """A new empty folder for one process."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.work))


def new_site(work: Path = WORK / "site", upstream_port: int = 0, upstream_tls_port: int = 0) -> Site:
    """Empties `work`, makes the CA and the certificate in it. Ports that are 0 become free ones."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    authority = trustme.CA()
    leaf = authority.issue_cert(SERVER_NAME, HOST)
    ca, certificate, key = work / "ca.pem", work / "localhost.pem", work / "localhost_key.pem"
    authority.cert_pem.write_to_path(ca)
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(certificate, append=True)
    key.touch(mode=0o600)
    leaf.private_key_pem.write_to_path(key)
    return Site(work, upstream_port or free_port(), upstream_tls_port or free_port(), ca, certificate, key)
