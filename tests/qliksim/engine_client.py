"""A few lines of JSON-RPC for the tests of the stand-in engine: ask a socket, read the one answer."""

import json
from dataclasses import dataclass, field
from typing import Any

from qproxy.qliksim.engine import Engine, EngineSocket
from qproxy.qliksim.settings import AppSettings

JOHN = ("SSO", "john")
SALES = AppSettings(id="aaaaaaaa-0000-4000-8000-000000000001", title="Sales")
STOCK = AppSettings(id="bbbbbbbb-0000-4000-8000-000000000002", title="Stock")
GLOBAL = -1


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def engine(*apps: AppSettings, clock: Seconds | None = None) -> Engine:
    return Engine(apps or (SALES, STOCK), clock or Seconds())


@dataclass
class Client:
    """A socket with request ids; `pushed` collects what the engine sends by itself."""

    socket: EngineSocket
    pushed: list[Any] = field(default_factory=list)
    last_id: int = 0

    def __post_init__(self) -> None:
        self.socket.push = lambda text: self.pushed.append(json.loads(text))

    async def whole(self, handle: int, method: str, *params: Any, **more: Any) -> Any:
        """The answer with its envelope."""
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "handle": handle, "method": method}
        answers = await self.socket.answer(json.dumps(request | {"params": list(params)} | more))
        assert len(answers) == 1
        answer = json.loads(answers[0])
        assert answer["id"] == self.last_id
        return answer

    async def call(self, handle: int, method: str, *params: Any) -> Any:
        answer = await self.whole(handle, method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, handle: int, method: str, *params: Any) -> Any:
        return (await self.whole(handle, method, *params))["error"]

    async def handle(self, handle: int, method: str, *params: Any) -> int:
        reference = (await self.call(handle, method, *params))["qReturn"]
        assert isinstance(reference["qHandle"], int), reference
        return int(reference["qHandle"])

    async def open(self, app: AppSettings = SALES) -> int:
        return await self.handle(GLOBAL, "OpenDoc", app.id)


def client(of: Engine | None = None, app: str = SALES.id, **attach: Any) -> Client:
    return Client((of or engine()).attach(attach.pop("user", JOHN), app, **attach))
