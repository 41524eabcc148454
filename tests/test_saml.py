"""SAML: a login at a real identity provider, and every message that must not be believed."""

import base64
import copy
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from needs import require
from saml_site import HERE, Idp, Login, fields_of, login_at, make_keys, running_idp, service_provider

from qproxy.auth import Accept, Call, LoginRequest, Reason, Refuse
from qproxy.auth.saml import Wishes
from qproxy.model import Attributes, Session, User

NS = {"saml": "urn:oasis:names:tc:SAML:2.0:assertion", "ds": "http://www.w3.org/2000/09/xmldsig#"}
SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    require("xmlsec1")
    with running_idp(tmp_path_factory.mktemp("idp")) as running:
        yield running


@pytest.fixture
async def login(idp: Idp) -> AsyncIterator[Login]:
    idp.next()
    made = await login_at(idp)
    yield made
    await made.method.close()


def word(answer: object) -> str:
    assert isinstance(answer, Refuse), answer
    return answer.word


async def test_who_logged_in_at_the_provider_is_known_with_all_attributes(login: Login) -> None:
    answer = await login.answered()
    assert isinstance(answer, Accept)
    assert (answer.user_id, answer.claims["groups"]) == ("ann", ("Sales", "Europe"))
    assert answer.claims["issuer"] == (login.idp.origin + "/metadata",)


async def test_the_user_id_may_be_an_attribute(idp: Idp) -> None:
    idp.next(name_id="x-7f3", attributes={"uid": ["ann"], "groups": ["a", "b"]})
    for attribute, expected in (("uid", "ann"), ("groups", "saml_no_user"), ("mail", "saml_no_user")):
        login = await login_at(idp, wishes=Wishes(attribute))
        answer = await login.answered()
        await login.method.close()
        assert (answer.user_id if isinstance(answer, Accept) else word(answer)) == expected


async def test_an_encrypted_assertion_is_read(login: Login) -> None:
    login.idp.next(encrypt=True)
    seen: list[str] = []

    def look(xml: str) -> str:
        seen.append(xml)
        return xml

    answer = await login.answered(look)
    assert isinstance(answer, Accept)
    assert "EncryptedAssertion" in seen[0]
    assert ">ann<" not in seen[0]


async def test_requests_are_signed_and_no_longer_than_the_protocol_grants(login: Login) -> None:
    address = await login.begin()
    assert "&Signature=" in address
    assert "rsa-sha256" in address


async def test_what_encryption_is_asked_for_is_refused_in_clear(idp: Idp) -> None:
    idp.next()
    login = await login_at(idp, service_provider(idp, encrypted=True))
    assert word(await login.answered()) == "saml_not_encrypted"
    await login.method.close()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"sign_assertion": False}, "saml_unsigned"),
        ({"sign_assertion": False, "sign_response": True}, "saml_unsigned"),
        ({"sign_alg": SHA1}, "saml_weak_signature"),
        ({"audience": "https://other.example/metadata"}, "saml_wrong_audience"),
    ],
)
async def test_an_answer_that_is_made_otherwise_is_refused(login: Login, wanted: dict[str, str], expected: str) -> None:
    login.idp.next(**wanted)
    assert word(await login.answered()) == expected


async def test_an_assertion_is_good_once(login: Login) -> None:
    form = fields_of(login.idp.ask(await login.begin()))
    first, second = [await login.come_back(form) for _ in range(2)]
    assert isinstance(first, Accept)
    assert word(second) == "saml_replayed"


async def test_an_answer_to_another_login_is_refused(login: Login) -> None:
    form = fields_of(login.idp.ask(await login.begin()))
    await login.begin()
    assert word(await login.come_back(form)) == "saml_other_request"


async def test_what_nobody_asked_for_is_refused_unless_it_is_wanted(idp: Idp) -> None:
    idp.next()
    for wishes, accepted in ((Wishes(), False), (Wishes(unsolicited=True), True)):
        login = await login_at(idp, wishes=wishes)
        answer = await login.come_back(fields_of(idp.ask("/unsolicited?RelayState=/sales/hub/")))
        await login.method.close()
        assert answer == Refuse(Reason.STALE) or (isinstance(answer, Accept) and answer.target == "/sales/hub/")
        assert isinstance(answer, Accept) is accepted


