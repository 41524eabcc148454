"""Login by a signed token."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from qliksim.node_site import Site, site

KEY = generate_rsa_key(65537, 2048)
KIM = {"userId": "kim", "userDirectory": "JWT"}


def pem_of(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def token(claims: Any, key: RSAPrivateKey = KEY, algorithm: str = "RS256") -> str:
    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    signature = key.sign(".".join(parts).encode(), PKCS1v15(), SHA256())
    return ".".join([*parts, encoded(signature)])


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwt_site(key: Any = KEY) -> Any:
    return site(vp={"auth": "jwt", "jwt_key": pem_of(key)})


async def hub(it: Site, text: str, scheme: str = "Bearer") -> int:
    return (await it.ask("/sso/hub/", headers={"Authorization": f"{scheme} {text}"})).status


async def test_a_good_token_opens_a_session() -> None:
    async with jwt_site() as it:
        assert await hub(it, token({**KIM, "exp": it.clock.now + 60})) == 200
        assert it.node.sessions("sso")[0].owner == ("JWT", "kim")


async def test_without_a_token_nobody_is_logged_in() -> None:
    async with jwt_site() as it:
        assert (await it.ask("/sso/hub/")).status == 302
        assert await hub(it, "dXNlcjpwYXNz", "Basic") == 302


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        "a.b.c",
        token(KIM)[:-8] + "AAAAAAAA",
        token(KIM, generate_rsa_key(65537, 2048)),
        token(KIM, algorithm="none"),
        token({"userId": "kim"}),
        token([]),
        token({**KIM, "exp": 1}),
    ],
)
async def test_a_bad_token_is_a_bare_400(bad: str) -> None:
    async with jwt_site() as it:
        assert await hub(it, bad) == 400
        assert it.node.sessions("sso") == []


async def test_a_key_that_is_not_rsa_verifies_nothing() -> None:
    async with jwt_site(generate_private_key(SECP256R1())) as it:
        assert await hub(it, token(KIM)) == 400


async def test_tokens_mean_nothing_elsewhere() -> None:
    async with site() as it:
        assert await hub(it, "x") == 302
