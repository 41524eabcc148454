"""What the login flow may rely on, whichever way to log in it is given. A new method adds one entry to METHODS."""

import asyncio
import secrets
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest
import saml_answers
from joserfc import jwt
from joserfc.jwk import OctKey
from ldap_server import PASSWORD as LDAP_PASSWORD
from ldap_server import SERVICE_PASSWORD, Slapd
from login_site import PASSWORD, password_method, user_file
from oidc_faults import ToldProvider
from saml_site import HERE, make_keys
from waiting import eventually

from qproxy.auth import Accept, Answer, Ask, Challenge, LoginRequest, Method, Reason, Refuse, Send
from qproxy.auth.handoff import JwtHandoff, Terms
from qproxy.auth.kerberos import BadTicket, Kerberos, Ticket
from qproxy.auth.oidc import OpenIdConnect, Wishes
from qproxy.auth.oidc_provider import Client, Provider
from qproxy.auth.saml import Saml
from qproxy.auth.saml import Wishes as SamlWishes
from qproxy.auth.saml_messages import ServiceProvider
from qproxy.auth.token_keys import TokenKeys
from qproxy.auth.trusted_header import Reading, Trust, TrustedHeader
from qproxy.sessions.memory_notes import MemoryNotes


def typed(form: Mapping[str, str], address: str) -> LoginRequest:
    return LoginRequest("sales", address, form)


@dataclass
class Trial:
    """A method and the forms that a right person, a wrong one and nobody would send. Where there is no form, `request`
    makes of it what comes instead; `begins`: what a first visit may be answered with; `refusal`: who is wrong."""

    method: Method
    right: Mapping[str, str]
    wrong: Mapping[str, str]
    nobody: Mapping[str, str]
    user_id: str
    secrets: list[str] = field(default_factory=list)
    request: Callable[[Mapping[str, str], str], LoginRequest] = typed
    begins: tuple[type, ...] = (Ask, Send, Challenge)
    refusal: Refuse = field(default_factory=lambda: Refuse(Reason.WRONG))
    stop: Callable[[], None] = lambda: None
    """Ends what the method asks."""

    async def step(self, form: Mapping[str, str], address: str = "192.0.2.1") -> Answer:
        return await self.method.step(self.request(form, address))


def password_trial(folder: Path) -> Trial:
    return Trial(
        password_method(user_file(folder, "ann", "bob")),
        right={"name": "ann", "password": PASSWORD},
        wrong={"name": "ann", "password": "wrong-canary"},
        nobody={"name": "eve", "password": "wrong-canary"},
        user_id="ann",
        secrets=[PASSWORD, "wrong-canary"],
    )


def header_trial(_: Path) -> Trial:
    def request(form: Mapping[str, str], address: str) -> LoginRequest:
        return LoginRequest("sales", address, peer="10.1.0.7", headers={name: (form[name],) for name in form})

    trust = Trust((ip_network("10.1.0.7"),), secret_header="secret", secrets=("right-canary",))
    return Trial(
        TrustedHeader(trust, Reading("user")),
        right={"user": "ann", "secret": "right-canary"},
        wrong={"user": "ann", "secret": "wrong-canary"},
        nobody={"user": "eve", "secret": "wrong-canary"},
        user_id="ann",
        secrets=["right-canary", "wrong-canary"],
        request=request,
        begins=(Refuse,),
        refusal=Refuse(Reason.REJECTED, word="header_wrong_secret"),
    )


