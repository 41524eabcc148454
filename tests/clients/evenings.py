"""A person's evening with a real Qlik client, by whichever road: straight to a node or through a proxy.

The scenarios live in the Node scripts. Here is what they need from outside: an address with a cookie (Visit), and a
node whose sockets get lost on request (levers). Two roads to the same node must give equal transcripts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from clients.runner import Answerer, Line, transcript
from waiting import eventually

from qproxy.qliksim import AppSettings, QlikNode, SimConfig, VirtualProxySettings

ENIGMA = "enigma_evening.mjs"
QLIK_API = "qlik_api_evening.mjs"
SALES = AppSettings(id="aaaaaaaa-0000-4000-8000-000000000001", title="Sales")
JOHN = ("SSO", "john")
ENGINE_TTL_S = 60

# Ways to lose a socket. `resumes`: @qlik/api comes back by itself, as it does when an engine shuts down.
LOUD_WAYS: tuple[Mapping[str, object], ...] = (
    {"code": 1001, "reason": "going away"},
    {"code": 1012, "reason": "Service restart"},
    {"code": 4003, "reason": "Engine terminating", "resumes": True},
    {"code": 4999, "reason": "a reason with \u00fcml\u00e4uts"},
    {"abort": True},
)
SILENT_WAYS: tuple[Mapping[str, object], ...] = (
    {"code": 1000, "reason": "normal"},
    {"code": 4000, "reason": "suspended"},
)

# Every scenario with every way in it: what a proxy must carry so that nobody sees a difference.
SCENARIOS = [
    *((ENIGMA, name) for name in ("evening", "resume", "sessionApp", "closings", "expired")),
    *((QLIK_API, name) for name in ("evening", "resume", "sessionApp", "closings", "expired")),
]


@dataclass(frozen=True)
class Visit:
    """How a client gets to a virtual proxy: its address, the Cookie header, the page's origin."""

    base: str  # http(s)://host[:port][/prefix]
    cookie: str
    origin: str
    csrf: bool = True
    ca_file: str = ""
    app: str = SALES.id


def node_config(vp: VirtualProxySettings | None = None, **more: object) -> SimConfig:
    """A node on plain http with the apps that the scenarios open; by default with one virtual proxy, /sso."""
    settings = vp or VirtualProxySettings("sso", "X-Qlik-Session-sso", host_allow=("127.0.0.1", "localhost"))
    return SimConfig(virtual_proxies=(settings,), apps=(SALES,), **more)  # type: ignore[arg-type]


def direct_visit(node: QlikNode, prefix: str = "sso", ca_file: str = "") -> Visit:
    """John's way straight to the node (over TLS with a `ca_file`), with a session of the node's own making."""
    vp = node.vp(prefix)
    session = vp.open_session(JOHN, [], "ticket")
    url, suffix = (node.https_url, "") if ca_file else (node.http_url, "-HTTP")
    assert url is not None
    return Visit(f"{url}/{prefix}", f"{vp.settings.cookie_name}{suffix}={session.id}", url, ca_file=ca_file)


def levers(node: QlikNode, prefix: str) -> Answerer:
    """What scenarios ask for, done to all sockets of a virtual proxy of the node."""

    async def answer(what: str, line: Line) -> None:
        if what == "abort":
            await node.kill_sockets(prefix, abort=True)
        elif what == "close":
            await node.kill_sockets(prefix, code=line["code"], reason=line["reason"])
        elif what == "forget engine sessions":
            await forget_engine_sessions(node, prefix)
        elif what == "expire":
            for session in node.sessions(prefix):
                await node.expire(prefix, session.id)
        else:
            raise ValueError(f"unknown request of a client script: {line}")

    return answer


async def forget_engine_sessions(node: QlikNode, prefix: str) -> None:
    """Once the sockets are gone, let the time to live of their engine sessions pass."""
    await eventually(lambda: not node.core.sockets_of(prefix))
    node.advance(ENGINE_TTL_S + 1)


async def spend(
    node: QlikNode,
    visit: Visit,
    script: str,
    scenario: str,
    ways: tuple[Mapping[str, object], ...] = LOUD_WAYS + SILENT_WAYS,
    prefix: str = "sso",
) -> list[Line]:
    """Run a scenario by that way, with no engine session left from before; its transcript."""
    await forget_engine_sessions(node, prefix)
    options: dict[str, object] = asdict(visit) | {"scenario": scenario, "ways": ways}
    return await transcript(script, options, levers(node, prefix))


def events(lines: list[Line], *names: str) -> list[Line]:
    """The lines of these events, without the event's name when there is only one."""
    found = [line for line in lines if line["event"] in names]
    if len(names) > 1:
        return found
    return [{key: value for key, value in line.items() if key != "event"} for line in found]


def after_each_way(lines: list[Line]) -> list[tuple[Line, list[Line]]]:
    """Each way of losing the socket, with the lines up to the next one."""
    found: list[tuple[Line, list[Line]]] = []
    for line in lines:
        if line["event"] == "way":
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return found
