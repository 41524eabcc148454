"""Tickets of a real realm: into Qlik without a form, and the form for who has none."""

import base64
import re
from pathlib import Path

import pytest
from a_realm import PASSWORD, REALM, SERVICE, Realm
from a_site import Site, call, greeting, site
from kerberos_sites import Initiator, answered, asked, login


def statuses(said: str) -> list[int]:
    return [int(status) for status in re.findall(r"^HTTP/1\.1 (\d+)", said, re.MULTILINE)]


async def opened(kdc: Realm, environ: dict[str, str], qlik: Site, *more: str) -> str:
    """A deep link, opened by curl as a browser would: what all answers said."""
    jar = str(qlik.directory / "jar")
    cookies = ["--cookie-jar", jar, "--cookie", jar]
    headers = ["-H", "Accept: text/html", "--location", "--include"]
    return await kdc.curl(environ, *cookies, *headers, *more, f"{qlik.origin}/sales/hub/?x=1")


def session_of(qlik: Site) -> dict[str, str]:
    found = re.search(r"(X-Qlik-Session-sales-HTTP)\t(\S+)", (qlik.directory / "jar").read_text())
    assert found is not None
    return {"Cookie": f"{found[1]}={found[2]}"}


async def test_a_ticket_leads_to_qlik_without_a_form(kdc: Realm, ticket: dict[str, str], qlik: Site) -> None:
    said = await opened(kdc, ticket, qlik, "--negotiate", "--user", ":")
    assert statuses(said)[-2:] == [303, 200], said
    assert f"Location: {qlik.origin}/sales/hub/?x=1" in said
    async with qlik.engine(qlik.browser(**session_of(qlik))) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


async def test_who_has_no_ticket_logs_in_with_the_form_below_the_challenge(qlik: Site) -> None:
    person = qlik.browser()
    async with person.get("/sales/hub/") as page:
        text = await page.text()
        assert (page.status, page.headers["WWW-Authenticate"]) == (401, "Negotiate")
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))
    assert 'name="password"' in text
    form |= {"name": "ann", "password": "correct horse"}
    async with person.post(page.url, data=form) as hub:
        assert hub.status == 200
    async with qlik.engine(person) as ws:
        await greeting(ws)
        assert (await call(ws, "GetAuthenticatedUser"))["qReturn"] == "UserDirectory=SALES; UserId=ann"


async def test_a_program_that_could_but_has_no_ticket_sees_the_same_page(kdc: Realm, qlik: Site) -> None:
    nobody = kdc.environ | {"KRB5CCNAME": f"FILE:{qlik.directory}/nothing"}
    said = await opened(kdc, nobody, qlik, "--negotiate", "--user", ":")
    assert statuses(said)[-1] == 401
    assert 'name="password"' in said


async def test_the_browser_learns_that_this_is_whom_it_meant(qlik: Site, ann: Initiator) -> None:
    status, _, proof = await answered(qlik, ann.header())
    assert status == 303
    assert ann.finish(proof)


async def test_the_same_ticket_twice_is_refused(qlik: Site, ann: Initiator) -> None:
    header = ann.header()
    assert await asked(qlik, header) == (303, "")
    assert await asked(qlik, header) == (403, "kerberos_replayed")


async def test_a_new_ticket_from_the_same_person_is_none_of_the_old_ones(qlik: Site, ann: Initiator) -> None:
    for _ in range(3):
        assert await asked(qlik, ann.header()) == (303, "")


NTLM = base64.b64encode(b"NTLMSSP\0\1\0\0\0\7\x82\x08\xa2").decode()
ODD = {
    "NTLM": (f"Negotiate {NTLM}", "kerberos_ntlm"),
    "NTLM within SPNEGO": (
        "Negotiate " + base64.b64encode(b"\x60\x28\x06\x06\x2b\x06\x01\x05\x05\x02NTLMSSP\0").decode(),
        "kerberos_ntlm",
    ),
    "no base64": ("Negotiate %%%", "kerberos_malformed"),
    "nothing": ("Negotiate ", "kerberos_malformed"),
    "odd letters": ("nEGOTIATE YQ==\xe9", "kerberos_malformed"),
    "garbage": ("Negotiate " + base64.b64encode(b"garbage" * 100).decode(), "kerberos_refused"),
    "an offer without a ticket": (
        "Negotiate YCgGBisGAQUFAqAeMBygGjAYBgkqhkiG9xIBAgIGCyqGSIb3EgECAgIA",
        "kerberos_incomplete",
    ),
    "an empty token of SPNEGO": ("Negotiate YAA=", "kerberos_refused"),
}


