"""What an evening leaves in the access log: a line for each request, own pages included."""

import json
from pathlib import Path
from typing import Any

from a_site import site
from waiting import eventually


def lines_of(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "access.log").read_text("utf-8").splitlines()]


async def test_every_step_of_a_login_has_its_line(tmp_path: Path) -> None:
    async with site(tmp_path) as qlik:
        person = qlik.browser()
        await qlik.log_in(person)
        await qlik.status(person, "/sales/hub/")
        await eventually(lambda: len(lines_of(tmp_path)) == 4)
    steps = sorted(lines_of(tmp_path), key=lambda line: str(line["id"]))
    assert [(step["method"], step["status"], step["failure"]) for step in steps] == [
        ("GET", 302, "not_logged_in"),
        ("GET", 200, "-"),
        ("POST", 303, "-"),
        ("GET", 200, "-"),
    ]
    assert [step["user"] for step in steps] == ["-", "-", "-", "SALES\\ann"]
    assert [step["sent"] > 0 for step in steps] == [False, True, False, True]
    assert {step["vp"] for step in steps} == {"sales"}
