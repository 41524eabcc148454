"""Any order of events: every request ends exactly once, nothing leaks, nobody is left unread, no answer is garbled."""

import asyncio
import random
import re

from forwarding.paper import PaperPlane, PaperTransport
from forwarding.wire import SWITCHED, chunked, get, ok, post, post_chunked, upgrade
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qproxy.forwarding.body import ChunkReader

REQUESTS = (
    get("/a"),
    get("/a", method="HEAD"),
    get("/old", version="1.0"),
    get("/a", "Connection: close"),
    post(b"x" * 50, "/b"),
    post(b"x" * 5000, "/b"),
    post_chunked(b"x" * 50, b"y" * 3000),
    get("/c", "Content-Length: 10", "Expect: 100-continue", method="POST"),
    upgrade(),
    b"nonsense\r\n\r\n",
)
ANSWERS = (
    ok(b"short"),
    ok(b"z" * 5000),
    ok(b"bye", "Connection: close"),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"z" * 3000, b"end"),
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    SWITCHED,
    b"garbage\r\n\r\n",
)
Event = tuple[str, object, int]
SELDOM = ("browser goes", "browser resets", "node goes", "node resets", "time", "time", "refuse")
OFTEN = ("ask", "ask", "answer", "answer", "answer", "deliver", "browser flush", "node flush", "settle")


def an_evening(seed: int, length: int) -> list[Event]:
    """Events by the dice: hypothesis' own lists would hardly ever get past the first answer."""
    dice = random.Random(seed)
    return [an_event(dice) for _ in range(length)]


def an_event(dice: random.Random) -> Event:
    kind = dice.choice(SELDOM if dice.random() < 0.05 else OFTEN)
    what: object = None
    if kind == "ask":
        what = dice.choice(REQUESTS)
    elif kind == "answer":
        what = dice.choice(ANSWERS[:2] if dice.random() < 0.5 else ANSWERS)
    elif kind == "time":
        what = dice.choice((0.1, 1.0, 11.0, 70.0, 700.0))
    elif kind == "refuse":
        what = dice.random() < 0.3
    return kind, what, dice.choice((10**6, 10**6, 10**6, 3000, 70, 1))


EVENINGS = st.builds(an_evening, st.integers(0, 2**32), st.integers(1, 80))


async def test_what_was_held_for_a_slow_connect_does_not_end_the_back_pressure() -> None:
    plane = PaperPlane()
    plane.browser.arrive(get("/", "Content-Length: 1000000", method="POST"))
    plane.browser.arrive(b"x" * 70_000)
    await plane.settle()
    node = plane.node
    assert node is not None
    seen = [(node.full, plane.browser.paused)]
    node.flush()
    seen.append((node.full, plane.browser.paused))
    assert seen == [(True, True), (False, False)]
    plane.browser.lose(None)
    await plane.settle()


class Evening:
    """Plays events; bytes that cannot be read yet wait, as in the system's buffers."""

    def __init__(self) -> None:
        self.plane = PaperPlane(connections=2)
        self.to_read = b""
        self.to_tell = b""

    async def play(self, kind: str, what: object, portion: int) -> None:
        plane = self.plane
        match kind, what:
            case "ask", bytes(data):
                self.to_read += data
                self.deliver(portion)
            case "answer", bytes(data):
                self.to_tell += data
                self.tell(portion)
            case "time", float(seconds):
                plane.sweep(seconds)
            case "refuse", bool(refuses):
                plane.pool.refuses = refuses
            case "settle", _:
                await plane.settle()
            case "deliver", _:
                self.deliver(portion)
                self.tell(portion)
            case _:
                self.touch(kind, plane.browser if kind.startswith("browser") else plane.node)

    def deliver(self, portion: int) -> None:
        if self.plane.browser.arrive(self.to_read[:portion]):
            self.to_read = self.to_read[portion:]

    def tell(self, portion: int) -> None:
        node = self.plane.node
        if node is None:
            self.to_tell = b""
        elif node.arrive(self.to_tell[:portion]):
            self.to_tell = self.to_tell[portion:]

    def touch(self, kind: str, transport: PaperTransport | None) -> None:
        if transport is None:
            return
        if kind.endswith("flush"):
            transport.flush()
        elif kind.endswith("goes"):
            transport.hang_up()
        elif not transport.closing:
            transport.lose(ConnectionResetError())

    def nobody_waits_unread(self) -> None:
        """Between two requests the browser is read, unless it does not take what it was sent."""
        downstream, browser = self.plane.downstream, self.plane.browser
        busy = downstream._exchange is not None or browser.protocol is not downstream
        if browser.closing or busy or downstream.write_paused:
            return
        assert not browser.paused

    async def end(self) -> None:
        for transport in [self.plane.browser, *self.plane.pool.made]:
            if not transport.closing:
                transport.lose(None)
        await self.plane.settle()
        await self.plane.listener.drain(0)
        for transport in [self.plane.browser, *self.plane.pool.made]:
            transport.flush()
        await self.plane.settle()


ANSWER_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


def whole_answers(data: bytes, methods: list[bytes]) -> int:
    """How many whole answers there are; AssertionError for anything that is not the beginning of one."""
    found = 0
    while data and (head := ANSWER_HEAD.match(data)):
        data = data[head.end() :]
        if head[1] in (b"100", b"101"):
            continue
        found += 1
        length = re.search(rb"Content-Length: (\d+)", head[2])
        if methods[found - 1 : found] == [b"HEAD"] or head[1] == b"204":
            continue
        if length is not None:
            data = data[int(length[1]) :]
        elif b"chunked" in head[2]:
            data = behind_the_chunks(data)
        else:
            data = b""
    assert not data or b"HTTP/1.1 ".startswith(data[:9]), data[:60]
    return found


def behind_the_chunks(data: bytes) -> bytes:
    reader = ChunkReader()
    reader.feed(data)
    return reader.rest


async def run(events: list[Event]) -> Evening:
    evening = Evening()
    for event in events:
        await evening.play(*event)
        await evening.plane.settle()
        evening.nobody_waits_unread()
    await evening.end()
    return evening


def no_timers(evening: Evening) -> bool:
    plane = evening.plane
    return not plane.listener.connections and not plane.listener.tunnels and not plane.pool.open_count


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENINGS)
def test_every_request_ends_exactly_once_and_nothing_is_left(events: list[Event]) -> None:
    evening = asyncio.run(run(events))
    road = evening.plane.road
    assert road.settled()
    assert road.owner.opened_count == road.owner.closed_count
    assert no_timers(evening)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENINGS)
def test_the_browser_never_reads_a_garbled_answer(events: list[Event]) -> None:
    evening = asyncio.run(run(events))
    road, browser = evening.plane.road, evening.plane.browser
    if not road.owner.opened_count:
        methods = [record.head.method for record in road.asked if record.head is not None]
        whole_answers(browser.sent + browser.unsent, methods)
    assert no_timers(evening)
