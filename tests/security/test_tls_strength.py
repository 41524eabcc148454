"""What a TLS scanner looks for on both listeners, and an upstream certificate whose time is over."""

import asyncio
import datetime
import ssl
import warnings
from pathlib import Path

import pytest
import trustme
from a_site import Site, site
from site_plan import MACHINE

STRONG = ("TLS_AES_", "TLS_CHACHA20", "ECDHE-RSA-AES", "ECDHE-ECDSA-AES", "ECDHE-RSA-CHACHA20", "ECDHE-ECDSA-CHACHA20")
WEAK = ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ADH-AES128-SHA"]
WEAK += ["DHE-RSA-AES128-GCM-SHA256", "AECDH-NULL-SHA", "PSK-AES128-CBC-SHA", "CAMELLIA128-SHA"]


def ports(qlik: Site) -> list[int]:
    return [qlik.server.public_ports[0], qlik.server.internal_ports[0]]


async def handshake(port: int, context: ssl.SSLContext) -> tuple[str, str]:
    """Version and cipher. Raises ssl.SSLError or ConnectionError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        made = writer.get_extra_info("ssl_object")
        return made.version(), made.cipher()[0]
    finally:
        writer.transport.abort()
        reader.feed_eof()


def client(qlik: Site, version: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    """One that would take anything."""
    assert qlik.certificates is not None
    context = qlik.certificates.of_client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the old versions that must be refused
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{ciphers or 'ALL:eNULL'}:@SECLEVEL=0")
    return context


async def test_old_versions_and_weak_ciphers_are_refused(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with site(tmp_path, tls=True) as qlik:
        offers = [
            (ssl.TLSVersion.TLSv1, ""),
            (ssl.TLSVersion.TLSv1_1, ""),
            *((ssl.TLSVersion.TLSv1_2, one) for one in WEAK),
        ]
        for port in ports(qlik):
            for version, ciphers in offers:
                with subtests.test(f"{port} {version.name} {ciphers}"), pytest.raises((ssl.SSLError, ConnectionError)):
                    await handshake(port, client(qlik, version, ciphers))


async def test_what_is_agreed_upon_is_forward_secret_and_authenticated(tmp_path: Path) -> None:
    async with site(tmp_path, tls=True) as qlik:
        for port in ports(qlik):
            for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
                agreed, cipher = await handshake(port, client(qlik, version))
                assert agreed == name
                assert cipher.startswith(STRONG)
                assert "GCM" in cipher or "CHACHA20" in cipher


async def test_a_node_whose_certificate_has_expired_is_not_believed(tmp_path: Path) -> None:
    authority = trustme.CA()
    over = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(MACHINE, not_after=over, not_before=over - datetime.timedelta(days=9)).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "qlik.pem")
    vp = f"upstream_tls: {{ca: {tmp_path}/qlik.pem}}\nanonymous: always"
    async with site(tmp_path, tls=True, vp=vp, node={"tls": context}) as qlik:
        assert await qlik.status(qlik.browser(), "/sales/hub/") == 502
