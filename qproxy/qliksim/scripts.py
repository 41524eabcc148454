"""Ten scenes between a node and a session module, played against the real module that is configured.

Each scene is a sequence of module calls that was seen or must be expected in the field; what the module makes of
them is for the caller to judge by the journal. The scenes use the node's own code, so its toggles apply.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from qproxy.qliksim.core import Core, new_core
from qproxy.qliksim.identify import Outcome, look_up
from qproxy.qliksim.module_client import FAULTS, Call
from qproxy.qliksim.recorded import Entry
from qproxy.qliksim.state import Attributes, SimSession, VirtualProxyState

ODD_USERS = ("anna@example.com", "per olav", "a/b", "a%2Fb", "bjørn å")


@dataclass
class Stage:
    """Where a scene plays: one virtual proxy, and the id of a session that the module may know."""

    core: Core
    vp: VirtualProxyState
    session_id: str

    @property
    def prefix(self) -> str:
        return self.vp.settings.prefix

    async def look_up(self) -> SimSession | Outcome:
        return await look_up(self.core, self.vp, self.session_id)

    async def make(self, user: str, source: str = "ticket", attributes: Attributes | None = None) -> SimSession:
        """A session that began here, told to the module."""
        directory = "NONE" if source == "anonymous" else "SCRIPT"
        session = self.vp.open_session((directory, user), attributes or [], source)
        await self.core.modules.register(self.prefix, session)
        return session

    async def post(self, content: object, content_type: str | None = "application/json") -> None:
        body = json.dumps(content, ensure_ascii=False).encode()
        await self.core.modules.call(Call(self.prefix, "POST", ("session",), None, body, content_type))


async def s1(stage: Stage) -> None:
    """A person's first page: the id is asked for, then requests without the cookie make three anonymous sessions."""
    await stage.look_up()
    await asyncio.gather(*(stage.make(f"anonymous{uuid.uuid4()}", "anonymous") for _ in range(3)))


async def s2(stage: Stage) -> None:
    """A session that the module is told of and never asked about."""
    await stage.make("ticketed", attributes=[{"Group": "Sales"}, {"Group": "Finance"}, {"Email": ""}])


async def s3(stage: Stage) -> None:
    """Five requests of one new browser at the same time: nobody waits for the first answer."""
    await asyncio.gather(*(stage.look_up() for _ in range(5)))


async def s4(stage: Stage) -> None:
    """Asked once, then from the cache; asked again when the cache was lost and when its time was up."""
    await stage.look_up()
    await stage.look_up()
    stage.vp.forget_module_sessions()
    found = await stage.look_up()
    before, stage.core.toggles = stage.core.toggles, replace(stage.core.toggles, cache_ttl_s=60.0)
    try:
        if isinstance(found, SimSession):
            found.validated -= 61
        await stage.look_up()
    finally:
        stage.core.toggles = before


async def s5(stage: Stage) -> None:
    """A session runs out here and the module is told."""
    found = await stage.look_up()
    session = found if isinstance(found, SimSession) else await stage.make("idle")
    await stage.core.expire(stage.vp, session)


async def s6(stage: Stage) -> None:
    """An id that the module has never seen is deleted, twice."""
    unknown = str(uuid.uuid4())
    for _ in range(2):
        await stage.core.modules.call(Call(stage.prefix, "DELETE", ("session", unknown)))


async def s7(stage: Stage) -> None:
    """Odd but legal registrations: no type, null attributes, 15 KB of attributes, names beyond ASCII."""
    plain = {"UserDirectory": "SCRIPT", "UserId": "odd"}
    many = [{"Group": f"{number:03d}".ljust(100, "x")} for number in range(130)]
    await stage.post({**plain, "Attributes": [], "SessionId": str(uuid.uuid4())}, content_type=None)
    await stage.post({**plain, "Attributes": None, "SessionId": str(uuid.uuid4())})
    await stage.post({**plain, "Attributes": many, "SessionId": str(uuid.uuid4())})
    names = {"UserDirectory": "SKRØNE", "UserId": "Åse Ødegård 東京", "Attributes": [{"Group": "Økonomi"}]}
    await stage.post({**names, "SessionId": str(uuid.uuid4())})


async def s8(stage: Stage) -> None:
    """The module fails in every way that there is; afterwards it is asked once more."""
    for mode in FAULTS:
        stage.core.modules.set_fault(mode)
        await stage.look_up()
    stage.core.modules.set_fault(None)
    await stage.look_up()


async def s9(stage: Stage) -> None:
    """Users whose names need escaping: registered, listed, logged out."""
    for user in ODD_USERS:
        session = await stage.make(user)
        await stage.core.modules.call(Call(stage.prefix, "GET", ("user", *session.owner)))
        await stage.core.log_out(stage.vp, session.owner)


async def s10(stage: Stage) -> None:
    """Two nodes, one module: both may ask for the same id, but a session pushed to one stays unknown to the other."""
    other = new_core(stage.core.config, stage.core.clock, stage.core.journal)
    other.modules.uris = stage.core.modules.uris
    await other.modules.open()
    try:
        await stage.look_up()
        await look_up(other, other.vps[stage.prefix], stage.session_id)
        pushed = stage.vp.open_session(("SCRIPT", "pushed"), [], "api")
        await look_up(stage.core, stage.vp, pushed.id)
        await look_up(other, other.vps[stage.prefix], pushed.id)
    finally:
        await other.modules.close()


SCENES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    scene.__name__.upper(): scene for scene in (s1, s2, s3, s4, s5, s6, s7, s8, s9, s10)
}


async def run(core: Core, name: str, vp: str | None = None, session_id: str | None = None) -> list[Entry]:
    """Play a scene on a virtual proxy (the first with a session module); returns its module calls in order.

    `session_id` is an id that the module knows; without one it will answer 404. Raises KeyError for an unknown
    scene and ValueError when no session module is configured.
    """
    if name not in SCENES:
        raise KeyError(f"no script {name!r}; there are: {', '.join(SCENES)}")
    prefix = vp if vp is not None else next((each for each in core.vps if core.modules.configured(each)), None)
    if prefix is None or not core.modules.configured(prefix):
        raise ValueError("scripts need a virtual proxy with a session module")
    before = core.journal.entries("module")
    await SCENES[name](Stage(core, core.vps[prefix], session_id or str(uuid.uuid4())))
    return [entry for entry in core.journal.entries("module") if not any(entry is known for known in before)]
