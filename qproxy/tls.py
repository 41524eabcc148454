"""TLS contexts, one for each side: browsers, Qlik's calls to us, our calls to Qlik, to the session store, to providers.

Verification is never switched off. Towards Qlik only the configured CA is trusted, and not the system's: that is both
stricter and cheaper a handshake.
"""

import ssl
from pathlib import Path

from qproxy.config import PublicConfig, RedisTlsConfig, TlsConfig, UpstreamTlsConfig
from qproxy.config.qlik_models import QpsApiConfig
from qproxy.secret_files import read_secret

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def bare_context() -> ssl.SSLContext:
    """With the keys of session tickets, which are made here, and without certificate and private key: workers complete
    their copies of one, so that a browser resumes at any of them."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def public_context(public: PublicConfig, bare: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """For browsers: TLS 1.2 with forward secrecy and AEAD only, or 1.3. With a CA a proxy in front may show its
    certificate, which browsers have none of. Raises OSError, ssl.SSLError, SecretError."""
    assert public.tls is not None
    context = _server_context(public.tls, bare or bare_context())
    context.set_alpn_protocols(["http/1.1"])
    _ask_for_certificate(context, public.client_ca)
    return context


def internal_context(tls: TlsConfig, client_ca: Path | None) -> ssl.SSLContext:
    """For Qlik's calls. With a CA, strangers' certificates are refused here; whether one was shown is the guard's
    question, so that health probes need none."""
    context = _server_context(tls, bare_context())
    _ask_for_certificate(context, client_ca)
    return context


def _ask_for_certificate(context: ssl.SSLContext, client_ca: Path | None) -> None:
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL


def upstream_context(tls: UpstreamTlsConfig | QpsApiConfig) -> ssl.SSLContext:
    """Towards Qlik's nodes: only `ca` is trusted, and the name in the certificate must fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(tls.ca)
    if tls.client_certificate is not None and tls.client_key is not None:
        _load(context, tls.client_certificate, tls.client_key, tls.client_key_password_file)
    return context


def store_context(tls: RedisTlsConfig) -> ssl.SSLContext:
    """Towards the session store: verified by the one CA that is configured, or by the system's."""
    context = ssl.create_default_context(cafile=tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.client_certificate is not None and tls.client_key is not None:
        _load(context, tls.client_certificate, tls.client_key, tls.client_key_password_file)
    return context


def provider_context(ca: Path) -> ssl.SSLContext:
    """Towards an identity provider whose certificate is made by an authority of the company's own."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _server_context(tls: TlsConfig, context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    # All that is offered is strong, and a client knows what it computes cheaply: AES-128 with hardware, else ChaCha20.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _load(context, tls.certificate, tls.key, tls.key_password_file)
    return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path, password_file: Path | None) -> None:
    password = read_secret(password_file) if password_file is not None else None
    context.load_cert_chain(certificate, key, password)
