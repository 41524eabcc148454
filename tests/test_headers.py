"""Which header lines cross, by name, spelling and place."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qproxy import headers
from qproxy.errors import Failure, Refused
from qproxy.headers import REQUEST_RULES, FieldBlock, FieldMemo, RequestHead, Rule

IDENTITY = [name for name, rule in REQUEST_RULES.items() if rule == Rule.DROP]
FAMILY = [b"x-forwarded-client-cert", b"x-forwarded-uri", b"x-forwarded-anything-new", b"x-qproxy-client"]
KEPT = [b"X-Qlik-Xrfkey: 0123456789abcdef", b"X-Qlik-Session: 5c1f", b"qlik-csrf-token: T+/==", b"Accept: */*"]
ONCE = [b"Host", b"Content-Length", b"Origin", b"Sec-WebSocket-Key", b"Sec-WebSocket-Version", b"Authorization"]
PROTECTED = [b"host", b"cookie", b"authorization", b"origin", b"x-qlik-xrfkey", b"x-qlik-anything", b"x-forwarded-for"]


def head_of(*lines: bytes, websocket: bool = False) -> RequestHead:
    passed, named = headers.sort_request(lines)
    head = RequestHead(b"GET", b"/", FieldBlock(1, headers.whole(passed), named))
    head.websocket = websocket
    return head


def mixed_case(name: bytes, upper: list[bool]) -> bytes:
    text = name.decode()
    return "".join(c.upper() if up else c for c, up in zip(text, upper, strict=False)).encode() + name[len(upper) :]


# --- towards Qlik ---


@pytest.mark.parametrize("name", IDENTITY + FAMILY)
def test_a_name_that_claims_an_identity_is_dropped(name: bytes) -> None:
    assert headers.sort_request([name + b": INTERNAL\\sa_repository"]) == ([], {})


@given(
    st.sampled_from(IDENTITY + FAMILY), st.lists(st.booleans(), max_size=30), st.sampled_from([b":", b": ", b":\t "])
)
def test_no_spelling_of_an_identity_name_crosses(name: bytes, upper: list[bool], colon: bytes) -> None:
    line = mixed_case(name, upper) + colon + b"x"
    assert headers.sort_request([line, b"Accept: a", line])[0] == [b"Accept: a"]


@pytest.mark.parametrize(
    "name", [b"X_Qlik_User", b"X.Qlik.User", b"X-Qlik-User ", b" X-Qlik-User", b"X-Q\xc5\xbflik", b""]
)
def test_a_name_that_another_program_could_read_as_a_protected_one_is_refused(name: bytes) -> None:
    with pytest.raises(Refused) as caught:
        headers.sort_request([name + b": x"])
    assert caught.value.failure is Failure.BAD_REQUEST


@pytest.mark.parametrize("line", [b"no colon", b"", b"a b: c", b"\tfolded: x", b"(x): y", b'"x": y', b"a\0b: c"])
def test_a_line_that_is_no_field_is_refused(line: bytes) -> None:
    with pytest.raises(Refused):
        headers.sort_request([line])


@pytest.mark.parametrize("line", KEPT)
def test_what_qlik_clients_need_crosses_as_it_came(line: bytes) -> None:
    assert headers.sort_request([line])[0] == [line]


def test_what_is_dropped_is_kept_apart_byte_for_byte() -> None:
    dropped: list[bytes] = []
    lines = [b"A: 1", b"Remote-User: ann", b"Cookie: a=1", b"X-Forwarded-User:  bob", b"remote-user: eve"]
    assert headers.sort_request(lines, dropped)[0] == [b"A: 1"]
    assert dropped == [lines[1], lines[3], lines[4]]


def test_of_dropped_lines_only_those_that_are_asked_for_are_given() -> None:
    block = headers.whole([b"Remote-User: ann", b"X-Real-IP: 10.1.1.1", b"REMOTE-USER: bob"])
    assert headers.lines_named(block, {b"remote-user"}) == [b"Remote-User: ann", b"REMOTE-USER: bob"]
    assert headers.lines_named(block, frozenset()) == headers.lines_named(b"", {b"remote-user"}) == []


def test_repeated_lines_keep_their_order_and_bytes() -> None:
    lines = [b"A: 1", b"a:2 ", b"A:  3"]
    assert headers.sort_request(lines)[0] == lines


@pytest.mark.parametrize("name", ONCE)
def test_a_field_that_may_stand_once_is_refused_twice(name: bytes) -> None:
    with pytest.raises(Refused):
        headers.sort_request([name + b": 1", name.lower() + b": 1"])


def test_cookie_lines_are_joined_as_one() -> None:
    assert headers.sort_request([b"Cookie: a=1", b"COOKIE:b=2"]) == ([], {b"cookie": b"a=1; b=2"})


def test_lists_are_joined_with_commas() -> None:
    _, named = headers.sort_request([b"X-Forwarded-For: 1.1.1.1", b"Connection: close", b"X-Forwarded-For: 2.2.2.2"])
    assert named == {b"x-forwarded-for": b"1.1.1.1, 2.2.2.2", b"connection": b"close"}


def test_framing_lines_never_cross() -> None:
    lines = [
        b"Content-Length: 1",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Upgrade: h2c",
        b"TE: trailers",
    ]
    assert headers.sort_request([*lines, b"HTTP2-Settings: A", b"Keep-Alive: 1", b"Trailer: X", b"Expect: x"])[0] == []


# --- Connection ---


def test_a_line_that_connection_names_stays_here() -> None:
    assert headers.nominated(b"X-Once, keep-alive") == {b"x-once"}
    assert headers.without_named([b"X-Once: 1", b"x-once: 2", b"X-Other: 3"], {b"x-once"}) == [b"X-Other: 3"]


@pytest.mark.parametrize("value", [b"close", b"keep-alive, Upgrade", b" , ,", b""])
def test_connection_words_of_its_own_nominate_nothing(value: bytes) -> None:
    assert headers.nominated(value) == frozenset()


@pytest.mark.parametrize("name", PROTECTED)
def test_connection_may_not_take_a_protected_header_away(name: bytes) -> None:
    with pytest.raises(Refused):
        headers.nominated(b"close,\t" + name.upper())


# --- what QPS gets ---


def test_authorization_crosses_on_a_request() -> None:
    assert headers.to_upstream(head_of(b"Authorization: Bearer x"), None, b"") == b"Authorization: Bearer x\r\n"


def test_authorization_stays_here_on_an_upgrade() -> None:
    head = head_of(b"Authorization: Bearer x", b"Origin: https://a", websocket=True)
    assert headers.to_upstream(head, None, b"") == b"Origin: https://a\r\n"


def test_an_upgrade_without_authorization_keeps_its_lines() -> None:
    assert headers.to_upstream(head_of(b"Origin: https://a", websocket=True), None, b"") == b"Origin: https://a\r\n"


def test_the_cookie_is_the_one_that_was_decided_on() -> None:
    assert headers.to_upstream(head_of(b"Cookie: a=1"), b"b=2", b"") == b"Cookie: b=2\r\n"
    assert headers.to_upstream(head_of(b"Cookie: a=1"), None, b"") == b""


def test_names_of_a_virtual_proxy_are_stripped_too() -> None:
    assert headers.to_upstream(head_of(b"Hdr-Usr: admin", b"A: 1"), None, b"", (b"hdr-usr",)) == b"A: 1\r\n"


def test_forwarded_lines_are_added_once() -> None:
    head = head_of(b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-Host: evil", b"Forwarded: for=6.6.6.6")
    lines = headers.forwarded_lines("1.2.3.4", "https", "bi.example")
    assert headers.to_upstream(head, None, lines).splitlines() == [
        b"X-Forwarded-For: 1.2.3.4",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: bi.example",
    ]


def test_a_trusted_chain_is_continued() -> None:
    assert headers.forwarded_lines("::1", "http", "h", b"9.9.9.9").startswith(b"X-Forwarded-For: 9.9.9.9, ::1\r\n")


# --- towards the browser ---


def test_set_cookie_lines_are_kept_apart() -> None:
    passed, named, cookies = headers.sort_response([b"Set-Cookie: a=1; Path=/", b"ETag: x", b"set-cookie:b=2"])
    assert (passed, named, cookies) == ([b"ETag: x"], {}, [b"a=1; Path=/", b"b=2"])


def test_an_answer_loses_its_hop_by_hop_lines_and_alt_svc() -> None:
    lines = [
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: x",
        b"Alt-Svc: h3",
        b"Trailer: X",
        b"TE: x",
        b"Connection: close",
    ]
    assert headers.sort_response(lines)[0] == []


def test_an_answer_may_have_a_name_that_a_request_may_not() -> None:
    assert headers.sort_response([b"X_Odd.Name: 1"])[0] == [b"X_Odd.Name: 1"]


def test_the_accept_key_is_read_and_crosses() -> None:
    assert headers.sort_response([b"Sec-WebSocket-Accept: k"]) == (
        [b"Sec-WebSocket-Accept: k"],
        {b"sec-websocket-accept": b"k"},
        [],
    )


def test_two_locations_are_refused() -> None:
    with pytest.raises(Refused):
        headers.sort_response([b"Location: /a", b"Location: /b"])


def test_repeated_codings_are_joined_so_that_the_framing_rules_see_both() -> None:
    _, named, _ = headers.sort_response([b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"])
    assert named == {b"transfer-encoding": b"gzip, chunked"}


# --- the memo ---


def memo() -> FieldMemo:
    return FieldMemo(REQUEST_RULES, headers._NAME)


@pytest.mark.parametrize("line", [b"Cookie: s=1", b"Authorization: Basic x", b"Sec-WebSocket-Key: k"])
def test_a_secret_line_is_never_remembered(line: bytes) -> None:
    assert memo_after(line).known(line) is None


def test_a_plain_line_is_remembered() -> None:
    assert memo_after(b"Accept: a").known(b"Accept: a") == (Rule.READ, b"accept", b"a")


def test_a_long_line_is_not_remembered() -> None:
    line = b"A: " + b"x" * FieldMemo.LONGEST
    assert memo_after(line).known(line) is None


def memo_after(line: bytes) -> FieldMemo:
    fresh = memo()
    fresh.read(line)
    return fresh


def test_the_memo_stays_bounded() -> None:
    fresh = memo()
    for number in range(FieldMemo.CAPACITY * 2 + 1):
        fresh.read(b"A: %d" % number)
    assert len(fresh._lines) <= FieldMemo.CAPACITY


@given(st.binary(max_size=60))
@example(b"X-Forwarded-New: a")
@example(b"Cookie: a")
def test_a_line_means_the_same_each_time(line: bytes) -> None:
    fresh = memo()

    def reading() -> object:
        try:
            return fresh.read(line)
        except Refused as refused:
            return str(refused)

    assert reading() == reading()


def test_tokens_are_lower_case_and_never_empty() -> None:
    assert headers.tokens(b" Close ,,\tX-A,") == [b"close", b"x-a"]


def test_the_path_is_the_target_up_to_the_query() -> None:
    assert RequestHead(b"GET", b"/a%3Fb?c?d", FieldBlock(1, b"", {})).path == b"/a%3Fb"


def test_the_languages_that_a_browser_asks_for_are_found_in_lines_that_cross() -> None:
    lines = b"Accept: */*\r\nAccept-Language: de-CH,de;q=0.9\r\nX-Accept-Language: fr\r\naccept-language:\tsv\r\n"
    assert headers.accepted_languages(lines) == "de-CH,de;q=0.9, sv"
    assert headers.accepted_languages(b"Accept: */*\r\n") == ""
