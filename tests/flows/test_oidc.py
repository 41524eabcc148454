"""Through a real OpenID provider into Qlik: the deep link, the form of the provider, back, and who Qlik says it is."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from a_site import APP
from joserfc.jwk import ECKey
from oidc_evening import SHEET, Evening, evening, who
from oidc_site import SECRET, at_the_provider
from waiting import eventually
from yarl import URL


@pytest.fixture
async def oidc(tmp_path: Path) -> AsyncIterator[Evening]:
    async with evening(tmp_path) as built:
        yield built


async def test_a_deep_link_leads_through_the_provider_and_qlik_knows_the_person(oidc: Evening) -> None:
    person = oidc.site.browser()
    assert await oidc.log_in(person) == oidc.site.origin + SHEET
    assert await who(oidc.site, person) == "UserDirectory=SALES; UserId=ann"


PROOFS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "client_secret_basic": ({}, {}),
    "client_secret_post": ({"token_endpoint_auth_method": "client_secret_post"}, {"client_auth": "client_secret_post"}),
}


@pytest.mark.parametrize("proof", PROOFS)
async def test_the_client_proves_itself_in_each_way(tmp_path: Path, proof: str) -> None:
    there, here = PROOFS[proof]
    async with evening(tmp_path, there, **here) as oidc:
        person = oidc.site.browser()
        assert await oidc.log_in(person) == oidc.site.origin + SHEET


async def test_a_client_signs_with_its_private_key(tmp_path: Path) -> None:
    made = ECKey.generate_key("P-256", parameters={"kid": "key-1", "use": "sig", "alg": "ES256"})
    key = tmp_path / "client_key.pem"
    key.write_bytes(made.as_pem(private=True))
    key.chmod(0o600)
    there = {
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "client_secret": None,
        "jwks": {"keys": [made.as_dict(private=False)]},
    }
    here: dict[str, Any] = {"client_secret_file": None, "private_key": str(key), "private_key_id": "key-1"}
    async with evening(tmp_path, there, **here) as oidc:
        assert await oidc.log_in(oidc.site.browser()) == oidc.site.origin + SHEET


async def test_a_client_without_a_secret_has_pkce_alone(tmp_path: Path) -> None:
    there = {"token_endpoint_auth_method": "none", "client_secret": None}
    async with evening(tmp_path, there, client_secret_file=None) as oidc:
        assert await oidc.log_in(oidc.site.browser()) == oidc.site.origin + SHEET


async def test_tabs_log_in_side_by_side_and_each_comes_to_its_own_page(oidc: Evening) -> None:
    person = oidc.site.browser()
    targets = [f"/sales/sense/app/{APP}?tab={number}" for number in range(3)]
    await oidc.away(person)  # the first page of a browser gives it its binding cookie
    async with oidc.provider.visitor() as there:
        aways = [await oidc.away(person, target) for target in targets]
        backs = [await at_the_provider(there, address, "ann", oidc.back) for address in aways]
    ends = [await oidc.sent(person, back) for back in reversed(backs)]
    assert ends == [oidc.site.origin + target for target in reversed(targets)]


async def test_the_back_button_leads_on_without_a_second_login(oidc: Evening) -> None:
    person = oidc.site.browser()
    async with oidc.provider.visitor() as there:
        back = await at_the_provider(there, await oidc.away(person), "ann", oidc.back)
    first, again = [await oidc.sent(person, back) for _ in range(2)]
    assert first == oidc.site.origin + SHEET
    assert again.startswith(oidc.site.origin)
    assert len(oidc.site.node.sessions("sales")) <= 1


async def test_a_login_that_began_in_another_browser_is_refused(oidc: Evening) -> None:
    villain, victim = oidc.site.browser(), oidc.site.browser()
    async with oidc.provider.visitor() as there:
        back = await at_the_provider(there, await oidc.away(villain), "eve", oidc.back)
    await oidc.away(victim)
    assert await oidc.site.status(victim, back) == 403
    assert oidc.site.cookie(victim) == ""


async def test_the_provider_is_given_the_hint_and_the_parameters_of_the_configuration(tmp_path: Path) -> None:
    async with evening(tmp_path, parameters={"prompt": "login", "acr_values": "mfa one"}, max_age="1h") as oidc:
        page = await oidc.sent(oidc.site.browser(), "/sales/hub/")
        asked = parse_qs(urlsplit(await oidc.sent(oidc.site.browser(), f"{page}&login_hint=ann%40acme.example")).query)
    told = {name: asked[name] for name in ("prompt", "acr_values", "max_age", "login_hint", "code_challenge_method")}
    assert list(told.values()) == [["login"], ["mfa one"], ["3600"], ["ann@acme.example"], ["S256"]]


async def test_with_max_age_the_provider_says_when_the_person_logged_in_there(tmp_path: Path) -> None:
    async with evening(tmp_path, max_age=0) as oidc:
        assert await oidc.log_in(oidc.site.browser()) == oidc.site.origin + SHEET


async def test_a_claim_that_is_required_and_not_there_keeps_people_out(tmp_path: Path) -> None:
    async with evening(tmp_path, require={"groups": ["IT"]}) as oidc:
        person = oidc.site.browser()
        async with oidc.provider.visitor() as there:
            back = await at_the_provider(there, await oidc.away(person), "ann", oidc.back)
        async with person.get(oidc.site.url(back), allow_redirects=False) as page:
            assert (page.status, "oidc_claim_required" in await page.text()) == (403, True)


async def test_who_presses_cancel_at_the_provider_gets_a_page(oidc: Evening) -> None:
    person = oidc.site.browser()
    async with oidc.provider.visitor() as there:
        address = await oidc.away(person)
        async with there.get(URL(address, encoded=True), allow_redirects=True) as form:
            found = re.search(r'href="([^"]*/abort)"', await form.text())
        assert found is not None
        back = await at_the_provider(there, str(form.url.join(URL(found[1]))), "ann", oidc.back)
    async with person.get(oidc.site.url(back), allow_redirects=False) as page:
        assert (page.status, "oidc_access_denied" in await page.text()) == (403, True)


async def test_neither_code_nor_token_nor_secret_stands_in_a_log(
    oidc: Evening, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    person = oidc.site.browser()
    async with oidc.provider.visitor() as there:
        back = await at_the_provider(there, await oidc.away(person), "ann", oidc.back)
    await oidc.sent(person, back)
    await eventually(lambda: "oidc/callback" in (tmp_path / "access.log").read_text())
    brought = parse_qs(urlsplit(back).query)
    logs = caplog.text + "".join((tmp_path / f"{name}.log").read_text() for name in ("access", "audit"))
    assert [name for name in ("code", "state") if brought[name][0] in logs] == []
    assert SECRET not in logs


async def test_a_provider_of_another_authority_is_not_asked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with evening(tmp_path, ca=None) as oidc:
        person = oidc.site.browser()
        login = await oidc.sent(person, SHEET)
        async with person.get(oidc.site.url(login), allow_redirects=False) as page:
            assert (page.status, "oidc_discovery_tls" in await page.text()) == (503, True)
    assert "is `ca` the authority" in caplog.text


class Tunnels:
    """A forward proxy that notes to whom it was asked to lead."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split()[1].decode()
        self.asked.append(f"{head.split()[0].decode()} {target}")
        there, on = await asyncio.open_connection(*target.split(":"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(self._copy(reader, on), self._copy(there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()


async def test_the_provider_is_asked_through_the_forward_proxy(tmp_path: Path) -> None:
    tunnels = Tunnels()
    async with await asyncio.start_server(tunnels.serve, "127.0.0.1", 0) as listener:
        proxy = "http://{}:{}".format(*listener.sockets[0].getsockname())
        async with evening(tmp_path, proxy=proxy) as oidc:
            assert await oidc.log_in(oidc.site.browser()) == oidc.site.origin + SHEET
    assert set(tunnels.asked) == {f"CONNECT {urlsplit(oidc.provider.issuer).netloc}"}
