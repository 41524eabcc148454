"""The runner itself, on scripts that behave and scripts that do not."""

from pathlib import Path

import pytest
from clients.runner import ClientScriptError, Line, transcript
from needs import require

pytestmark = pytest.mark.clients
ASKS = """
process.stdout.write('{"event": "before"}\\n{"ask": "close", "code": 1001}\\n');
process.stdin.once('data', () => { console.log('{"event": "after"}'); process.exit(); });
"""


@pytest.fixture(autouse=True)
def _node() -> None:
    require("node")


def script(at: Path, text: str) -> str:
    path = at / "script.mjs"
    path.write_text(text, encoding="utf-8")
    return str(path)


async def test_a_script_goes_on_when_its_request_is_answered(tmp_path: Path) -> None:
    asked: list[Line] = []

    async def answer(_what: str, line: Line) -> None:
        asked.append(line)

    lines = await transcript(script(tmp_path, ASKS), {}, answer)
    assert lines == [{"event": "before"}, {"event": "after"}]
    assert asked == [{"ask": "close", "code": 1001}]


async def test_a_request_that_nobody_answers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClientScriptError, match="nobody answers"):
        await transcript(script(tmp_path, ASKS), {})


async def test_a_script_that_fails_is_reported_with_what_it_said(tmp_path: Path) -> None:
    text = "console.error('no such host'); process.exit(3);"
    with pytest.raises(ClientScriptError, match=r"status 3\nno such host"):
        await transcript(script(tmp_path, text), {})


async def test_a_script_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ClientScriptError, match="not done within"):
        await transcript(script(tmp_path, "setInterval(() => {}, 1000);"), {}, seconds=0.5)


async def test_the_trusted_authority_reaches_node(tmp_path: Path) -> None:
    text = "console.log(JSON.stringify({ event: process.env.NODE_EXTRA_CA_CERTS }));"
    (tmp_path / "ca.crt").touch()
    lines = await transcript(script(tmp_path, text), {"ca_file": str(tmp_path / "ca.crt")})
    assert lines == [{"event": str(tmp_path / "ca.crt")}]
