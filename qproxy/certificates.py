"""How long the certificates that qproxy shows or trusts are still valid, for the numbers and for /readyz.

The files are read afresh each time, so that a renewed one is seen. Never raises: a file that cannot be read counts as
expired.
"""

from pathlib import Path

from cryptography.hazmat.primitives import hashes

from qproxy.config import Config
from qproxy.config.files import read_certificates
from qproxy.secret_files import SecretError


def certificate_lifetimes(config: Config, now: float) -> dict[str, float]:
    """Seconds until each certificate expires (negative afterwards), by the configuration key that names it."""
    return {name: _seconds_left(path, now) for name, path in _named(config).items()}


def endpoint_binding(path: Path) -> bytes:
    """tls-server-end-point of the first certificate in a file (RFC 5929 section 4.1); b"" for one whose signature has
    no hash of its own, which the RFC leaves open. Raises SecretError."""
    certificate = read_certificates(path)[0]
    signed_with = certificate.signature_hash_algorithm
    if signed_with is None:
        return b""
    weak = isinstance(signed_with, hashes.MD5 | hashes.SHA1)
    return b"tls-server-end-point:" + certificate.fingerprint(hashes.SHA256() if weak else signed_with)


def _named(config: Config) -> dict[str, Path]:
    named: dict[str, Path] = {}
    if config.server.public.tls is not None:
        named["public"] = config.server.public.tls.certificate
    if config.server.public.client_ca is not None:
        named["public client_ca"] = config.server.public.client_ca
    if config.server.internal.tls is not None:
        named["internal"] = config.server.internal.tls.certificate
    if config.server.internal.client_ca is not None:
        named["internal client_ca"] = config.server.internal.client_ca
    for vp in config.virtual_proxies:
        if vp.upstream_tls is not None:
            named[f"{vp.name} upstream ca"] = vp.upstream_tls.ca
        if vp.qps_api is not None:
            named[f"{vp.name} qps_api ca"] = vp.qps_api.ca
            named[f"{vp.name} qps_api client"] = vp.qps_api.client_certificate
    return named


def _seconds_left(path: Path, now: float) -> float:
    try:
        chain = read_certificates(path)
    except SecretError:
        return float("-inf")
    return min(certificate.not_valid_after_utc.timestamp() for certificate in chain) - now
