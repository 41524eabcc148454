"""The access log: one line for each proxied request, own page and closed tunnel.

`json_form` and `text_form` make the line of a finished Record. Both run on the hot path, so they are one f-string each,
and what repeats from request to request is remembered as text. A record is safe to print whatever it was filled with:
targets are redacted, sessions shortened, strings quoted. Nothing here opens a file (sink.py does).
"""

from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from qproxy.observe.lines import quoted, stamp, tenths
from qproxy.observe.redact import redact_target, short_session
from qproxy.records import Record

LONGEST_TARGET = 2048
LONGEST_AGENT = 256
LONGEST_WORD = 256
LONGEST_REMEMBERED = 512
"""Bytes of a target: bounds what remembering thousands of them can take."""

PROTOCOLS = ("HTTP/1.0", "HTTP/1.1")
NOTHING = b"-"

Form = Callable[[Record], str]


def _q(text: str, longest: int = LONGEST_WORD) -> str:
    """`quoted`, with its fast path unrolled: a dozen calls a line."""
    if len(text) <= longest and text.isprintable():
        return encode_basestring_ascii(text)
    return quoted(text if len(text) <= longest else text[:longest] + "...")


def json_form(record: Record) -> str:
    """One JSON object and a newline."""
    r = record
    failure, head = r.failure, r.head
    target = NOTHING if head is None else head.target
    shown = _remembered_target(target) if len(target) <= LONGEST_REMEMBERED else _target(target)
    started = r.started
    seconds = r.ended - started if r.ended > started else 0.0
    took = tenths(int(seconds * 10_000 + 0.5))
    first_byte = tenths(int((r.first_byte - started) * 10_000 + 0.5)) if r.first_byte else "null"
    ended = f'"{failure.word}","blame":"{failure.blame.value}"' if failure else '"-","blame":"-"'
    tunnel = f',"close_code":{r.close_code or "null"},"closed_by":{_q(r.closed_by)}' if r.websocket else ""
    return (
        f'{{"time":"{stamp(r.time - seconds)}","id":{_q(r.request_id)},"status":{r.status},'
        f'"target":{shown},"received":{r.bytes_in},"sent":{r.bytes_out},'
        f'"seconds":{took},"first_byte":{first_byte},"failure":{ended},{_who_of(r)}{tunnel}}}\n'
    )


def _target(target: bytes) -> str:
    return _q(redact_target(target.decode("latin-1")), LONGEST_TARGET)


_remembered_target = lru_cache(maxsize=4096)(_target)


def _who_of(record: Record) -> str:
    r, head = record, record.head
    client = r.client or r.peer
    if head is None:
        return _who((client, NOTHING, NOTHING, -1, r.node, r.vp, r.user, r.session, r.websocket, NOTHING))
    agent = head.named.get(b"user-agent", NOTHING)
    return _who((client, head.method, head.host, head.minor, r.node, r.vp, r.user, r.session, r.websocket, agent))


@lru_cache(maxsize=1024)
def _who(who: tuple[str, bytes, bytes, int, str, str, str, str, bool, bytes]) -> str:
    """What repeats from request to request of one browser: formatted once."""
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


def text_form(record: Record) -> str:
    """One line for people: the first words in the order of the usual access logs, then `name=value`."""
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

FORMS: dict[str, Form] = {"json": json_form, "text": text_form}
