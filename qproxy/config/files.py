"""Judges the files that the configuration names: there, readable, of the right kind, private where they must be.

A certificate that is over, does not fit to its key, or cannot be parsed would fail at the first connection; here it
fails before the start. Files are only read. The clock is handed in.
"""

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from qproxy.config.models import ServerConfig, TlsConfig, VirtualProxyConfig
from qproxy.config.node_models import UpstreamTlsConfig
from qproxy.config.qlik_models import QpsApiConfig
from qproxy.config.rules import SERVER, Finding
from qproxy.config.store_models import RedisConfig, RedisTlsConfig
from qproxy.key_files import read_keys
from qproxy.secret_files import SecretError, exposure, parse_key, read_secret, read_text
from qproxy.settings import KeyPath

SOON = timedelta(days=30)

# What cryptography raises for a certificate that is no proper one; they have no class of their own in common.
_ODD = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A certificate with its private key; `prefix` is what the names of the three keys begin with."""

    prefix: str
    certificate: Path
    key: Path
    password_file: Path | None


def server_files(server: ServerConfig, now: datetime) -> Iterator[Finding]:
    yield from _listener(("public", "tls"), server.public.tls, now)
    if server.public.tls:
        yield from _covers(server.public.tls.certificate, server.public.hosts)
    yield from _ca(SERVER, ("public", "client_ca"), server.public.client_ca, now)
    yield from _listener(("internal", "tls"), server.internal.tls, now)
    yield from _ca(SERVER, ("internal", "client_ca"), server.internal.client_ca, now)
    yield from _session_keys(server)
    if server.sessions.store == "sqlite" and server.sessions.path:
        yield from _writable(("sessions", "path"), server.sessions.path)
    if server.sessions.store == "redis" and server.sessions.redis:
        yield from _redis(server.sessions.redis, now)
    for name, target in (("access", server.logging.access), ("audit", server.logging.audit)):
        if isinstance(target, Path):
            yield from _writable(("logging", name), target)


def vp_files(vp: VirtualProxyConfig, now: datetime) -> Iterator[Finding]:
    if vp.upstream_tls:
        yield from _ca(vp.name, ("upstream_tls", "ca"), vp.upstream_tls.ca, now)
        yield from _client(vp.name, ("upstream_tls",), vp.upstream_tls, now)
    if vp.qps_api:
        yield from _ca(vp.name, ("qps_api", "ca"), vp.qps_api.ca, now)
        yield from _client(vp.name, ("qps_api",), vp.qps_api, now)


def _listener(path: KeyPath, tls: TlsConfig | None, now: datetime) -> Iterator[Finding]:
    if tls:
        yield from _pair(SERVER, path, _Pair("", tls.certificate, tls.key, tls.key_password_file), now)


def _client(
    file: str, path: KeyPath, tls: UpstreamTlsConfig | QpsApiConfig | RedisTlsConfig, now: datetime
) -> Iterator[Finding]:
    if tls.client_certificate and tls.client_key:
        pair = _Pair("client_", tls.client_certificate, tls.client_key, tls.client_key_password_file)
        yield from _pair(file, path, pair, now)


def _pair(file: str, path: KeyPath, pair: _Pair, now: datetime) -> Iterator[Finding]:
    chain: list[x509.Certificate] = []
    public, password = b"", None
    at = f"{pair.prefix}certificate"
    try:
        chain = read_certificates(pair.certificate)
        yield from _dates(Finding(file, (*path, at), str(pair.certificate)), chain[0], now)
    except SecretError as error:
        yield Finding(file, (*path, at), str(error))
    at = setting = f"{pair.prefix}key_password_file"
    try:
        password = read_secret(pair.password_file) if pair.password_file else None
        at = f"{pair.prefix}key"
        public = read_public_half(pair.key, password, setting)
    except SecretError as error:
        yield Finding(file, (*path, at), str(error))
    if chain and public:
        yield from (Finding(file, (*path, at), text) for text in _together(pair, spki(chain[0]) == public, password))


def _together(pair: _Pair, fits: bool, password: str | None) -> Iterator[str]:
    """What keeps OpenSSL from using two files that are each in order: another key, or too weak a one."""
    if not fits:
        yield f"{pair.key} is not the key of {pair.certificate}"
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key, password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "not usable"
        yield f"{pair.key} and {pair.certificate} are refused by OpenSSL: {reason.lower().replace('_', ' ')}"


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, in order; at least one. Raises SecretError."""
    try:
        return x509.load_pem_x509_certificates(read_text(path).encode())
    except SecretError as error:
        if "not a text file" not in str(error):
            raise
    except _ODD:
        pass
    text = f"{path} holds no PEM certificate (BEGIN CERTIFICATE): export it from the QMC as platform independent PEM"
    raise SecretError(text)


