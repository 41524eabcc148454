"""The benchmark's upstream and load as processes, with what they tell."""

import asyncio
import contextlib
import http.client
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WITHIN = 30
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@dataclass
class Upstream:
    """`trust`: what load needs to reach the port with TLS."""

    process: subprocess.Popen[str]
    port: int
    tls_port: int
    trust: list[str]

    def reach(self, tls: bool) -> list[str]:
        return ["--port", str(self.tls_port), *self.trust] if tls else ["--port", str(self.port)]

    def counters(self) -> dict[str, int]:
        answer: dict[str, int] = json.loads(self.ask("GET", "/counters")[1])
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> tuple[http.client.HTTPMessage, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.headers, answer.read()


class Load:
    """Runs the load program. `head` begins as `GET /path`; `words` are further arguments."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder

    def words(self, mode: str, head: str, *words: str) -> list[str]:
        file = self.written(f"{mode}.requests", head)
        return [str(self.program), mode, "--requests", file, *words]

    def written(self, name: str, head: str) -> str:
        text = f"{head} HTTP/1.1\r\nHost: localhost\r\n" + (UPGRADE if "socket" in head else "") + "\r\n"
        path = self.folder / name
        path.write_bytes(b"%08x\n%s" % (len(text), text.encode()))
        return str(path)

    def done(self, mode: str, head: str, *words: str) -> subprocess.CompletedProcess[str]:
        nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
        words = tuple(self.words(mode, head, *words))
        return subprocess.run(words, stdin=nothing, stdout=pipe, stderr=pipe, text=True, timeout=WITHIN, check=False)

    def run(self, mode: str, head: str, *words: str) -> dict[str, Any]:
        done = self.done(mode, head, *words)
        assert done.returncode in (0, 1), done.stderr
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told | {"status": done.returncode}

    async def beside(self, mode: str, head: str, *words: str) -> dict[str, Any]:
        """As `run`, with a server in this process."""
        process = await asyncio.create_subprocess_exec(*self.words(mode, head, *words), stdout=-1, stderr=-1)
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN)
        told: dict[str, Any] = json.loads(out)
        return told
