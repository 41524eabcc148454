"""LDAP as a language: encodings, filters, names and verdicts, without a directory."""

import base64
import contextlib
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from ldap_fake import ber, read

from qproxy.ldap import messages
from qproxy.ldap.ber import BadBer, Reader, head, integer, octets, tlv
from qproxy.ldap.filters import BadFilter, Filter, any_of, parse_filter
from qproxy.ldap.messages import PASSWORD_POLICY, Entry, Reference, Result, Search
from qproxy.ldap.names import check_pattern, escape_dn, filled, is_dn, read_name, text_form
from qproxy.ldap.verdicts import Outcome, explained, verdict

PLACES = frozenset({"name", "account", "domain"})
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
HARD = st.text("()*\\&|!=<>~:;,{}\0 a1é", max_size=12)
AD = "(&(objectCategory=person)(objectClass=user)(sAMAccountName={account}))"


def taken_apart(data: bytes) -> Any:
    """Filters nest in tags with bit 6; all else is a value."""
    tag, value, end = read(data)
    assert end == len(data)
    if not tag & 0x20:
        return tag, value
    parts, at = [], 0
    while at < len(value):
        end = read(value, at)[2]
        parts.append(taken_apart(value[at:end]))
        at = end
    return tag, parts


def parsed(text: str) -> Filter:
    return parse_filter(text, PLACES)


def encoded(text: str, **filled_in: str) -> Any:
    return taken_apart(parsed(text).encoded(filled_in))


# --- filters ---


@given(TEXT | HARD)
def test_no_name_changes_the_filter(name: str) -> None:
    def around(value: bytes) -> Any:
        category = (0xA3, [(4, b"objectCategory"), (4, b"person")])
        user = (0xA3, [(4, b"objectClass"), (4, b"user")])
        return 0xA0, [category, user, (0xA3, [(4, b"sAMAccountName"), (4, value)])]

    assert encoded(AD, account=name) == around(name.encode())


@given(HARD)
def test_a_name_between_stars_stays_one_value(name: str) -> None:
    assert encoded("(cn=a*{name}*)", name=name)[1][1] == (
        0x30,
        [(0x80, b"a"), *([(0x81, name.encode())] if name else [])],
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(uid=anna)", (0xA3, [(4, b"uid"), (4, b"anna")])),
        ("(cn=*)", (0x87, b"cn")),
        ("(cn=a*b*c)", (0xA4, [(4, b"cn"), (0x30, [(0x80, b"a"), (0x81, b"b"), (0x82, b"c")])])),
        ("(cn=*b)", (0xA4, [(4, b"cn"), (0x30, [(0x82, b"b")])])),
        ("(cn=\\2a\\28)", (0xA3, [(4, b"cn"), (4, b"*(")])),
        ("(n>=1)", (0xA5, [(4, b"n"), (4, b"1")])),
        ("(n<=1)", (0xA6, [(4, b"n"), (4, b"1")])),
        ("(n~=1)", (0xA8, [(4, b"n"), (4, b"1")])),
        ("(!(a=b))", (0xA2, [(0xA3, [(4, b"a"), (4, b"b")])])),
        ("(|(a=b)(c=))", (0xA1, [(0xA3, [(4, b"a"), (4, b"b")]), (0xA3, [(4, b"c"), (4, b"")])])),
        ("(cn;lang-de=x)", (0xA3, [(4, b"cn;lang-de"), (4, b"x")])),
        ("(m:1.2.3:=x)", (0xA9, [(0x81, b"1.2.3"), (0x82, b"m"), (0x83, b"x"), (0x84, b"\x00")])),
        ("(o:dn:=x)", (0xA9, [(0x82, b"o"), (0x83, b"x"), (0x84, b"\xff")])),
        ("(:dn:2.4.6:=x)", (0xA9, [(0x81, b"2.4.6"), (0x83, b"x"), (0x84, b"\xff")])),
    ],
)
def test_a_filter_is_sent_as_rfc_4515_says(text: str, wanted: object) -> None:
    assert encoded(text) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "parenthesis at character 1"),
        ("uid=anna", "parenthesis at character 1"),
        ("(uid=anna", "not closed"),
        ("(&(a=b)", "not closed"),
        ("(uid=anna))", "goes on"),
        ("(&)", "filters in parentheses"),
        ("(!(a=b)(c=d))", "one filter after each !"),
        ("(uid)", "comparison that is none"),
        ("(=x)", "comparison that is none"),
        ("(u id=x)", "comparison that is none"),
        ("(a=**)", "two stars"),
        ("(a>=*)", "only after ="),
        ("(a:=*)", "no \\* after :="),
        ("(a=\\zz)", r"must write '\\\\' as \\5c"),
        ("(a={)", "must write '{'"),
        ("(a={user})", "nobody fills"),
        ("(!" * 30 + "(a=b)" + ")" * 30, "deeper"),
    ],
)
def test_a_filter_that_is_none_says_why(text: str, why: str) -> None:
    with pytest.raises(BadFilter, match=why):
        parsed(text)