@pytest.mark.parametrize(("header", "word"), ODD.values(), ids=ODD)
async def test_what_is_no_ticket_is_refused_with_its_own_word(qlik: Site, header: str, word: str) -> None:
    assert await asked(qlik, header) == (403, word)


@pytest.mark.parametrize("scheme", ["Basic YW5uOng=", "Bearer x", "NTLM " + NTLM, "NegotiateX y"])
async def test_anything_but_negotiate_is_asked_for_a_ticket(qlik: Site, scheme: str) -> None:
    assert await asked(qlik, scheme) == (401, "")


async def test_a_ticket_that_was_changed_on_the_way_is_refused(qlik: Site, ann: Initiator) -> None:
    token = bytearray(base64.b64decode(ann.header().partition(" ")[2]))
    token[-20] ^= 1
    assert await asked(qlik, f"Negotiate {base64.b64encode(bytes(token)).decode()}") == (403, "kerberos_refused")


async def test_an_administrators_or_a_services_principal_is_no_person(qlik: Site, kdc: Realm) -> None:
    bob = Initiator(kdc.log_in("bob/admin"))
    assert await asked(qlik, bob.header()) == (403, "kerberos_no_person")


async def test_a_ticket_for_another_service_is_refused_though_its_key_is_here(
    tmp_path: Path, kdc: Realm, ann: Initiator
) -> None:
    both = kdc.keytab("both.keytab", f"HTTP/other.test@{REALM}", f"HTTP/third.test@{REALM}")
    text = login(both).replace(SERVICE, f"HTTP/third.test@{REALM}")
    async with site(tmp_path, vp=text) as qlik:
        assert await asked(qlik, ann.header(f"HTTP/other.test@{REALM}")) == (403, "kerberos_refused")
        assert await asked(qlik, ann.header(f"HTTP/third.test@{REALM}")) == (303, "")


async def test_people_of_a_realm_that_is_not_listed_are_not_let_in(
    tmp_path: Path, keytab: Path, ann: Initiator
) -> None:
    async with site(tmp_path, vp=login(keytab).replace(f"realms: {REALM}", "realms: OTHER.TEST")) as qlik:
        assert await asked(qlik, ann.header()) == (403, "kerberos_wrong_realm")


async def test_a_keytab_that_is_replaced_is_used_at_once(tmp_path: Path, kdc: Realm, ann: Initiator) -> None:
    service = f"HTTP/rotated.test@{REALM}"
    keytab = kdc.keytab("rotated.keytab", service)
    async with site(tmp_path, vp=login(keytab).replace(SERVICE, service)) as qlik:
        assert await asked(qlik, ann.header(service)) == (303, "")
        keytab.unlink()
        assert await asked(qlik, ann.header(service)) == (503, "kerberos_no_key")
        kdc.run("kadmin.local", "ktadd", "-k", str(keytab), service)
        assert await asked(qlik, Initiator(kdc.log_in("ann")).header(service)) == (303, "")


@pytest.mark.parametrize(
    ("setting", "bound", "expected"),
    [
        ("offered", "yes", (303, "")),
        ("required", "yes", (303, "")),
        ("offered", "no", (303, "")),
        ("required", "no", (403, "kerberos_not_bound")),
        ("offered", "elsewhere", (403, "kerberos_wrong_binding")),
        ("ignored", "elsewhere", (303, "")),
    ],
)
async def test_a_ticket_may_be_bound_to_the_certificate(
    tmp_path: Path, keytab: Path, ann: Initiator, setting: str, bound: str, expected: tuple[int, str]
) -> None:
    async with site(tmp_path, tls=True, vp=login(keytab, f"channel_bindings: {setting}")) as qlik:
        assert qlik.certificates is not None
        to = {"yes": qlik.certificates.certificate, "no": None, "elsewhere": qlik.certificates.client_certificate}
        assert await asked(qlik, ann.header(bound_to=to[bound])) == expected


async def test_no_log_holds_a_ticket(qlik: Site, ann: Initiator, caplog: pytest.LogCaptureFixture) -> None:
    header = ann.header()
    await asked(qlik, header)
    await asked(qlik, header)
    qlik.server.ledger.flush()
    logs = caplog.text + "".join(file.read_text() for file in qlik.directory.glob("*.log"))
    assert "kerberos_replayed" in logs
    assert header.partition(" ")[2][40:80] not in logs
    assert PASSWORD not in logs