async def test_an_answer_to_a_request_is_no_unsolicited_one(idp: Idp) -> None:
    idp.next()
    login = await login_at(idp, wishes=Wishes(unsolicited=True))
    form = fields_of(idp.ask(await login.begin()))
    login.kept = {}
    assert word(await login.come_back(form)) == "saml_other_request"
    await login.method.close()


async def test_another_providers_signature_is_refused(idp: Idp, tmp_path: Path) -> None:
    idp.next()
    make_keys(tmp_path, "other")
    der = "".join((tmp_path / "other.pem").read_text().splitlines()[1:-1])
    mine = re.sub(r"(<[\w:]*X509Certificate>)[^<]*", rf"\g<1>{der}", idp.metadata)
    login = await login_at(idp, replace(service_provider(idp), metadata=mine))
    assert word(await login.answered()) == "saml_bad_signature"
    await login.method.close()


@pytest.mark.parametrize(
    ("pattern", "by", "expected"),
    [
        (r">ann<", ">eve<", "saml_bad_signature"),
        (r'NotOnOrAfter="20\d\d', 'NotOnOrAfter="2001', "saml_expired"),
        (r'(<[\w:]*Conditions NotBefore=)"20\d\d', r'\1"2099', "saml_too_early"),
        (r'Recipient="[^"]*"', 'Recipient="https://other.example/acs"', "saml_wrong_recipient"),
        (r'Destination="[^"]*"', 'Destination="https://other.example/acs"', "saml_wrong_destination"),
        (r"(<[\w:]*Issuer[^>]*>)[^<]*", r"\1https://other.example", "saml_wrong_issuer"),
        (r"status:Success", "status:AuthnFailed", "saml_refused_by_provider"),
        (r"^(<\?xml[^>]*>)?", r'\g<0><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "saml_malformed"),
        (r"</[\w:]*Response>$", "", "saml_malformed"),
        (r"^(.|\n)*$", "no XML", "saml_malformed"),
        (r"^(.|\n)*$", "", "saml_malformed"),
    ],
)
async def test_a_changed_answer_is_refused(login: Login, pattern: str, by: str, expected: str) -> None:
    assert word(await login.answered(lambda xml: re.sub(pattern, by, xml, count=0))) == expected


async def test_a_comment_does_not_cut_a_name(login: Login) -> None:
    """ann<!-- -->@evil.example would be read as "ann" by some parsers, and canonical XML signs neither."""
    login.idp.next(name_id="ann@acme.example")
    answer = await login.answered(lambda xml: xml.replace("ann@acme", "ann<!-- x -->@acme"))
    assert isinstance(answer, Refuse) or answer == Accept("ann@acme.example", claims=answer.claims, tie=answer.tie)  # type: ignore[union-attr]


# --- signature wrapping: the eight known shapes, with somebody else's name in what was not signed ---


def evil(assertion: etree._Element) -> etree._Element:
    made = copy.deepcopy(assertion)
    made.set("ID", "evil")
    for name in made.iterfind(".//saml:NameID", NS):
        name.text = "eve"
    return made


def unsigned(element: etree._Element) -> etree._Element:
    made = copy.deepcopy(element)
    for signature in made.findall("ds:Signature", NS):
        made.remove(signature)
    return made


Shape = Callable[[etree._Element, etree._Element, etree._Element], None]


def before(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    signed.addprevious(unsigned(bad))


def after(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    signed.addnext(unsigned(bad))


def around(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    outer = unsigned(bad)
    root.replace(signed, outer)
    outer.append(signed)


def with_its_signature(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    root.replace(signed, bad)
    root.append(unsigned(signed))


def inside_the_signature(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    root.replace(signed, bad)
    signature = bad.find("ds:Signature", NS)
    assert signature is not None
    etree.SubElement(signature, f"{{{NS['ds']}}}Object").append(unsigned(signed))


def in_extensions(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    extensions = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    extensions.append(unsigned(bad))
    root.insert(1, extensions)


def original_in_extensions(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    root.replace(signed, unsigned(bad))
    extensions = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    extensions.append(signed)
    root.insert(1, extensions)


def same_id(root: etree._Element, signed: etree._Element, bad: etree._Element) -> None:
    bad.set("ID", signed.get("ID", ""))
    signed.addprevious(unsigned(bad))


SHAPES = [
    before, after, around, with_its_signature, inside_the_signature, in_extensions, original_in_extensions, same_id,
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign_response", [False, True])
async def test_a_wrapped_signature_lets_nobody_in(login: Login, shape: Shape, sign_response: bool) -> None:
    login.idp.next(sign_response=sign_response)

    def wrapped(xml: str) -> str:
        root = etree.fromstring(xml.encode())
        signed = root.find("saml:Assertion", NS)
        assert signed is not None
        shape(root, signed, evil(signed))
        return str(etree.tostring(root).decode())

    answer = await login.answered(wrapped)
    assert isinstance(answer, Refuse)
    assert answer.reason is Reason.REJECTED


# --- the rest of the partnership ---


async def test_metadata_that_cannot_be_used_makes_the_login_unavailable(idp: Idp) -> None:
    login = await login_at(idp)
    login.method._provider = replace(service_provider(idp), metadata="<no/>")
    answer = await login.method.step(LoginRequest("sales", "192.0.2.1", here=HERE, keep=login.keep))
    await login.method.close()
    assert answer == Refuse(Reason.UNAVAILABLE, word="saml_metadata")


async def test_our_metadata_says_where_to_answer_and_with_which_key(login: Login) -> None:
    described = await login.method.call(Call("metadata", "GET", HERE, ""))
    text = described.body.decode()
    assert f'Location="{HERE}/acs"' in text
    assert f'Location="{HERE}/slo"' in text
    assert f'entityID="{HERE}/metadata"' in text
    assert text.count("X509Certificate>") == 4  # signing and encryption
    assert "validUntil" not in text
    assert described.content_type == "application/samlmetadata+xml"


def session_of(accept: object) -> Session:
    assert isinstance(accept, Accept)
    return Session("s", "sales", User("SALES", "ann"), Attributes(), 0.0, 0.0, method="saml", tie=accept.tie)


async def test_a_logout_at_the_provider_names_the_sessions_that_hang_on_it(login: Login) -> None:
    tie = session_of(await login.answered()).tie
    reply = await login.slo(login.idp.ask("/begin?name_id=ann"))
    assert set(reply.ends) & set(tie.keys)
    assert reply.url.startswith(login.idp.origin)
    assert "SAMLResponse=" in reply.url


async def test_a_logout_that_is_not_signed_changed_or_repeated_ends_nothing(login: Login) -> None:
    address = login.idp.ask("/begin?name_id=ann")
    bare = address.partition("&SigAlg")[0]
    changed = address.replace("SAMLRequest=", "RelayState=x&SAMLRequest=")
    assert [(await login.slo(one)).status for one in (bare, changed, address, address)] == [400, 400, 303, 400]
    assert (await login.slo(bare)).ends == ()


async def test_a_logout_here_goes_by_the_provider_and_comes_back(login: Login) -> None:
    session = session_of(await login.answered())
    back = "https://bi.example.com/qproxy/logged-out/sales"
    away = await login.method.leave(session, back)
    assert "&Signature=" in away
    no_redirects = login.idp.ask  # the provider answers 303 to our address, which nobody serves here
    with pytest.raises(Exception, match=r"."):
        no_redirects(away)


async def test_a_session_lasts_no_longer_than_the_provider_says(login: Login) -> None:
    session = session_of(await login.answered())
    over = replace(session, tie=replace(session.tie, check_at=1.0))
    assert await login.method.recheck(session) == session.tie
    assert await login.method.recheck(over) is None


async def test_a_huge_message_is_not_even_read(login: Login) -> None:
    await login.begin()
    huge = base64.b64encode(b"x" * 400_000).decode()
    assert word(await login.come_back({"SAMLResponse": huge})) == "saml_malformed"