@given(TEXT | HARD)
def test_any_text_is_a_filter_or_says_why_not(text: str) -> None:
    with contextlib.suppress(BadFilter):
        assert taken_apart(parsed(text).encoded(dict.fromkeys(PLACES, "")))


def test_a_filter_knows_its_places_and_its_text() -> None:
    assert parsed("(|(a={name})(b=*{domain}*))").places == {"name", "domain"}
    assert str(parsed("(a=b)")) == "(a=b)"


def test_one_of_several_values() -> None:
    one, two = ((0xA3, [(4, b"member"), (4, value)]) for value in (b"a", b"b"))
    assert taken_apart(any_of("member", ("a", "b"))) == (0xA1, [one, two])


# --- names ---


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60) | HARD.filter(bool))
def test_no_name_changes_a_distinguished_name(name: str) -> None:
    dn = filled("L={account},DC=acme", name.replace("\0", " "))
    assert dn is not None
    [domain, place] = x509.Name.from_rfc4514_string(dn.replace("\0", "\\00"))
    assert (place.value, domain.value) == (name.replace("\0", " "), "acme")


def test_a_nul_is_escaped() -> None:
    assert escape_dn("a\0b") == "a\\00b"


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("anna", "anna"),
        (" anna ", "anna"),
        ("ACME\\anna", "anna"),
        ("acme\\anna", "anna"),
        ("anna@acme.example", "anna"),
        ("a@b@acme.example", "a@b"),
    ],
)
def test_a_name_with_a_known_domain_is_an_account(text: str, account: str) -> None:
    typed = read_name(text, frozenset({"acme", "acme.example"}))
    assert typed is not None
    assert (typed.account, typed.name) == (account, text.strip())


@pytest.mark.parametrize(
    "text", ["", " ", "OTHER\\anna", "anna@other.example", "ACME\\", "@acme", "a\n", "x" * 257, "\ud800", "\0"]
)
def test_what_is_no_name_here_is_none(text: str) -> None:
    assert read_name(text, frozenset({"acme"})) is None


def test_without_domains_a_name_is_taken_as_it_is() -> None:
    typed = read_name("anna@acme.example", frozenset())
    assert typed is not None
    assert typed.account == "anna@acme.example"


@pytest.mark.parametrize("pattern", ["{account}@acme.example", "ACME\\{account}", "uid={account},ou=a b,dc=acme"])
def test_a_pattern_is_a_windows_name_or_a_distinguished_name(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    ["", "anna", "{account}", "{name}@x", "{account}{account}@x", "uid={account},", "x{account}=y,", "{account}}@x"],
)
def test_another_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="must "):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("text", "good"), [("dc=acme,dc=example", True), ("OU=a\\,b, DC=x", True), ("acme", False), ("", False)]
)
def test_a_distinguished_name_has_its_shape(text: str, good: bool) -> None:
    assert is_dn(text) is good


@pytest.mark.parametrize(
    ("attribute", "value", "text"),
    [
        ("mail", b"a@b", "a@b"),
        ("street", b"one\r\ntwo", "one\r\ntwo"),
        ("photo", b"\xff\x00", base64.b64encode(b"\xff\x00").decode()),
        ("odd", b"\x01\x02", base64.b64encode(b"\x01\x02").decode()),
        ("OBJECTGUID", bytes(range(16)), "03020100-0504-0706-0809-0a0b0c0d0e0f"),
        ("objectGUID", b"short", "short"),
        ("objectSid", bytes([1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]), "S-1-5-18"),
        ("objectSid", b"\x01\x02\x03", base64.b64encode(b"\x01\x02\x03").decode()),
    ],
)
def test_values_become_text(attribute: str, value: bytes, text: str) -> None:
    assert text_form(attribute, value) == text


# --- encodings and messages ---


@given(st.integers(-(2**62), 2**62))
def test_numbers_come_back(value: int) -> None:
    assert Reader(integer(value)).integer() == value


