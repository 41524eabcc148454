"""The access log: one line for each proxied request, own page and closed tunnel.

`json_lines` and `text_lines` make the lines of finished Records. Both run on the hot path, so a line is one f-string,
and what repeats from request to request is remembered as text. A record is safe to print whatever it was filled with:
targets are redacted, sessions shortened, strings quoted. Nothing here opens a file (sink.py does).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from qproxy.observe.lines import millisecond, quoted, stamp, tenths
from qproxy.observe.redact import redact_target, short_session
from qproxy.records import Record

LONGEST_TARGET = 2048
LONGEST_AGENT = 256
LONGEST_WORD = 256
LONGEST_REMEMBERED = 512
"""Bytes of a target: bounds what remembering thousands of them can take."""

PROTOCOLS = ("HTTP/1.0", "HTTP/1.1")
NOTHING = b"-"

Form = Callable[[Iterable[Record]], list[str]]
Who = tuple[str, bytes, bytes, int, str, str, str, str, bool, bytes]

MOST_WHOS = 1024
_whos: dict[Who, str] = {}
"""Forgotten all at once: to know which was used last would cost more than to make them anew."""


def _q(text: str, longest: int = LONGEST_WORD) -> str:
    """`quoted`, with its fast path unrolled: a dozen calls a line."""
    if len(text) <= longest and text.isprintable():
        return encode_basestring_ascii(text)
    return quoted(text if len(text) <= longest else text[:longest] + "...")


def json_lines(records: Iterable[Record]) -> list[str]:
    """Of each one JSON object and a newline."""
    lines = []
    for r in records:
        head, failure, started = r.head, r.failure, r.started
        if head is None:
            shown = '"-"'
            key = (r.client or r.peer, NOTHING, NOTHING, -1, r.node, r.vp, r.user, r.session, r.websocket, NOTHING)
        else:
            target, agent = head.target, head.named.get(b"user-agent", NOTHING)
            shown = _remembered_target(target) if len(target) <= LONGEST_REMEMBERED else _target(target)
            key = (
                r.client or r.peer, head.method, head.host, head.minor,
                r.node, r.vp, r.user, r.session, r.websocket, agent,
            )  # fmt: skip
        who = _whos.get(key)
        if who is None:
            if len(_whos) >= MOST_WHOS:
                _whos.clear()
            who = _whos[key] = _who(key)
        seconds = r.ended - started if r.ended > started else 0.0
        ended = "-" if failure is None else failure.word
        blame = "-" if failure is None else failure.blame.value
        first_byte = tenths(int((r.first_byte - started) * 10_000 + 0.5)) if r.first_byte else "null"
        own = r.request_id
        number = encode_basestring_ascii(own) if own.isprintable() else _q(own)
        tunnel = f',"close_code":{r.close_code or "null"},"closed_by":{_q(r.closed_by)}' if r.websocket else ""
        lines.append(
            f'{{"time":"{millisecond(int((r.time - seconds) * 1000))}","id":{number},"status":{r.status},'
            f'"target":{shown},"received":{r.bytes_in},"sent":{r.bytes_out},'
            f'"seconds":{tenths(int(seconds * 10_000 + 0.5))},"first_byte":{first_byte},'
            f'"failure":"{ended}","blame":"{blame}",{who}{tunnel}}}\n'
        )
    return lines


def _target(target: bytes) -> str:
    return _q(redact_target(target.decode("latin-1")), LONGEST_TARGET)


_remembered_target = lru_cache(maxsize=4096)(_target)


def _who(who: Who) -> str:
    """What repeats from request to request of one browser."""
    client, method, host, minor, node, vp, user, session, websocket, agent = who
    return (
        f'"client":{_q(client)},"method":{_raw(method)},"host":{_raw(host or NOTHING)},"protocol":"{_protocol(minor)}",'
        f'"upstream":{_q(node or "-")},"vp":{_q(vp or "-")},"user":{_q(user or "-")},'
        f'"session":{_q(short_session(session or "-"))},"kind":"{_kind(websocket)}",'
        f'"agent":{_raw(agent, LONGEST_AGENT)}'
    )


def _raw(value: bytes, longest: int = LONGEST_WORD) -> str:
    return _q(value.decode("latin-1"), longest)


def _protocol(minor: int) -> str:
    return PROTOCOLS[minor] if minor >= 0 else "-"


def _kind(websocket: bool) -> str:
    return "websocket" if websocket else "http"


def text_lines(records: Iterable[Record]) -> list[str]:
    return [_text_line(record) for record in records]


def _text_line(record: Record) -> str:
    """For people: the first words in the order of the usual access logs, then `name=value`."""
    r, head, failure = record, record.head, record.failure
    method, target, host, minor = (head.method, head.target, head.host, head.minor) if head else (*_DASHES, -1)
    agent = head.named.get(b"user-agent", NOTHING) if head else NOTHING
    first_byte = f"{r.first_byte - r.started:.4f}" if r.first_byte else "-"
    tunnel = f" close={r.close_code or '-'} closed_by={_q(r.closed_by)}" if r.websocket else ""
    asked = f"{method.decode('latin-1')} {redact_target(target.decode('latin-1'))} {_protocol(minor)}"
    return (
        f"{stamp(r.time - r.duration)} {_q(r.client or r.peer)} {_q(r.user or '-')} {_q(asked, LONGEST_TARGET)} "
        f"{r.status} {r.bytes_out} {r.duration:.4f} id={_q(r.request_id)} host={_raw(host or NOTHING)} "
        f"vp={_q(r.vp or '-')} upstream={_q(r.node or '-')} first_byte={first_byte} received={r.bytes_in} "
        f"session={_q(short_session(r.session or '-'))} failure={failure.word if failure else '-'} "
        f"blame={failure.blame.value if failure else '-'} kind={_kind(r.websocket)}{tunnel} "
        f"agent={_raw(agent, LONGEST_AGENT)}\n"
    )


_DASHES = (NOTHING, NOTHING, NOTHING)

FORMS: dict[str, Form] = {"json": json_lines, "text": text_lines}
