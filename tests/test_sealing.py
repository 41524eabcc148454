"""Records leave the process sealed, and nothing that was not sealed for its place comes back in."""

import hmac
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from some_sessions import JOHN, MARY, START, a_key, a_session

from qproxy.model import User
from qproxy.sessions.records import Records
from qproxy.sessions.sealing import HEAD_BYTES, Marker, Sealer, derive
from qproxy.sessions.store import store_key

KEY = a_key()
SEALER = Sealer([KEY], "test")
SOME_KEYS = [a_key() for _ in range(4)]


def sealed_by_hand(fields: object, place: bytes) -> bytes:
    return Sealer([KEY], "session records").seal(json.dumps(fields).encode(), place)


# --- keys ---


def test_one_secret_gives_unrelated_keys_for_each_purpose() -> None:
    keys = {derive(KEY, "one"), derive(KEY, "two"), derive(a_key(), "one")}
    assert len(keys) == 3
    assert all(len(key) == 32 and key != KEY for key in keys)


def test_a_derived_key_is_hkdf_of_rfc_5869() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    extracted = hmac.digest(b"qproxy", secret, "sha256")
    assert derive(secret, "session records") == hmac.digest(extracted, b"session records\x01", "sha256")


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="at least 32 random bytes, this one has 8") as refused:
        derive(b"password", "one")
    assert "password" not in str(refused.value)


@pytest.mark.parametrize("made", [Sealer, Marker])
def test_no_key_at_all_is_refused(made: type[Sealer | Marker]) -> None:
    with pytest.raises(ValueError, match="at least one key"):
        made([], "test")


# --- sealing ---


@given(st.binary(max_size=500), st.binary(max_size=50))
def test_what_was_sealed_opens_at_its_place(plain: bytes, place: bytes) -> None:
    assert SEALER.open(SEALER.seal(plain, place), place) == plain


def test_the_same_record_is_never_sealed_alike() -> None:
    assert len({SEALER.seal(b"plain", b"here") for _ in range(100)}) == 100


def test_the_sealed_form_shows_nothing_of_the_record() -> None:
    assert b"plain" not in SEALER.seal(b"plain" * 10, b"here")


def test_a_record_that_was_moved_does_not_open() -> None:
    assert SEALER.open(SEALER.seal(b"plain", b"here"), b"there") is None


@pytest.mark.parametrize("at", [0, 1, 4, 5, 16, HEAD_BYTES, -1])
def test_a_record_with_one_changed_bit_does_not_open(at: int) -> None:
    damaged = bytearray(SEALER.seal(b"plain", b"here"))
    damaged[at] ^= 1
    assert SEALER.open(bytes(damaged), b"here") is None


@given(st.binary(max_size=100))
def test_no_bytes_make_opening_raise(noise: bytes) -> None:
    assert SEALER.open(noise, b"here") is None


def test_a_record_that_was_cut_off_anywhere_does_not_open() -> None:
    sealed = SEALER.seal(b"plain", b"here")
    assert [SEALER.open(sealed[:size], b"here") for size in range(len(sealed))] == [None] * len(sealed)


def test_a_key_of_another_purpose_does_not_open() -> None:
    assert Sealer([KEY], "other").open(SEALER.seal(b"plain", b"here"), b"here") is None


# --- rotation ---


def test_an_old_key_still_opens_and_the_new_one_seals() -> None:
    old, new = a_key(), a_key()
    before, between = Sealer([old], "test"), Sealer([new, old], "test")
    assert between.open(before.seal(b"plain", b"here"), b"here") == b"plain"
    assert Sealer([new], "test").open(between.seal(b"plain", b"here"), b"here") == b"plain"


def test_a_key_that_was_dropped_does_not_open() -> None:
    old, new = a_key(), a_key()
    assert Sealer([new], "test").open(Sealer([old], "test").seal(b"plain", b"here"), b"here") is None