@given(st.binary(max_size=70_000))
def test_values_come_back(value: bytes) -> None:
    assert Reader(octets(value)).value(4) == value
    assert tlv(4, value)[-len(value) or len(value) + 9 :] == value


@pytest.mark.parametrize(
    "data",
    [b"\x1f\x01a", b"\x30\x80", b"\x30\x85\x00\x00\x00\x00\x01", b"\x02\x00", b"\x02\x09" + b"\1" * 9, b"\x04\x05a"],
)
def test_what_ldap_does_not_allow_is_refused(data: bytes) -> None:
    with pytest.raises(BadBer):
        Reader(data).integer()


def test_a_tag_of_several_bytes_is_refused() -> None:
    with pytest.raises(BadBer, match="tag"):
        head(b"\x1f\x81\x01")


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x82\x01"])
def test_a_head_that_is_not_whole_yet_waits(data: bytes) -> None:
    assert head(data) is None


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_message_or_refused(data: bytes) -> None:
    for wrapped in (data, ber(0x30, ber(2, b"\x01"), data), ber(0x30, ber(2, b"\x01"), ber(0x64, data))):
        with contextlib.suppress(BadBer):
            messages.message(wrapped)


def message(*parts: bytes) -> messages.Message:
    return messages.message(ber(0x30, ber(2, b"\x07"), *parts))


def test_a_result_comes_with_its_controls() -> None:
    control = ber(0x30, ber(4, b"1.2"), ber(1, b"\xff"), ber(4, b"v"))
    found = message(ber(0x61, ber(0x0A, b"\x31"), ber(4), ber(4, b"no")), ber(0xA0, control, ber(0x30, ber(4, b"1.3"))))
    assert (found.number, found.body) == (7, Result(49, "no", {"1.2": b"v", "1.3": b""}))


def test_an_entry_joins_the_parts_of_an_attribute() -> None:
    parts = [ber(0x30, ber(4, name), ber(0x31, ber(4, name))) for name in (b"cn", b"cn;lang-de", b"member;range=0-9")]
    found = message(ber(0x64, ber(4, b"dc=x"), ber(0x30, *parts)))
    assert found.body == Entry("dc=x", {"cn": (b"cn", b"cn;lang-de"), "member": (b"member;range=0-9",)}, ("member",))


def test_a_distinguished_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(BadBer, match="UTF-8"):
        message(ber(0x64, ber(4, b"\xff"), ber(0x30)))


def test_references_and_other_messages_are_told_apart() -> None:
    assert message(ber(0x73, ber(4, b"ldap://x"))).body == Reference()
    assert message(ber(0x79)).body is None


def test_a_search_asks_for_one_more_than_it_wants_and_for_no_aliases() -> None:
    tag, value, _ = read(read(messages.search(1, Search("dc=x", octets("cn", 0x87), ("cn",), most=5)))[1], 3)
    assert (tag, value[:18]) == (0x63, b"\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x06\x02\x01\x05")


# --- verdicts ---


def policy(value: bytes, code: int = 49) -> Result:
    return Result(code, "", {PASSWORD_POLICY: value})


@pytest.mark.parametrize(
    ("result", "outcome", "word"),
    [
        (Result(0), "right", ""),
        (Result(49), "wrong", ""),
        (Result(49, "AcceptSecurityContext error, data 773, v1"), "denied", "ldap_must_change_password"),
        (Result(0, "AcceptSecurityContext error, data 773, v1"), "right", ""),
        (Result(53, "AcceptSecurityContext error, data 773, v1"), "wrong", ""),
        (Result(49, "data 773"), "wrong", ""),
        (policy(ber(0x30, ber(0x81, b"\x00"))), "denied", "ldap_password_expired"),
        (
            policy(ber(0x30, ber(0xA0, ber(0x80, b"\x01")), ber(0x81, b"\x02")), 0),
            "denied",
            "ldap_must_change_password",
        ),
        (policy(ber(0x30, ber(0x81, b"\x01"))), "wrong", ""),
        (policy(ber(0x30, ber(0xA0, ber(0x81, b"\x03"))), 0), "right", ""),
        (policy(b"\xff"), "wrong", ""),
        (Result(52), "broken", ""),
    ],
)
def test_a_verdict(result: Result, outcome: str, word: str) -> None:
    found = verdict(result)
    assert (found.outcome, found.word) == (Outcome(outcome), word)


def test_what_the_directory_said_is_one_line_in_the_log() -> None:
    assert explained(Result(53, "no\nway\x1b")) == "result 53 (unwilling): no way"
    assert explained(Result(4242)) == "result 4242 (?)"
