"""Nobody ever gets another's answer: many users, each answer carrying its asker's secret, and everybody misbehaving."""

import asyncio
import random
from collections import Counter
from itertools import count

import pytest
from forwarding.plane import Plane, both_loops, plane
from forwarding.wire import Message, Wire, chunked, get, ok, post
from waiting import eventually

pytestmark = [pytest.mark.asyncio(**both_loops), pytest.mark.timeout(60)]
USERS = 200
REQUESTS = 8_000
"""On each of the two loops."""


async def moody(wire: Wire) -> None:
    """Answers with the secret of who asks, in all the ways in which an answer can go right or wrong."""
    dice = random.Random(len(wire.transport.get_extra_info("peername")) + random.randrange(1 << 30))
    while True:
        message = await wire.request()
        body = secret_of(message) * dice.choice((1, 1, 20, 3000)) + b"|" + message.body
        for _ in range(dice.choice((0, 0, 1, 5))):
            await asyncio.sleep(0)
        mood = dice.random()
        if mood < 0.03:
            wire.send(ok(body)[: dice.randrange(len(body))])
            wire.reset()
        elif mood < 0.06:
            wire.send(ok(body, "Connection: close"))
            wire.close()
        elif mood < 0.09:
            wire.send(ok(body))
            wire.close()
        elif mood < 0.11:
            wire.send(ok(body) + ok(b"left over from " + body))
        elif mood < 0.3:
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body[:100], body[100:]))
        else:
            wire.send(ok(body))


def secret_of(message: Message) -> bytes:
    return message.target[1:]


class User:
    """Asks again and again, and goes away in the middle now and then."""

    def __init__(self, site: Plane, number: int, turns: "count[int]", seen: Counter[str]) -> None:
        self.site = site
        self.number = number
        self.turns = turns
        self.seen = seen
        self.dice = random.Random(number)
        self.wire: Wire | None = None

    async def live(self) -> None:
        while next(self.turns) < REQUESTS:
            if self.wire is None:
                self.wire = await Wire.to(self.site.port)
            try:
                await self.one(self.wire)
            except (EOFError, OSError):
                self.seen["broken off"] += 1
                await self.leave()
        await self.leave()

    async def leave(self) -> None:
        if self.wire is not None:
            await self.wire.gone()
            self.wire = None

    async def one(self, wire: Wire) -> None:
        secrets = [f"user-{self.number}-{self.dice.getrandbits(64):x}" for _ in range(self.dice.choice((1, 1, 1, 3)))]
        for secret in secrets:
            wire.send(post(secret.encode(), f"/{secret}") if self.dice.random() < 0.2 else get(f"/{secret}"))
        if self.dice.random() < 0.1:
            for _ in range(self.dice.randrange(8)):
                await asyncio.sleep(0)
            self.seen["went away"] += 1
            await self.leave()
            return
        for secret in secrets:
            self.judge(await wire.reply(), secret.encode())

    def judge(self, reply: Message, secret: bytes) -> None:
        if reply.status != 200:
            self.seen["page"] += 1
        elif set(reply.body.replace(secret, b"").split(b"|")) == {b""}:
            self.seen["right"] += 1
        else:
            self.seen["wrong"] += 1


async def test_every_answer_belongs_to_its_request() -> None:
    async with plane(moody, connections=60) as site:
        turns, seen = count(), Counter[str]()
        await asyncio.gather(*(User(site, number, turns, seen).live() for number in range(USERS)))
        await eventually(lambda: not site.listener.connections)
        assert seen["wrong"] == 0
        assert seen["right"] > 0.8 * REQUESTS, seen
        assert site.pool.reused > site.pool.opened