def read_public_half(path: Path, password: str | None, setting: str = "key_password_file") -> bytes:
    """The public key (DER) that belongs to a private key file; `setting` is the key that names the password's file.

    Raises SecretError, never with content of a file.
    """
    exposed = exposure(path)
    if exposed:
        raise SecretError(exposed)
    try:
        key = load_pem_private_key(read_text(path).encode(), password.encode() if password else None)
    except TypeError:
        wanted = f"has no password: remove {setting}" if password else f"has a password: give {setting}"
        raise SecretError(f"{path} {wanted}") from None
    except SecretError:
        raise
    except (ValueError, UnsupportedAlgorithm):
        raise SecretError(f"{path} holds no PEM private key, or its password is another one") from None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki(certificate: x509.Certificate) -> bytes:
    """The public key (DER); b"" for one that is not known here."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except _ODD:
        return b""


def _dates(finding: Finding, certificate: x509.Certificate, now: datetime) -> Iterator[Finding]:
    """`finding` says whose certificate it is: its text is the file."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        yield Finding(finding.file, finding.path, f"{finding.text} expired on {end:%Y-%m-%d}: renew it")
    elif now < start:
        yield Finding(finding.file, finding.path, f"{finding.text} is not valid before {start:%Y-%m-%d %H:%M} UTC")
    elif end - now < SOON:
        text = f"{finding.text} expires on {end:%Y-%m-%d}, in {(end - now).days} days: renew it"
        yield Finding(finding.file, finding.path, text, warning=True)


def _ca(file: str, path: KeyPath, ca: Path | None, now: datetime) -> Iterator[Finding]:
    if ca is None:
        return
    try:
        for certificate in read_certificates(ca):
            yield from _dates(Finding(file, path, str(ca)), certificate, now)
    except SecretError as error:
        yield Finding(file, path, str(error))


def _covers(path: Path, hosts: tuple[str, ...]) -> Iterator[Finding]:
    """Warns of a public name that the certificate does not hold: every browser would refuse it."""
    try:
        certificate = read_certificates(path)[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (SecretError, x509.ExtensionNotFound, *_ODD):
        return
    known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    known |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    for host in hosts:
        bare = host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]
        if bare not in known and f"*.{bare.partition('.')[2]}" not in known:
            text = f"{path} is not for {bare}: browsers will refuse it"
            yield Finding(SERVER, ("public", "tls", "certificate"), text, warning=True)


def _session_keys(server: ServerConfig) -> Iterator[Finding]:
    for number, path in enumerate(server.sessions.key_file or ()):
        try:
            read_keys(path)
        except SecretError as error:
            yield Finding(SERVER, ("sessions", "key_file", number), str(error))
    if server.sessions.key is not None:
        try:
            parse_key(server.sessions.key.get_secret_value())
        except SecretError as error:
            yield Finding(SERVER, ("sessions", "key"), str(error))


def _redis(redis: RedisConfig, now: datetime) -> Iterator[Finding]:
    at: KeyPath = ("sessions", "redis")
    if find_spec("redis") is None:
        yield Finding(
            SERVER, at, "needs the Redis client: install qproxy with its extra, as in pip install 'qproxy[redis]'"
        )
    if redis.url and redis.url.scheme == "unix" and os.name == "nt":
        yield Finding(
            SERVER, (*at, "url"), "is a unix socket, which Python does not offer on Windows: give host and port"
        )
    for name in ("password_file", "sentinel_password_file"):
        path: Path | None = getattr(redis, name)
        try:
            read_secret(path) if path else None
        except SecretError as error:
            yield Finding(SERVER, (*at, name), str(error))
    if redis.tls:
        yield from _ca(SERVER, (*at, "tls", "ca"), redis.tls.ca, now)
        yield from _client(SERVER, (*at, "tls"), redis.tls, now)


def _writable(path: KeyPath, target: Path) -> Iterator[Finding]:
    directory = target.parent
    if target.is_dir():
        yield Finding(SERVER, path, f"{target} is a directory: write the path of a file")
    elif not directory.is_dir():
        yield Finding(SERVER, path, f"the directory {directory} does not exist")
    elif not os.access(target if target.exists() else directory, os.W_OK):
        yield Finding(SERVER, path, f"{target} cannot be written by the user that runs this")


def utc_now() -> datetime:
    return datetime.now(UTC)
