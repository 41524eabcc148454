"""Runs a Node script that drives a real Qlik client, and hands back what the client saw as a transcript.

The script prints one JSON object a line. {"event": ...} belongs to the transcript; {"ask": ...} is a request to this
side, which acts and then writes one line to the script's stdin, so neither ever sleeps to let the other catch up.
"""

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from extras import part_missing
from needs import require

HERE = Path(__file__).resolve().parent
SECONDS = 60.0
LONGEST_LINE = 2**24

Line = dict[str, Any]
# Does what the script asks for: (what, the whole line).
Answerer = Callable[[str, Line], Awaitable[None]]


class ClientScriptError(Exception):
    """The script failed, hung or said something that is no transcript; the text has its stderr."""


def node_clients_present() -> bool:
    """Whether Node and the clients of package-lock.json are installed."""
    return all(part_missing(name) is None for name in ("node", "npm-clients"))


def require_node_clients() -> None:
    """Skip the running test loudly without them; with QPROXY_REQUIRE_EXTRAS=1 fail it."""
    for name in ("node", "npm-clients"):
        require(name)


async def transcript(
    script: str, options: dict[str, object], answer: Answerer | None = None, seconds: float = SECONDS
) -> list[Line]:
    """The events of `node script options`, in order; raises ClientScriptError.

    `ca_file` among the options is the certificate authority that the client trusts beside the usual ones.
    """
    process = await _start(script, options)
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    events: list[Line] = []
    why = ""
    try:
        async with asyncio.timeout(seconds):
            await _converse(process, events, answer)
            await process.wait()
    except TimeoutError:
        why = f"not done within {seconds:g} s"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        said = (await errors).decode(errors="replace")
    why = why or (f"ended with status {process.returncode}" if process.returncode else "")
    if why:
        raise ClientScriptError(f"{script} {options.get('scenario')}: {why}\n{said}\nits last events: {events[-5:]}")
    return events


async def _start(script: str, options: dict[str, object]) -> Process:
    return await asyncio.create_subprocess_exec(
        *("node", str(HERE / script), json.dumps(options)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=LONGEST_LINE,
        env=os.environ | ({"NODE_EXTRA_CA_CERTS": str(options["ca_file"])} if options.get("ca_file") else {}),
    )


async def _converse(process: Process, events: list[Line], answer: Answerer | None) -> None:
    assert process.stdout is not None
    assert process.stdin is not None
    async for text in process.stdout:
        line = json.loads(text)
        if "ask" not in line:
            events.append(line)
            continue
        if answer is None:
            raise ClientScriptError(f"nobody answers {line}")
        await answer(line["ask"], line)
        process.stdin.write(b"done\n")
        await process.stdin.drain()