def handoff_trial(_: Path) -> Trial:
    """A token of the portal's key, each time a new one, or of anybody's."""
    keys = {name: OctKey.generate_key(256) for name in ("portal", "")}

    def request(form: Mapping[str, str], address: str) -> LoginRequest:
        if not form:
            return LoginRequest("sales", address)
        sub = form.get("sub", "").encode(errors="replace").decode()
        claims = {"iss": "i", "aud": "a", "sub": sub, "iat": 0, "exp": 60, "jti": secrets.token_hex(8)}
        token = jwt.encode({"alg": "HS256"}, claims, keys.get(form.get("key", ""), keys[""]))
        headers = {"origin": ("https://portal.example.com",)}
        return LoginRequest("sales", address, {"token": token}, verb="handoff", headers=headers)

    terms = Terms("https://portal.example.com/", frozenset({"https://portal.example.com"}), "i", "a")
    believed = TokenKeys(["HS256"], (("", keys["portal"]),))
    return Trial(
        JwtHandoff(believed, terms, MemoryNotes(lambda: 0.0), lambda: 0.0),
        right={"sub": "ann", "key": "portal"},
        wrong={"sub": "ann", "key": "another"},
        nobody={"sub": "eve", "key": "another"},
        user_id="ann",
        request=request,
        refusal=Refuse(Reason.REJECTED, word="handoff_wrong_signature"),
    )


def kerberos_trial(_: Path) -> Trial:
    """Tickets are opened by whoever knows the key; tests/kerberos has real ones."""

    def accept(token: bytes) -> Ticket:
        name, _, rest = token.decode(errors="replace").partition(" ")
        if not rest.startswith("right-canary "):
            raise BadTicket("kerberos_refused", "another key")
        return Ticket(f"{name}@EXAMPLE.COM", b"proof")

    def request(form: Mapping[str, str], address: str) -> LoginRequest:
        ticket = " ".join((*form.values(), secrets.token_hex(8))).encode("utf-8", "surrogatepass")
        field = f"Negotiate {b64encode(ticket).decode()}"
        return LoginRequest("sales", address, headers={"authorization": (field,)} if form else {})

    return Trial(
        Kerberos(accept, frozenset({"EXAMPLE.COM"}), MemoryNotes(lambda: 0.0), lambda: 0.0),
        right={"name": "ann", "key": "right-canary"},
        wrong={"name": "ann", "key": "wrong-canary"},
        nobody={"name": "eve", "key": "wrong-canary"},
        user_id="ann",
        secrets=["right-canary", "wrong-canary"],
        request=request,
        begins=(Challenge,),
        refusal=Refuse(Reason.REJECTED, word="kerberos_refused"),
    )


def ldap_trial(folder: Path) -> Trial:
    slapd = Slapd(folder / "slapd").prepare().start()
    return Trial(
        slapd.method(),
        right={"name": "anna", "password": LDAP_PASSWORD},
        wrong={"name": "anna", "password": "wrong-canary"},
        nobody={"name": "eve", "password": "wrong-canary"},
        user_id="anna",
        secrets=[LDAP_PASSWORD, SERVICE_PASSWORD, "wrong-canary"],
        stop=slapd.stop,
    )


def oidc_trial(_: Path) -> Trial:
    """tests/flows has a real provider, tests/test_oidc_faults.py a wrong one."""

    def request(form: Mapping[str, str], address: str) -> LoginRequest:
        if not form:
            return LoginRequest("sales", address, here="https://bi.example.com/qproxy/login/sales/oidc")
        code = {"code": f"{form['name']} {form['proof']}"} if "name" in form else {}
        return LoginRequest("sales", address, query=code, verb="callback", kept={"nonce": "n", "verifier": "v"})

    provider = Provider(Client("https://idp.example", "qproxy"), ToldProvider(), lambda: 0.0)
    return Trial(
        OpenIdConnect("oidc", provider, Wishes(), lambda: 0.0, MemoryNotes(lambda: 0.0)),
        right={"name": "ann", "proof": "right-canary"},
        wrong={"name": "ann", "proof": "wrong-canary"},
        nobody={"name": "eve", "proof": "wrong-canary"},
        user_id="ann",
        secrets=["right-canary", "wrong-canary"],
        request=request,
        begins=(Send,),
        refusal=Refuse(Reason.STALE, word="oidc_code_refused"),
    )


