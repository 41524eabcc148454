"""What the sockets of one user, app and identity share: the opened document, its handles, its life.

It only keeps: when a session begins and ends is the engine's decision.
"""

import json
from collections.abc import Callable, Mapping
from typing import Protocol

from qproxy.qliksim.engine_doc import Doc, app_objects
from qproxy.qliksim.engine_rpc import Handles, Json
from qproxy.qliksim.engine_table import Table
from qproxy.qliksim.settings import AppSettings


class Listener(Protocol):
    """A socket, as the session sees it: somewhere to push text frames to, or nowhere yet."""

    push: Callable[[str], None] | None


class EngineSession:
    """One engine session; `apps` and `tables` by app id are those of the whole engine."""

    def __init__(self, user: tuple[str, str], apps: Mapping[str, AppSettings], tables: Mapping[str, Table]) -> None:
        self.user, self.apps, self.tables = user, apps, tables
        self.handles = Handles()
        self.doc: Doc | None = None
        self.sockets: list[Listener] = []
        self.ends_at = float("inf")

    def open(self, app: AppSettings, empty: bool = False) -> Doc:
        table = Table({}) if empty else self.tables[app.id]
        self.doc = Doc(app, table, self.handles, [] if empty else app_objects())
        return self.doc

    def tell(self, notice: Json, besides: Listener | None = None) -> None:
        """Push a notice to every socket that has somewhere to push to."""
        text = json.dumps({"jsonrpc": "2.0"} | notice, separators=(",", ":"))
        for socket in [each for each in self.sockets if each is not besides]:
            if socket.push is not None:
                socket.push(text)