def test_users_are_looked_for_under_every_key_and_written_under_the_first() -> None:
    old, new = a_key(), a_key()
    (before,) = Records([old]).user_marks("sales", JOHN)
    after = Records([new, old]).user_marks("sales", JOHN)
    assert after == [*Records([new]).user_marks("sales", JOHN), before]


@given(st.lists(st.sampled_from(SOME_KEYS), min_size=1), st.lists(st.sampled_from(SOME_KEYS), min_size=1))
def test_a_record_opens_exactly_where_its_key_is_in_the_list(sealing: list[bytes], opening: list[bytes]) -> None:
    sealed = Sealer(sealing, "test").seal(b"plain", b"here")
    assert Sealer(opening, "test").open(sealed, b"here") == (b"plain" if sealing[0] in opening else None)


@given(st.binary(max_size=100), st.binary(max_size=20), st.data())
def test_a_damaged_record_opens_nowhere(plain: bytes, place: bytes, data: st.DataObject) -> None:
    sealer = Sealer(SOME_KEYS, "test")
    sealed = sealer.seal(plain, place)
    at, change = data.draw(st.integers(0, len(sealed) - 1)), data.draw(st.integers(1, 255))
    assert sealer.open(sealed[:at] + bytes([sealed[at] ^ change]) + sealed[at + 1 :], place) is None
    assert sealer.open(sealed[:at], place) is None


def test_keys_can_be_exchanged_while_records_are_kept() -> None:
    old, new = a_key(), a_key()
    records, session, key = Records([old]), a_session("one"), store_key("sales", "one")
    sealed = records.seal(session, key)
    records.use_keys([new, old])
    assert records.open(sealed, key, session.last_seen) == session
    assert Records([new]).open(records.seal(session, key), key, session.last_seen) == session
    assert records.user_marks("sales", JOHN)[1] == Records([old]).user_marks("sales", JOHN)[0]


# --- what does not open is noticed ---


def test_what_does_not_open_is_counted_and_logged_without_content(caplog: pytest.LogCaptureFixture) -> None:
    sealer = Sealer([KEY], "test")
    sealer.open(b"secret bytes that are not a record", b"secret place")
    sealer.open(Sealer([a_key()], "test").seal(b"secret", b"here"), b"here")
    assert sealer.refused == 2
    assert "damaged or of another version" in caplog.text
    assert "sealed with a key that is not configured" in caplog.text
    assert "secret" not in caplog.text


def test_ten_thousand_records_of_a_wrong_key_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    sealer = Sealer([KEY], "test")
    for _ in range(10_000):
        sealer.open(b"noise", b"here")
    assert sealer.refused == 10_000
    assert len(caplog.records) == 14


def test_what_opens_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert SEALER.open(SEALER.seal(b"plain", b"here"), b"here")
    assert not caplog.records


# --- records of sessions ---


def test_a_session_comes_back_whole_with_the_last_seen_time_of_its_row() -> None:
    session, key = a_session("one"), store_key("sales", "one")
    records = Records([KEY])
    assert records.open(records.seal(session, key), key, START + 9) == session.seen(START + 9)


@pytest.mark.parametrize(
    "fields", [None, [], {}, {"id": "one"}, {"user": ["SSO"]}, "text", {"user": 1, "attributes": 2}]
)
def test_a_record_of_an_unknown_form_counts_as_not_there(fields: object) -> None:
    records = Records([KEY])
    assert records.open(sealed_by_hand(fields, b"place"), b"place", START) is None
    assert records.refused == 1


def test_the_mark_of_a_user_does_not_depend_on_case_but_on_everything_else() -> None:
    records = Records([KEY])
    assert records.user_marks("sales", User("sso", "JOHN")) == records.user_marks("sales", JOHN)
    others = [("hr", JOHN), ("sales", MARY), ("sales", User("SS", "Ojohn")), ("sales", User("SSO2", "john"))]
    assert all(records.user_marks(*other) != records.user_marks("sales", JOHN) for other in others)