def saml_trial(folder: Path) -> Trial:
    """An answer that the provider's key signed, each time a new one, or anybody's; tests/flows has a real provider."""
    make_keys(folder, "idp", "another")

    def request(form: Mapping[str, str], address: str) -> LoginRequest:
        if not form:
            return LoginRequest("sales", address, here=HERE)
        key = folder / ("idp_key.pem" if form.get("key") == "idp" else "another_key.pem")
        posted = {"SAMLResponse": saml_answers.answer(key, form.get("name", ""), "_1")}
        return LoginRequest("sales", address, posted, verb="acs", kept={"id": "_1"}, here=HERE)

    provider = ServiceProvider(saml_answers.metadata_of(folder / "idp.pem"))
    return Trial(
        Saml("saml", provider, SamlWishes(), MemoryNotes(time.time), time.time),
        right={"name": "ann", "key": "idp"},
        wrong={"name": "ann", "key": "another"},
        nobody={"name": "eve", "key": "another"},
        user_id="ann",
        request=request,
        begins=(Send,),
        refusal=Refuse(Reason.REJECTED, word="saml_bad_signature"),
    )


METHODS: dict[str, Callable[[Path], Trial]] = {
    "password_file": password_trial,
    "ldap": ldap_trial,
    "oidc": oidc_trial,
    "saml": saml_trial,
    "trusted_header": header_trial,
    "jwt_handoff": handoff_trial,
    "kerberos": kerberos_trial,
}


@pytest.fixture(params=list(METHODS.values()), ids=list(METHODS))
async def trial(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Trial]:
    made = request.param(tmp_path)
    yield made
    await made.method.close()
    made.stop()


async def test_a_login_begins_with_a_form_or_a_journey(trial: Trial) -> None:
    answer = await trial.step({})
    assert isinstance(answer, trial.begins)
    assert not isinstance(answer, Ask) or answer.fields


async def test_who_is_right_is_accepted(trial: Trial) -> None:
    answer = await trial.step(trial.right)
    assert isinstance(answer, Accept)
    assert answer.user_id == trial.user_id


async def test_who_is_wrong_is_refused_and_may_try_again(trial: Trial) -> None:
    assert await trial.step(trial.wrong) == trial.refusal
    assert isinstance(await trial.step(trial.right), Accept)


async def test_a_person_who_does_not_exist_is_refused_in_the_same_words(trial: Trial) -> None:
    assert await trial.step(trial.nobody) == await trial.step(trial.wrong)


async def test_no_answer_carries_a_secret(trial: Trial) -> None:
    answers = [await trial.step(form) for form in ({}, trial.right, trial.wrong, trial.nobody)]
    assert [secret for secret in trial.secrets if secret in repr(answers)] == []


@pytest.mark.parametrize("junk", ["", " ", "\x00", "\ud800", "a\\b", "a" * 100_000, "é" * 300, "ann\n", "%s", "*"])
async def test_whatever_is_typed_gets_an_answer_and_no_way_in(trial: Trial, junk: str) -> None:
    for name in trial.right:
        assert isinstance(await trial.step({**trial.wrong, name: junk}), Refuse)
    assert isinstance(await trial.step({"unknown": junk}), Refuse)


async def test_people_who_log_in_at_once_are_not_mixed_up(trial: Trial) -> None:
    forms = [trial.right, trial.wrong, trial.nobody] * 4
    answers = await asyncio.gather(*(trial.step(form, f"192.0.2.{n}") for n, form in enumerate(forms)))
    assert [isinstance(answer, Accept) for answer in answers] == [True, False, False] * 4


async def test_closing_ends_its_threads_and_may_be_done_twice(trial: Trial) -> None:
    before = set(threading.enumerate())
    await asyncio.gather(*(trial.step(trial.right, f"192.0.2.{n}") for n in range(4)))
    own = [one for one in set(threading.enumerate()) - before if one.name.startswith("qproxy")]
    await trial.method.close()
    await trial.method.close()
    await eventually(lambda: not any(one.is_alive() for one in own))


def test_every_method_has_a_name_of_its_own(tmp_path: Path) -> None:
    async def names() -> list[str]:
        trials = [make(tmp_path) for make in METHODS.values()]
        for one in trials:
            await one.method.close()
            one.stop()
        return [one.method.name for one in trials]

    assert asyncio.run(names()) == list(METHODS)
