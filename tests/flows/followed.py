"""Following redirects as a browser does, and who is logged in at Qlik: for the evenings of all modes."""

from collections.abc import Mapping

import aiohttp
from a_site import APP, Site

COOKIE = "X-Qlik-Session-sales"
PROGRAM = {"Accept": "application/json"}
SHEET = f"/sales/sense/app/{APP}/sheet/s1?a=%2Fb+c;d"


def names(qlik: Site) -> list[str]:
    return [session.user for session in qlik.node.sessions("sales")]


async def through(
    qlik: Site, person: aiohttp.ClientSession, target: str, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """As a browser follows, with the target's bytes as they are: the status at the end, and where that was."""
    for _ in range(6):
        async with person.get(qlik.url(target), allow_redirects=False, headers=headers) as answer:
            await answer.read()
            if answer.status // 100 != 3:
                return answer.status, target.removeprefix(qlik.origin)
            target = answer.headers["Location"]
    raise AssertionError(f"a loop, at {target}")
