"""Access lines, application log and the object that joins them: nothing is forged, nothing leaks, nothing blocks."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from qproxy.errors import Failure
from qproxy.headers import FieldBlock, RequestHead
from qproxy.model import new_session_id
from qproxy.observe import LogTargets, Metrics, Observer, Secrets, access, log_no_more, log_to, verify_audit
from qproxy.observe.access import json_lines, text_lines
from qproxy.observe.lines import text_line
from qproxy.observe.sink import Sink, pieces
from qproxy.records import Record

CANARY = "CANARYcanary0123456789"
RECORD = Record(
    "203.0.113.7", 100.0, None, "r1", "", "sales", "SSO\\john", "0123abcd", status=200, bytes_out=512,
    first_byte=100.004, ended=100.0123, time=1_700_000_000.2623, node="10.0.0.1:443",
)  # fmt: skip
STRINGS = [one.name for one in fields(Record) if isinstance(getattr(RECORD, one.name), str)]


def head_of(method: bytes = b"GET", target: bytes = b"/hub/?qlikTicket=abc", **named: bytes) -> RequestHead:
    values = {name.encode().replace(b"_", b"-"): value for name, value in ({"host": b"qlik.example"} | named).items()}
    return RequestHead(method, target, FieldBlock(1, b"", values))


RECORD.head = head_of()
TUNNEL = replace(
    RECORD, websocket=True, status=101, close_code=1001, closed_by="upstream", failure=Failure.UPSTREAM_GONE
)


def observer(folder: Path, **targets: Any) -> Observer:
    names = {"access": str(folder / "access.log"), "audit": str(folder / "audit.log")} | targets
    return Observer(LogTargets(**names), Metrics(("sales",)), lambda: 1_700_000_000.25)


# --- access lines ---


def json_line(record: Record) -> str:
    """What is remembered from an earlier record must not show."""
    first, again = json_lines([record, replace(record)])
    assert first == again
    return first


def test_a_json_line_tells_the_whole_request() -> None:
    assert json.loads(json_line(RECORD)) == {
        "time": "2023-11-14T22:13:20.250Z", "id": "r1", "client": "203.0.113.7", "method": "GET",
        "host": "qlik.example", "target": "/hub/?qlikTicket=***", "protocol": "HTTP/1.1", "status": 200, "received": 0,
        "sent": 512, "seconds": 0.0123, "upstream": "10.0.0.1:443", "first_byte": 0.004, "vp": "sales",
        "user": "SSO\\john", "session": "0123abcd", "failure": "-", "blame": "-", "kind": "http", "agent": "-",
    }  # fmt: skip


def test_a_tunnels_line_says_who_closed_it() -> None:
    line = json.loads(json_line(TUNNEL))
    assert (line["close_code"], line["closed_by"], line["failure"], line["blame"]) == (
        1001, "upstream", "upstream_gone", "upstream",
    )  # fmt: skip
    assert json.loads(json_line(replace(TUNNEL, close_code=None)))["close_code"] is None


def test_a_text_line_reads_from_left_to_right() -> None:
    line = text_lines([TUNNEL])[0]
    assert line.startswith(
        '2023-11-14T22:13:20.250Z "203.0.113.7" "SSO\\\\john" "GET /hub/?qlikTicket=*** HTTP/1.1" 101 '
    )
    assert 'close=1001 closed_by="upstream"' in line


@given(
    st.sampled_from(STRINGS),
    st.text(st.characters()) | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
def test_no_text_of_a_stranger_ends_a_line_or_forges_one(name: str, text: str) -> None:
    record = replace(TUNNEL)
    setattr(record, name, text)
    stays_one_line(record)


@given(st.sampled_from(["method", "target", "host", "user_agent"]), st.binary())
def test_no_bytes_of_a_head_end_a_line_or_forge_one(name: str, raw: bytes) -> None:
    stays_one_line(replace(TUNNEL, head=head_of(**{name: raw})))


def stays_one_line(record: Record) -> None:
    assert isinstance(json.loads(json_line(record)), dict)
    for line in (json_line(record), *text_lines([record])):
        assert line[:-1].isprintable()
        assert line[:-1].isascii()
        assert line.endswith("\n")


def test_bytes_beyond_ascii_are_shown_as_latin_1() -> None:
    line = json.loads(json_line(replace(RECORD, head=head_of(target=b"/caf\xe9", user_agent=b"\xfc\x7f"))))
    assert (line["target"], line["agent"]) == ("/caf\xe9", "\xfc\x7f")


def test_a_request_without_a_readable_head_has_dashes() -> None:
    line = json.loads(json_line(Record("10.0.0.1", 5.0, failure=Failure.BAD_REQUEST, ended=5.5)))
    assert {line[name] for name in ("method", "host", "target", "protocol", "agent", "vp", "upstream", "user")} == {"-"}
    assert (line["client"], line["failure"], line["first_byte"]) == ("10.0.0.1", "bad_request", None)
    assert '"- - -"' in text_lines([Record("10.0.0.1", 5.0)])[0]


def test_a_request_that_never_ended_has_no_negative_duration() -> None:
    assert json.loads(json_line(Record("10.0.0.1", 5.0)))["seconds"] == 0


def test_the_browsers_address_is_logged_when_a_trusted_proxy_names_it() -> None:
    assert json.loads(json_line(Record("10.0.0.1", 5.0, client="192.0.2.9")))["client"] == "192.0.2.9"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_WHOS", 5)
    for number in range(50):
        record = replace(RECORD, user=f"U\\{number}", head=head_of(target=b"/x%d" % number))
        line = json.loads(json_line(record))
        assert (line["user"], line["target"]) == (f"U\\{number}", f"/x{number}")
        assert len(access._whos) <= 5


def test_a_long_target_is_cut_after_its_secrets_were_hidden() -> None:
    line = json.loads(
        json_line(replace(RECORD, head=head_of(target=b"/x?token=" + b"s" * 3000 + b"&a=" + b"b" * 3000)))
    )
    assert line["target"].startswith("/x?token=***&a=bbb")
    assert len(line["target"]) < 2100


def test_text_fields_are_quoted_unless_they_are_words() -> None:
    assert text_line({"a": "word_1", "b": "two words", "c": 3, "d": ["x"]}) == 'a=word_1 b="two words" c=3 d=["x"]'


# --- the sink ---


def test_lines_reach_the_file_and_close_writes_the_rest(tmp_path: Path) -> None:
    log = observer(tmp_path)
    for number in range(1000):
        log.access(replace(RECORD, request_id=str(number)))
    log.close()
    ids = [json.loads(line)["id"] for line in (tmp_path / "access.log").read_text().splitlines()]
    assert (ids, log.dropped) == ([str(number) for number in range(1000)], 0)


def test_lines_are_written_without_waiting_for_the_end(tmp_path: Path) -> None:
    log = observer(tmp_path)
    log.access(RECORD)
    wait_until(lambda: (tmp_path / "access.log").stat().st_size)
    log.close()
    assert b'"r1"' in (tmp_path / "access.log").read_bytes()


if sys.platform != "win32":
    import fcntl
    import termios

    def test_a_stuck_reader_costs_lines_and_no_time(tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        sink = Sink(str(tmp_path / "pipe"), lines=100)
        put_lines(sink, 100)
        wait_until(lambda: waiting_bytes(reader) == 16 * 4 * 1001)  # whole lines only in each page of 4 KB
        started = time.monotonic()
        put_lines(sink, 50_000)
        sink.close(within=0.01)
        assert time.monotonic() - started < 5
        assert (sink.refused, sink.lost) == (49_900, 200)
        os.close(reader)  # lets the stuck thread go
        wait_until(lambda: all(one.name != "access-log" for one in threading.enumerate()))

    def waiting_bytes(descriptor: int) -> int:
        return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)

    def put_lines(sink: Sink, count: int) -> None:
        for _ in range(count):
            sink.put(["x" * 1000 + "\n"])


def test_a_full_disk_drops_lines_says_so_once_and_counts_them(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink("/dev/full")
    for expected in (1, 2):
        sink.put(["line\n"])
        wait_until(lambda expected=expected: sink.dropped == expected)  # type: ignore[misc]
    sink.close()
    assert len(caplog.records) == 1
    assert "lines are dropped" in caplog.text


def test_a_disk_with_room_again_is_written_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink(str(tmp_path / "log"))
    with monkeypatch.context() as patch:
        patch.setattr("qproxy.observe.sink.write_all", tear)
        sink.put(["lost line\n"])
        wait_until(lambda: sink.lost)
    sink.put(["kept line\n"])
    sink.close()
    assert (tmp_path / "log").read_text() == "lost\nkept line\n"


def tear(descriptor: int, data: bytes) -> None:
    """A disk that is full in the middle of a line."""
    os.write(descriptor, data[:4])
    raise OSError(28, "No space left on device")


def test_a_rotated_log_is_opened_anew(tmp_path: Path) -> None:
    log = observer(tmp_path)
    (tmp_path / "access.log").rename(tmp_path / "access.log.1")
    log.reopen()
    wait_until((tmp_path / "access.log").exists)
    log.access(RECORD)
    log.close()
    assert (tmp_path / "access.log").stat().st_size > 0


def test_a_log_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        observer(tmp_path, access=str(tmp_path / "missing" / "access.log"))


def test_logs_that_are_off_cost_nothing_and_say_yes(tmp_path: Path) -> None:
    log = observer(tmp_path, access="off", audit="off")
    log.access(RECORD)
    assert log.audit("login") is True
    log.reopen()
    log.close()
    assert (list(tmp_path.iterdir()), log.dropped) == ([], 0)


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n")), st.integers(1, 64))
def test_a_pipe_gets_whole_lines_at_a_time_and_never_more_than_it_takes_at_once(lines: list[bytes], most: int) -> None:
    found = list(pieces(b"".join(lines), most))
    assert b"".join(found) == b"".join(lines)
    assert all(piece.endswith(b"\n") and (len(piece) <= most or piece.count(b"\n") == 1) for piece in found)


def test_stdout_takes_access_lines() -> None:
    code = (
        "from qproxy.observe import *;"
        "o = Observer(LogTargets(access='stdout', audit='off', form='text'), Metrics(), float);"
        "from qproxy.headers import *; from qproxy.records import Record;"
        "o.access(Record('c', 0.0, RequestHead(b'GET', b'/', FieldBlock(1, b'', {})))); o.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith('1970-01-01T00:00:00.000Z "c" "-" "GET / HTTP/1.1" 0 0 ')


def test_a_program_without_stdout_is_told_to_give_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    with pytest.raises(OSError, match="give the log a path"):
        Sink("stdout")


# --- the application log ---


@pytest.fixture(params=["json", "text"])
def stream(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    secrets = Secrets()
    secrets.learn(CANARY)
    written = io.StringIO()
    handler = log_to(secrets, request.param, "INFO", written)
    yield written
    log_no_more(handler)


@pytest.mark.parametrize(("form", "shown"), [("json", '"worker":2'), ("text", " worker=2 ")])
def test_an_application_line_names_the_worker(form: str, shown: str) -> None:
    written = io.StringIO()
    handler = log_to(Secrets(), form, stream=written, worker=2)
    logging.getLogger("qproxy.x").info("hello")
    log_no_more(handler)
    assert shown in written.getvalue()


def test_an_application_line_has_no_secret_and_no_second_line(stream: io.StringIO) -> None:
    logging.getLogger("qproxy.x").warning("Cookie: a=%s\nforged %s", "abc", CANARY)
    assert stream.getvalue().count("\n") == 1
    assert "Cookie: ***" in stream.getvalue()
    assert CANARY not in stream.getvalue()


@pytest.mark.error_log("failed")
def test_a_traceback_has_no_secret_either(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"bad {CANARY}")
    except ValueError:
        logging.getLogger("qproxy.x").exception("failed")
    assert "ValueError: bad ***" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


# --- secrets in every field ---


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_log_shows_a_canary(tmp_path: Path, stream: io.StringIO, form: str) -> None:
    log, session_id = observer(tmp_path, form=form), new_session_id()
    for name in ("qlikTicket", "qlik-csrf-token", "xrfkey", "targetId", "state", "code", "id_token", "password"):
        target = f"/x?{name}={CANARY}&next=%2F%3F{name}%3D{CANARY}".encode()
        log.access(replace(RECORD, head=head_of(target=target), session=session_id))
        log.audit("login", **{name: CANARY}, session=session_id, detail=f"/x?{name}={CANARY}", seen=session_id)
        logging.getLogger("qproxy").info("%s asked /x?%s=%s", session_id, name, CANARY)
    log.close()
    written = "".join(path.read_text() for path in tmp_path.iterdir()) + stream.getvalue()
    assert len(written) > 5000
    assert CANARY not in written
    assert session_id not in written
    assert verify_audit(tmp_path / "audit.log") == []
