"""The login flow's secrets: what they seal, whose token it is, and how a key is rotated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.auth.login_keys import LoginKeys

OLD, NEW = b"the old key of 16+ bytes", b"the new key of 16+ bytes"
KEYS = LoginKeys([OLD])


@given(st.binary(max_size=500), st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_is_sealed_is_read_again_and_fits_a_url(plain: bytes, bound: str) -> None:
    sealed = KEYS.seal(plain, bound)
    assert sealed.replace("-", "").replace("_", "").isalnum()
    assert KEYS.unseal(sealed, bound) == plain


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert KEYS.seal(b"x", "") != KEYS.seal(b"x", "")


def test_what_was_sealed_for_another_purpose_is_not_read() -> None:
    assert KEYS.unseal(KEYS.seal(b"x", "sales"), "finance") is None


@pytest.mark.parametrize(("letter", "alike"), ["-+", "_/"])
def test_only_one_text_is_what_was_sealed(letter: str, alike: str) -> None:
    sealed = next(text for text in (KEYS.seal(b"a path", "") for _ in range(1000)) if letter in text)
    assert KEYS.unseal(sealed, "") == b"a path"
    assert KEYS.unseal(sealed.replace(letter, alike), "") is None
    assert KEYS.unseal(f"{sealed}==", "") is None


@given(st.integers(0, 20), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    sealed = bytearray(KEYS.seal(b"a path", ""), "ascii")
    sealed[at] ^= change
    assert KEYS.unseal(sealed.decode("latin-1"), "") is None


@given(st.text(max_size=60))
def test_junk_is_not_read(text: str) -> None:
    assert KEYS.unseal(text, "") is None


def test_a_key_is_rotated_by_putting_a_new_one_in_front() -> None:
    sealed, token = KEYS.seal(b"x", ""), KEYS.token("cookie")
    both = LoginKeys([NEW, OLD])
    assert both.unseal(sealed, "") == b"x"
    assert both.is_token(token, "cookie")
    assert LoginKeys([NEW]).unseal(sealed, "") is None
    assert not LoginKeys([NEW]).is_token(token, "cookie")


def test_what_is_new_is_made_with_the_first_key() -> None:
    both = LoginKeys([NEW, OLD])
    assert LoginKeys([NEW]).unseal(both.seal(b"x", ""), "") == b"x"
    assert LoginKeys([NEW]).is_token(both.token("cookie"), "cookie")


@pytest.mark.parametrize("bound", [("a", "bc"), ("abc",), ("ab", "c", ""), ("c", "ab")])
def test_a_token_is_good_for_exactly_its_texts(bound: tuple[str, ...]) -> None:
    assert KEYS.is_token(KEYS.token("ab", "c"), "ab", "c")
    assert not KEYS.is_token(KEYS.token("ab", "c"), *bound)


@pytest.mark.parametrize("token", ["", "0" * 64, "\N{SNOWMAN}", "\ud800"])
def test_junk_is_no_token(token: str) -> None:
    assert not KEYS.is_token(token, "ab", "c")


@pytest.mark.parametrize("secrets", [[], [b"short"], [NEW, b""]])
def test_without_a_key_worth_the_name_there_is_no_login(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        LoginKeys(secrets)
