"""The access log: one line for each proxied request, own page and closed tunnel.

`AccessRecord` is what happened; `json_form` and `text_form` make its line. Both run on the hot path, so they are one
f-string each. A record is safe to print whatever it was filled with: targets are redacted, sessions shortened, strings
quoted. Nothing here opens a file (sink.py does).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from qproxy.errors import Failure
from qproxy.observe.lines import quoted, stamp
from qproxy.observe.redact import redact_target, short_session

LONGEST_TARGET = 2048
LONGEST_AGENT = 256
LONGEST_WORD = 256


@dataclass(slots=True)
class AccessRecord:
    """One finished request or tunnel. Times in seconds (epoch or duration), sizes in bytes.

    `received` and `sent` count body or tunnel bytes from and to the browser. `session` is a short hash. A tunnel has
    `kind` "websocket" and says who closed it ("browser", "upstream", "qproxy") with which close code (None: no close
    frame was seen). `failure` None means that nothing failed.
    """

    time: float
    request_id: str
    client: str
    method: str
    host: str
    target: str
    protocol: str = "HTTP/1.1"
    status: int = 0
    received: int = 0
    sent: int = 0
    duration: float = 0.0
    upstream: str = "-"
    first_byte: float | None = None
    vp: str = "-"
    user: str = "-"
    session: str = "-"
    failure: Failure | None = None
    kind: str = "http"
    close_code: int | None = None
    closed_by: str = "-"
    agent: str = "-"


Form = Callable[[AccessRecord], str]


def _q(text: str, longest: int = LONGEST_WORD) -> str:
    """`quoted`, with its fast path unrolled: a dozen calls a line."""
    if len(text) <= longest and text.isprintable():
        return encode_basestring_ascii(text)
    return quoted(text if len(text) <= longest else text[:longest] + "...")


def json_form(record: AccessRecord) -> str:
    """One JSON object and a newline."""
    r = record
    failure = r.failure
    who = (r.client, r.method, r.host, r.protocol, r.upstream, r.vp, r.user, r.session, r.kind, r.agent)
    first_byte = "null" if r.first_byte is None else f"{r.first_byte:.4f}"
    ended = f'"{failure.word}","blame":"{failure.blame.value}"' if failure else '"-","blame":"-"'
    tunnel = "" if r.kind == "http" else f',"close_code":{r.close_code or "null"},"closed_by":{_q(r.closed_by)}'
    return (
        f'{{"time":"{stamp(r.time)}","id":{_q(r.request_id)},"status":{r.status},'
        f'"target":{_q(redact_target(r.target), LONGEST_TARGET)},"received":{r.received},"sent":{r.sent},'
        f'"seconds":{r.duration:.4f},"first_byte":{first_byte},"failure":{ended},{_who(who)}{tunnel}}}\n'
    )


@lru_cache(maxsize=1024)
def _who(who: tuple[str, ...]) -> str:
    """What repeats from request to request of one browser: formatted once."""
    client, method, host, protocol, upstream, vp, user, session, kind, agent = who
    return (
        f'"client":{_q(client)},"method":{_q(method)},"host":{_q(host)},"protocol":{_q(protocol)},'
        f'"upstream":{_q(upstream)},"vp":{_q(vp)},"user":{_q(user)},"session":{_q(short_session(session))},'
        f'"kind":{_q(kind)},"agent":{_q(agent, LONGEST_AGENT)}'
    )


def text_form(record: AccessRecord) -> str:
    """One line for people: the first words in the order of the usual access logs, then `name=value`."""
    r = record
    failure = r.failure
    first_byte = "-" if r.first_byte is None else f"{r.first_byte:.4f}"
    tunnel = "" if r.kind == "http" else f" close={r.close_code or '-'} closed_by={_q(r.closed_by)}"
    request = _q(f"{r.method} {redact_target(r.target)} {r.protocol}", LONGEST_TARGET)
    return (
        f"{stamp(r.time)} {_q(r.client)} {_q(r.user)} {request} {r.status} {r.sent} {r.duration:.4f} "
        f"id={_q(r.request_id)} host={_q(r.host)} vp={_q(r.vp)} upstream={_q(r.upstream)} "
        f"first_byte={first_byte} received={r.received} session={_q(short_session(r.session))} "
        f"failure={failure.word if failure else '-'} blame={failure.blame.value if failure else '-'} "
        f"kind={_q(r.kind)}{tunnel} agent={_q(r.agent, LONGEST_AGENT)}\n"
    )


FORMS: dict[str, Form] = {"json": json_form, "text": text_form}
