"""Qlik's own login pages: nobody reaches them through qproxy, however they are spelled."""

from pathlib import Path

import pytest
from security.behind import scripted

SPELLINGS = [
    "/internal_windows_authentication/",
    "/internal_windows_authenticatio%6e/",
    "/internal_windows_a%75thentication/",
    "/internal_windows_authenticatio%256e/?targetId=1",
    "//internal_windows_authentication/",
    "/%2finternal_windows_authentication/",
    "/x/internal_forms_authentication/",
    "/INTERNAL%5fFORMS_AUTHENTICATION",
    "/internal_forms_authentication%20/",
    "/internal_forms_authentication./",
    "/internal_forms_authentication;x=1/",
    "/windows_authentication",
]


@pytest.mark.parametrize("anonymous", ["none", "allow"])
async def test_no_spelling_of_qliks_login_reaches_qlik(
    tmp_path: Path, anonymous: str, subtests: pytest.Subtests
) -> None:
    async with scripted(tmp_path, vp=f"anonymous: {anonymous}\nallowed_origins: https://portal.example") as qlik:
        cookie = await qlik.login()
        for area in SPELLINGS:
            with subtests.test(area):
                for field in (cookie, "Accept: */*"):
                    assert (await qlik.ask(f"GET /sales{area}", field)).status == 401
                preflight = await qlik.ask(f"OPTIONS /sales{area}", "Origin: https://portal.example")
                assert preflight.status == 401
        assert qlik.heads == []


@pytest.mark.parametrize(
    "path", ["/sales/resources/forms_authentication.css", "/sales/api/authentication", "/sales/x/%3Fauthentication"]
)
async def test_what_only_sounds_like_a_login_passes(tmp_path: Path, path: str) -> None:
    async with scripted(tmp_path) as qlik:
        assert (await qlik.ask(f"GET {path}", await qlik.login())).status == 200
