"""What addresses and bodies of the session module interface mean, without any socket."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.model import Attributes, Session, User
from qproxy.web.module_wire import BadCall, Call, has_control, read_call, read_posted, session_object

SALES = "/session-module/sales"
CALLS = {
    "/session/x": Call("sales", "session", ("x",)),
    "//session//x/": Call("sales", "session", ("x",)),
    "/SESSION/x": Call("sales", "session", ("x",)),
    "/session/x?xrfkey=0123456789abcdef": Call("sales", "session", ("x",)),
    "/session/%78?a=/b": Call("sales", "session", ("x",)),
    "/session/X%2fy": Call("sales", "session", ("X/y",)),
    "/session/%2541": Call("sales", "session", ("%41",)),
    "/session/a+b": Call("sales", "session", ("a+b",)),
    "/session/%zz": Call("sales", "session", ("%zz",)),
    "/session/..": Call("sales", "session", ("..",)),
    "/session": Call("sales", "sessions"),
    "/session/": Call("sales", "sessions"),
    "/User/SSO/j%40x.com": Call("sales", "user", ("SSO", "j@x.com")),
    "/user/SSO/a%2Fb/": Call("sales", "user", ("SSO", "a/b")),
    "/user/SSO/b%C3%B6": Call("sales", "user", ("SSO", "b\u00f6")),
    "": None,
    "/": None,
    "/session/x/y": None,
    "/user/SSO": None,
    "/user/SSO/a/b": None,
    "/users/SSO/a": None,
}


@pytest.mark.parametrize("path", CALLS)
def test_an_address_names_one_call_or_none(path: str) -> None:
    assert read_call(SALES + path) == CALLS[path]


@pytest.mark.parametrize("path", ["*", "http://x/session-module/sales/session/x", "/sales/session/x", ""])
def test_an_address_elsewhere_names_no_call(path: str) -> None:
    assert read_call(path) is None


@pytest.mark.parametrize(
    "path", ["/session/a%0Ab", "/session/%00", "/session/%7F", "/user/%C2%85/x", "/session/\udcff"]
)
def test_control_characters_and_broken_unicode_are_refused(path: str) -> None:
    with pytest.raises(BadCall, match=r"control character|UTF-8"):
        read_call(SALES + path)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4096))
def test_every_id_that_was_encoded_comes_back_as_it_was(session_id: str) -> None:
    assert read_call(f"{SALES}/session/{quote(session_id, safe='')}") == Call("sales", "session", (session_id,))


@given(st.text())
def test_no_path_breaks_the_reader(path: str) -> None:
    try:
        call = read_call(path)
    except BadCall:
        return
    assert call is None or not any(has_control(part) for part in call.parts)


@given(st.binary() | st.text().map(str.encode))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    with pytest.raises(BadCall):
        read_posted(body)


def test_what_is_told_can_be_posted() -> None:
    session = Session("id", "sales", User("SSO", "j\u00f6rg"), Attributes((("a", "1"), ("a", "2"))), 0, 0)
    posted = read_posted(str(session_object(session)).replace("'", '"').encode())
    assert (posted.id, posted.user, posted.attributes) == (session.id, session.user, session.attributes)
