"""Users, attributes and sessions: what Qlik would refuse, what is cut, and when a session is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.model import Attributes, End, Lifetime, Session, User, new_session_id, short_hash

LIFE = Lifetime(idle=100.0, absolute=1000.0)


def session(created: float = 0.0, last_seen: float = 0.0) -> Session:
    return Session("id-1", "sales", User("SALES", "ann"), Attributes(), created, last_seen)


@pytest.mark.parametrize(
    ("directory", "name"), [("", "ann"), (" ", "ann"), ("D", ""), ("D", "\t"), ("D\\E", "a"), ("D", "a\\b")]
)
def test_a_name_that_qlik_would_refuse_is_no_user(directory: str, name: str) -> None:
    with pytest.raises(ValueError, match="the user"):
        User(directory, name)


@given(st.integers(0, 31) | st.just(127))
def test_a_control_character_is_in_no_name(code: int) -> None:
    with pytest.raises(ValueError, match="control"):
        User("D", f"a{chr(code)}b")


def test_a_user_is_written_as_qlik_does() -> None:
    assert str(User("SALES", "Änn Ö")) == "SALES\\Änn Ö"


def test_attributes_repeat_their_name_for_each_value() -> None:
    attributes = Attributes.of({"group": ["a", "b"], "mail": "x"})
    assert attributes.pairs == (("group", "a"), ("group", "b"), ("mail", "x"))


def test_the_size_of_attributes_counts_bytes() -> None:
    assert Attributes((("g", "ä"), ("h", ""))).size == (1 + 2 + 3) + (1 + 0 + 3)


def test_what_fits_is_kept_and_what_does_not_is_named() -> None:
    attributes = Attributes((("a", "1"), ("b", "x" * 50), ("c", "2")))
    assert attributes.trimmed(10) == (Attributes((("a", "1"), ("c", "2"))), ("b",))


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=9))), st.integers(0, 60))
def test_trimmed_attributes_fit(pairs: list[tuple[str, str]], cap: int) -> None:
    kept, cut = Attributes(tuple(pairs)).trimmed(cap)
    assert kept.size <= cap
    assert len(kept.pairs) + len(cut) == len(pairs)


@pytest.mark.parametrize(
    ("created", "last_seen", "now", "end"),
    [
        (0.0, 0.0, 99.9, None),
        (0.0, 0.0, 100.0, End.IDLE),
        (0.0, 950.0, 999.9, None),
        (0.0, 950.0, 1000.0, End.ABSOLUTE),
        (0.0, 0.0, 1000.0, End.ABSOLUTE),
        (500.0, 500.0, 0.0, None),
    ],
)
def test_when_a_session_is_over(created: float, last_seen: float, now: float, end: End | None) -> None:
    assert session(created, last_seen).over(LIFE, now) is end


def test_a_session_is_never_seen_earlier_than_it_was() -> None:
    assert session(last_seen=10.0).seen(5.0).last_seen == 10.0
    assert session(last_seen=10.0).seen(15.0).last_seen == 15.0


def test_an_id_has_256_bits_and_is_never_the_same() -> None:
    ids = {new_session_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(one) for one in ids} == {43}


def test_a_session_shows_its_id_only_as_a_hash() -> None:
    assert session().short == short_hash("id-1")
    assert len(session().short) == 8
    assert "id-1" not in repr(session())


@pytest.mark.parametrize("why", End)
def test_a_word_of_a_store_is_the_end_that_it_names(why: End) -> None:
    assert End.of(why.value) is why


def test_an_end_that_a_newer_qproxy_knows_is_an_end_here_too() -> None:
    assert End.of("a word of next year") is End.LOGOUT
