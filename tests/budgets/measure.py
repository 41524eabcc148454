"""Measures the operations and prints the figures; `--write` makes them the budgets, `--json` is what the tests read."""

import argparse
import asyncio
import json
import platform
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from budgets.counting import Figures, StillLoop, figures
from budgets.operations import OPERATIONS, WARM
from budgets.paper_site import paper_site

BUDGETS = Path(__file__).with_name("budgets.yaml")


async def measured() -> dict[str, Figures]:
    found = {}
    for name, prepare in OPERATIONS.items():
        async with paper_site() as site:
            found[name] = await figures(prepare(site), site.settled, site.tally, WARM.get(name, 3))
    return found


def write(found: dict[str, Figures]) -> None:
    """New figures, the same sentences."""
    text = BUDGETS.read_text(encoding="utf-8")
    comment = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    known = yaml.safe_load(text)
    known["python"] = python()
    for name, one in found.items():
        known["operations"][name].update(one)
    BUDGETS.write_text(comment + yaml.safe_dump(known, sort_keys=False, width=116), encoding="utf-8")


def python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def main() -> None:
    wishes = argparse.ArgumentParser(description=__doc__)
    wishes.add_argument("--write", action="store_true", help="make these figures the budgets")
    wishes.add_argument("--json", action="store_true", help="print them for a program")
    wanted = wishes.parse_args()
    with asyncio.Runner(loop_factory=StillLoop) as runner:
        found = runner.run(measured())
    if wanted.write:
        write(found)
    print(json.dumps(found) if wanted.json else yaml.safe_dump(found, sort_keys=False))  # noqa: T201


if __name__ == "__main__":
    main()
