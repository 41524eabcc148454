"""What is made of a ticket once the system's Kerberos opened it. Real tickets are in tests/kerberos."""

import base64
import threading
from pathlib import Path

import pytest
from a_realm import use_gssapi
from config_site import SALES, SERVER, ConfigSite

from qproxy.auth import Accept, Answer, Challenge, LoginRequest, Reason, Refuse
from qproxy.auth.kerberos import REMEDY, Kerberos, NoKey, Ticket
from qproxy.notes import Notes
from qproxy.sessions.memory_notes import MemoryNotes


def vouched(principal: str) -> Kerberos:
    """Whatever token comes, it is that principal's."""
    return method(lambda _: Ticket(principal, b"proof"))


def method(accept: object, notes: Notes | None = None) -> Kerberos:
    realms = frozenset({"EXAMPLE.COM"})
    return Kerberos(accept, realms, notes or MemoryNotes(lambda: 0.0), lambda: 0.0)  # type: ignore[arg-type]


async def step(tried: Kerberos, token: bytes = b"a ticket") -> Answer:
    headers = {"authorization": (f"Negotiate {base64.b64encode(token).decode()}",)}
    answer = await tried.step(LoginRequest("sales", "192.0.2.1", headers=headers))
    await tried.close()
    return answer


async def test_who_has_sent_no_ticket_is_asked_for_one() -> None:
    tried = vouched("anna@EXAMPLE.COM")
    assert await tried.step(LoginRequest("sales", "192.0.2.1")) == Challenge("Negotiate")
    twice = LoginRequest("sales", "192.0.2.1", headers={"authorization": ("Negotiate YQ==", "Negotiate YQ==")})
    assert await tried.step(twice) == Challenge("Negotiate")


async def test_the_principal_becomes_a_user_and_claims_and_the_server_answers() -> None:
    claims = {"principal": ("anna@EXAMPLE.COM",), "name": ("anna",), "realm": ("EXAMPLE.COM",)}
    expected = Accept("anna", claims=claims, answer="Negotiate " + base64.b64encode(b"proof").decode())
    assert await step(vouched("anna@EXAMPLE.COM")) == expected


ODD = ["anna", "@EXAMPLE.COM", "anna@", "anna/admin@EXAMPLE.COM", "PC1$@EXAMPLE.COM", "anna\\@evil@EXAMPLE.COM"]
ODD += ["anna@EXAMPLE.COM\n", "anna@evil@EXAMPLE.COM", " anna@EXAMPLE.COM", "anna @EXAMPLE.COM", "änna@EXAMPLE.COM", ""]


@pytest.mark.parametrize("principal", ODD)
async def test_an_odd_principal_is_nobody(principal: str) -> None:
    assert await step(vouched(principal)) == Refuse(Reason.DENIED, word="kerberos_no_person")


@pytest.mark.parametrize("realm", ["example.com", "EVIL.EXAMPLE.COM", "EXAMPLE.COM.EVIL", "OTHER"])
async def test_another_realm_is_refused_in_any_spelling(realm: str) -> None:
    assert await step(vouched(f"anna@{realm}")) == Refuse(Reason.DENIED, word="kerberos_wrong_realm")


async def test_a_ticket_that_another_machine_took_is_refused_here() -> None:
    notes = MemoryNotes(lambda: 0.0)
    one, other = (method(lambda _: Ticket("anna@EXAMPLE.COM"), notes) for _ in range(2))
    assert isinstance(await step(one), Accept)
    assert await step(other) == Refuse(Reason.REJECTED, word="kerberos_replayed")


async def test_a_keytab_that_cannot_be_used_is_the_administrators_to_mend(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: bytes) -> Ticket:
        raise NoKey("qproxy.keytab has no key of HTTP/bi.example.com@EXAMPLE.COM")

    assert await step(method(fail)) == Refuse(Reason.UNAVAILABLE, word="kerberos_no_key")
    assert "nobody can log in with a ticket: qproxy.keytab has no key" in caplog.text


async def test_tickets_are_opened_beside_the_loop() -> None:
    names: list[str] = []

    def accept(_: bytes) -> Ticket:
        names.append(threading.current_thread().name)
        return Ticket("anna@EXAMPLE.COM")

    await step(method(accept))
    assert names[0].startswith("qproxy-kerberos")


def test_each_refusal_stands_in_the_documentation() -> None:
    text = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [word for word in (*REMEDY, "kerberos_no_key") if f"`{word}`" not in text] == []


# --- the configuration ---

GOOD = "keytab: ../certs/qproxy.keytab\n    service: HTTP/bi.example.com@EXAMPLE.COM\n    realms: EXAMPLE.COM"


def problems(folder: Path, old: str = "", new: str = "", server: str = SERVER) -> list[str]:
    use_gssapi()
    site = ConfigSite(folder).with_files()
    login = f"login:\n  - method: kerberos\n    {GOOD.replace(old, new)}"
    return site.write(server, sales=SALES.replace("anonymous: always", login)).problems()


def test_keytab_service_and_realm_are_enough(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


ROWS = [
    ("keytab: ../certs/qproxy.keytab", "keytab: gone", "keytab: ", "cannot be read"),
    ("HTTP/bi", "host/bi", "service: ", "must be HTTP/host@REALM"),
    ("@EXAMPLE.COM", "", "service: ", "must be HTTP/host@REALM"),
    ("realms: EXAMPLE.COM", "realms: []", "realms: ", "must not be empty"),
    (
        "realms: EXAMPLE.COM",
        "realms: A\n    channel_bindings: required",
        "channel_bindings: ",
        "public.tls is not given",
    ),
]


@pytest.mark.parametrize(("old", "new", "key", "text"), ROWS, ids=[row[1] for row in ROWS])
def test_what_cannot_work_is_refused_when_the_configuration_is_read(
    tmp_path: Path, old: str, new: str, key: str, text: str
) -> None:
    found = problems(tmp_path, old, new)
    assert [problem for problem in found if f"login[0].{key}" in problem and text in problem], found


def test_without_the_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qproxy.config.vouched_rules.find_spec", lambda _: None)
    assert "pip install 'qproxy[kerberos]'" in problems(tmp_path)[0]


def test_on_windows_the_way_around_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert "use trusted_header" in problems(tmp_path)[0]
