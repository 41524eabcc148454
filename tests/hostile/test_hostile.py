"""The corpus of heads against the readers alone: what is refused, and what Qlik gets of the rest. No sockets."""

import pytest
from hostile.corpus import Case, cases

from qproxy import headers
from qproxy.errors import Refused
from qproxy.forwarding.body import BadChunk, ChunkReader
from qproxy.forwarding.head import HEAD_END, read_request, write_request
from qproxy.headers import CHUNKED, RequestHead

HOST = "bi.example"
CASES = cases()
REFUSED = [case for case in CASES if case.kind == "head"]
FORWARDED = [case for case in CASES if case.kind == "forward"]
IN_BODY = [case for case in CASES if case.kind == "body"]


def taken_apart(case: Case) -> tuple[bytes, bytes]:
    """The head and what follows it, as a connection cuts them; the head is empty where it has no end."""
    raw = case.request(HOST)
    while raw.startswith(b"\r\n"):
        raw = raw[2:]
    head, end, rest = raw.partition(HEAD_END)
    return (head + end, rest) if end else (b"", raw)


def read(case: Case) -> tuple[RequestHead, bytes]:
    head, rest = taken_apart(case)
    return read_request(head), rest


def test_the_corpus_is_large() -> None:
    assert len(REFUSED) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_hostile_head_is_refused(case: Case) -> None:
    head, rest = taken_apart(case)
    if not head:
        assert rest.count(b"\n") != rest.count(b"\r\n")
        return
    with pytest.raises(Refused) as caught:
        read_request(head)
    assert caught.value.failure.word in case.words
    assert caught.value.failure.status in case.statuses


@pytest.mark.parametrize("case", FORWARDED, ids=lambda case: case.name)
def test_a_good_head_reaches_qlik_like_this(case: Case) -> None:
    head, _ = read(case)
    assert write_request(head, headers.to_upstream(head, None, b"")) == case.upstream(HOST)


@pytest.mark.parametrize("case", IN_BODY, ids=lambda case: case.name)
def test_a_hostile_body_is_refused_behind_a_good_head(case: Case) -> None:
    head, rest = read(case)
    assert head.length == CHUNKED
    with pytest.raises(BadChunk):
        ChunkReader().feed(rest)


@pytest.mark.parametrize("case", FORWARDED, ids=lambda case: case.name)
def test_a_good_body_ends_where_it_should(case: Case) -> None:
    head, rest = read(case)
    if head.length != CHUNKED:
        assert len(rest) == head.length
        return
    chunks = ChunkReader()
    chunks.feed(rest)
    assert (chunks.done, chunks.rest) == (True, b"")
