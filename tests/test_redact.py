"""Secrets are taken out of addresses and free text, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.model import new_session_id, short_hash
from qproxy.observe.redact import HIDDEN, Secrets, redact_target, short_session

PLAIN = [
    "/hub/",
    "/sense/app/0f5f6f1c-2b0c-4f2c-8d0b-9fb1b4d5a1c2/sheet/abc/state/analysis",
    "/app/%3Ftransient%3D/identity/id%201/ttl/60?reloadUri=https%3A%2F%2Fqlik.example%2Fsense%2Fapp%2Fx",
    "/resources/a.js?version=12&x=%20",
    "/%",
    "*",
]
HIDING = {
    "/hub/?qlikTicket=CANARY": "/hub/?qlikTicket=***",
    "/hub/?QLIKTICKET=CANARY&a=1": "/hub/?QLIKTICKET=***&a=1",
    "/app/x?qlik-csrf-token=CANARY%2B/==": "/app/x?qlik-csrf-token=***",
    "/x?Xrfkey=CANARY;a=b": "/x?Xrfkey=***;a=b",
    "/cb?code=CANARY&state=CANARY#id_token=CANARY": "/cb?code=***&state=***#id_token=***",
    "/x?qlik%54icket=CANARY": "/x?qlik%54icket=***",
    "/x?qlik%2554icket=CANARY": "/x?qlik%2554icket=***",
    "/x?+Access_Token+=CANARY": "/x?+Access_Token+=***",
    "/x?token[]=CANARY": "/x?token[]=***",
    "/login?next=%2Fhub%3FqlikTicket%3DCANARY": "/login?next=***",
    "/login?next=%252Fhub%253FqlikTicket%253DCANARY": "/login?next=***",
    "/login%3FqlikTicket%3DCANARY": "/login***",
    "/x?targetId=CANARY&password=CANARY": "/x?targetId=***&password=***",
    "/x;session=CANARY/y": "/x;session=***",
}


@pytest.mark.parametrize("target", PLAIN)
def test_a_target_without_secrets_is_shown_as_it_came(target: str) -> None:
    assert redact_target(target) == target


@pytest.mark.parametrize("target", HIDING)
def test_a_secret_in_a_target_is_hidden(target: str) -> None:
    assert redact_target(target) == HIDING[target]


def test_a_long_target_is_redacted_too() -> None:
    assert redact_target("/x?" + "a=b&" * 500 + "token=CANARY").endswith("&token=***")


@given(st.text(), st.sampled_from(["qlikTicket", "qlik-csrf-token", "CODE", "access%5Ftoken"]))
def test_no_neighbour_uncovers_a_secret(text: str, name: str) -> None:
    assert "CANARY" not in redact_target(f"/x?{text}&{name}=CANARY")


TEXTS = [
    "Cookie: X-Qlik-Session=CANARY; b=CANARY",
    "sent Set-Cookie: X-Qlik-Session-sso=CANARY; Path=/",
    "{'Cookie': 'a=CANARY', 'Host': 'x'}",
    "b'GET / HTTP/1.1\\r\\nCookie: CANARY\\r\\n'",
    "authorization: Bearer CANARYCANARYCANARY",
    "tried Basic CANARYCANARYCANARY== in vain",
    "GET /hub?qlikTicket=CANARY&x=1 failed",
    "redirect to https%3A%2F%2Fx%3FqlikTicket%3DCANARY",
    "password='CANARY'",
    '{"access_token": "CANARY"}',
    "GET /session-module/sales/session/CANARY HTTP/1.1",
    "X-Qlik-Session-sso=CANARY",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_in_free_text_is_hidden(text: str) -> None:
    scrubbed = Secrets().scrub(text)
    assert "CANARY" not in scrubbed
    assert HIDDEN in scrubbed


@pytest.mark.parametrize(
    "text",
    ["listening on 127.0.0.1:443", "state=ready code=78", "Basic authentication is off", "the token of sales", "é"],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Secrets().scrub(text) == text


def test_a_session_id_becomes_its_short_hash() -> None:
    session_id = new_session_id()
    assert Secrets().scrub(f"session {session_id} ended") == f"session #{short_hash(session_id)} ended"


def test_a_secret_that_was_handed_in_is_hidden() -> None:
    secrets = Secrets(cap=2)
    for value in ("forgotten-one", "32a4fbed-676d", "second-one", "ab"):
        secrets.learn(value)
    assert secrets.scrub("x 32a4fbed-676d second-one ab forgotten-one") == "x *** *** ab forgotten-one"


def test_an_address_within_an_address_within_an_address_is_looked_into() -> None:
    assert redact_target("/x?a=%25252525") == "/x?a=%25252525"
    assert redact_target("/x?a=%25253Ftoken%25253DCANARY") == "/x?a=***"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("session", "32a4fbed-676d-47f9", short_hash("32a4fbed-676d-47f9")),
        ("session", "0123abcd", "0123abcd"),
        ("password", "x", HIDDEN),
        ("Access_Token", ["x"], HIDDEN),
        ("count", 3, 3),
        ("what", None, None),
        ("seen", ["Cookie: a", 1], ["Cookie: ***", 1]),
    ],
)
def test_a_field_is_shown_by_its_name(name: str, value: object, shown: object) -> None:
    assert Secrets().scrub_field(name, value) == shown


def test_a_session_is_never_shown_in_full() -> None:
    assert short_session("-") == "-"
    assert short_session("nine-char") == short_hash("nine-char")
