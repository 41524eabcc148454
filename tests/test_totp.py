"""Codes of authenticator apps against the vectors of RFC 4226 and RFC 6238, and what is printed for people."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from qproxy.auth import qr, totp

KEY = base64.b32encode(b"12345678901234567890").decode()

# RFC 6238 appendix B, SHA-1; its codes have eight digits, of which the last six are ours.
TIMES = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
# RFC 4226 appendix D.
COUNTS = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]


@pytest.mark.parametrize(("now", "code"), TIMES.items())
def test_a_code_is_that_of_rfc_6238(now: int, code: str) -> None:
    assert totp.code_of(KEY, totp.step_at(now)) == code[-6:]


def test_codes_are_those_of_rfc_4226() -> None:
    assert [totp.code_of(KEY, step) for step in range(10)] == COUNTS


@pytest.mark.parametrize(("step", "drift"), [(98, None), (99, -1), (100, 0), (101, 1), (102, None)])
def test_a_code_counts_for_one_step_around_our_clock(step: int, drift: int | None) -> None:
    assert totp.drift_of(KEY, totp.code_of(KEY, step), 100 * totp.STEP + 7.5) == drift


@pytest.mark.parametrize(
    "typed", ["", " ", "75522", "7552240", "\ud800", "\uff17\uff15\uff15\uff12\uff12\uff14", "abcdef", "7" * 100_000]
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert totp.drift_of(KEY, typed, 0.0) is None


def test_a_code_may_be_typed_with_a_space() -> None:
    assert totp.drift_of(KEY, " 755 224 ", 0.0) == 0


def test_the_address_is_what_authenticator_apps_read() -> None:
    address = urlsplit(totp.address_of(KEY, "anna@example.com", "Sales: Qlik & more"))
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert address.path == "/Sales%20%20Qlik%20%26%20more:anna@example.com"
    assert parse_qs(address.query) == {
        "secret": [KEY], "issuer": ["Sales  Qlik & more"], "algorithm": ["SHA1"], "digits": ["6"], "period": ["30"],
    }  # fmt: skip
    assert "+" not in address.query


def test_every_key_is_new_and_has_160_bits() -> None:
    keys = {totp.new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(base64.b32decode(key)) for key in keys} == {20}


def test_recovery_codes_are_eight_and_all_different() -> None:
    codes = [code for _ in range(50) for code in totp.new_recovery_codes()]
    assert len(set(codes)) == 400
    assert {len(code.replace("-", "")) for code in codes} == {16}


@pytest.mark.parametrize("typed", ["abcd-efgh-ijkl-mnop", "ABCDEFGHIJKLMNOP", " abcd efgh ijkl mnop "])
def test_a_recovery_code_is_the_same_however_it_is_typed(typed: str) -> None:
    assert totp.recovery_hash(typed) == totp.recovery_hash("abcd-efgh-ijkl-mnop")
    assert totp.recovery_hash(typed) != totp.recovery_hash("abcd-efgh-ijkl-mnoo")


def test_a_picture_is_an_image_of_its_own_and_says_nothing_in_clear() -> None:
    picture = qr.as_image(totp.address_of(KEY, "anna", "Qlik Sense"))
    assert picture.startswith("data:image/svg+xml")
    assert KEY not in picture


def test_a_picture_for_the_terminal_is_a_square_of_lines() -> None:
    lines = qr.as_text("otpauth://totp/x").splitlines()
    assert len(lines) > 10
