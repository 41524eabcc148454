"""SAML 2.0 messages of one service provider: written, signed, read and judged by python3-saml, and what it leaves open.

Blocking, so it is called in a thread; knows no request and keeps no state. What the library takes although the
specification does not (an answer without InResponseTo to a request of ours, an assertion for nobody in particular) is
refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from lxml.etree import LxmlError
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML
from xmlsec import Error as XmlsecError

# What a bad message can make the libraries raise, beside their own errors.
BROKEN: Final = (
    OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError, LxmlError, XmlsecError,
    ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError,
)  # fmt: skip
_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_DIGEST: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
MOST_VALUES: Final = 1000
"""Of one attribute: more are left out."""

_V = OneLogin_Saml2_ValidationError
WORDS: Final[Mapping[int, str]] = {
    _V.STATUS_CODE_IS_NOT_SUCCESS: "saml_refused_by_provider",
    _V.WRONG_NUMBER_OF_ASSERTIONS: "saml_assertions",
    _V.WRONG_SIGNED_ELEMENT: "saml_signature_elsewhere",
    _V.ID_NOT_FOUND_IN_SIGNED_ELEMENT: "saml_signature_elsewhere",
    _V.DUPLICATED_ID_IN_SIGNED_ELEMENTS: "saml_signature_elsewhere",
    _V.INVALID_SIGNED_ELEMENT: "saml_signature_elsewhere",
    _V.DUPLICATED_REFERENCE_IN_SIGNED_ELEMENTS: "saml_signature_elsewhere",
    _V.UNEXPECTED_SIGNED_ELEMENTS: "saml_signature_elsewhere",
    _V.WRONG_NUMBER_OF_SIGNATURES_IN_RESPONSE: "saml_signature_elsewhere",
    _V.WRONG_NUMBER_OF_SIGNATURES_IN_ASSERTION: "saml_signature_elsewhere",
    _V.WRONG_NUMBER_OF_SIGNATURES: "saml_signature_elsewhere",
    _V.INVALID_SIGNATURE: "saml_bad_signature",
    _V.NO_SIGNED_MESSAGE: "saml_unsigned",
    _V.NO_SIGNED_ASSERTION: "saml_unsigned",
    _V.NO_SIGNATURE_FOUND: "saml_unsigned",
    _V.DEPRECATED_SIGNATURE_METHOD: "saml_weak_signature",
    _V.DEPRECATED_DIGEST_METHOD: "saml_weak_signature",
    _V.NO_ENCRYPTED_ASSERTION: "saml_not_encrypted",
    _V.WRONG_INRESPONSETO: "saml_other_request",
    _V.ASSERTION_TOO_EARLY: "saml_too_early",
    _V.ASSERTION_EXPIRED: "saml_expired",
    _V.SESSION_EXPIRED: "saml_expired",
    _V.RESPONSE_EXPIRED: "saml_expired",
    _V.WRONG_DESTINATION: "saml_wrong_destination",
    _V.EMPTY_DESTINATION: "saml_wrong_destination",
    _V.WRONG_SUBJECTCONFIRMATION: "saml_wrong_recipient",
    _V.WRONG_AUDIENCE: "saml_wrong_audience",
    _V.WRONG_ISSUER: "saml_wrong_issuer",
    _V.ISSUER_MULTIPLE_IN_RESPONSE: "saml_wrong_issuer",
    _V.ISSUER_NOT_FOUND_IN_ASSERTION: "saml_wrong_issuer",
    _V.NO_NAMEID: "saml_no_name",
    _V.EMPTY_NAMEID: "saml_no_name",
}


class SamlFault(Exception):
    """A message that is not believed: `word` for the audit log, the text for the administrator (no content of it)."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word


@dataclass(frozen=True, slots=True)
class ServiceProvider:
    """What the configuration says. `metadata` is the identity provider's, as text; key pair as PEM texts or "".

    Times are the library's: five minutes of skew between clocks are forgiven.
    """

    metadata: str
    entity_id: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)
    name_id_format: str = ""
    encrypted: bool = False

    @property
    def signs(self) -> bool:
        return bool(self.certificate)

    def settings(self, here: str, *, signed_messages: bool = False) -> OneLogin_Saml2_Settings:
        """Raises SamlFault when the provider's metadata cannot be used."""
        try:
            provider = OneLogin_Saml2_IdPMetadataParser.parse(self.metadata).get("idp", {})
            return OneLogin_Saml2_Settings(self._as_dict(here, provider, signed_messages))
        except BROKEN as error:
            raise SamlFault("saml_metadata", f"the identity provider's metadata: {error}") from None

    def _as_dict(self, here: str, provider: Mapping[str, Any], signed_messages: bool) -> dict[str, Any]:
        redirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
        post = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
        unspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
        return {
            "strict": True,
            "debug": False,
            "sp": {
                "entityId": self.entity_id or f"{here}/metadata",
                "assertionConsumerService": {"url": f"{here}/acs", "binding": post},
                "singleLogoutService": {"url": f"{here}/slo", "binding": redirect},
                "NameIDFormat": self.name_id_format or unspecified,
                "x509cert": self.certificate,
                "privateKey": self.key,
            },
            "idp": provider,
            "security": {
                "authnRequestsSigned": self.signs,
                "logoutRequestSigned": self.signs,
                "logoutResponseSigned": self.signs,
                "wantAssertionsSigned": True,
                "wantMessagesSigned": signed_messages,
                "wantAssertionsEncrypted": self.encrypted,
                "wantAttributeStatement": False,
                "wantNameId": True,
                "allowRepeatAttributeName": True,
                "requestedAuthnContext": False,
                "rejectDeprecatedAlgorithm": True,
                "rejectUnsolicitedResponsesWithInResponseTo": True,
                "signatureAlgorithm": _SHA256,
                "digestAlgorithm": _DIGEST,
                "metadataValidUntil": "",  # the library's two days would end the partnership of who took it as a file
                "metadataCacheDuration": "",
            },
        }


@dataclass(frozen=True, slots=True)
class Assertion:
    """What the provider says of a person. Times are seconds since the epoch, 0 for none."""

    issuer: str
    name_id: str
    name_id_format: str
    qualifiers: tuple[str, str]
    session_index: str
    attributes: Mapping[str, tuple[str, ...]]
    once: tuple[str, ...]
    """Ids that may be used once only."""
    good_until: float
    session_until: float


class Asking:
    """A request to the provider who somebody is. Raises SamlFault."""

    def __init__(self, provider: ServiceProvider, here: str) -> None:
        settings = provider.settings(here)
        self._sso = str(settings.get_idp_sso_url())
        self._auth = OneLogin_Saml2_Auth(_at(f"{here}/acs"), settings)
        made = OneLogin_Saml2_Authn_Request(settings)
        self.id = str(made.get_id())
        self._message = made.get_request()
        self._signs = provider.signs

    def url(self, relay_state: str) -> str:
        """Where the browser takes it (saml-bindings 3.4): signed together with the RelayState."""
        parameters = {"SAMLRequest": self._message, "RelayState": relay_state}
        if self._signs:
            self._auth.add_request_signature(parameters, _SHA256)
        return str(self._auth.redirect_to(self._sso, parameters))


def judged(provider: ServiceProvider, here: str, message: str, request_id: str) -> Assertion:
    """The assertion of a posted SAMLResponse, which answers that request ("": none of ours). Raises SamlFault."""
    settings = provider.settings(here)
    try:
        response = OneLogin_Saml2_Response(settings, message)
        response.is_valid(_at(f"{here}/acs"), request_id or None, raise_exceptions=True)
        return _assertion(settings, response, request_id)
    except OneLogin_Saml2_ValidationError as error:
        raise SamlFault(WORDS.get(error.code, "saml_malformed"), str(error)[:500]) from None
    except BROKEN as error:
        raise SamlFault("saml_malformed", type(error).__name__) from None


def _assertion(settings: OneLogin_Saml2_Settings, response: OneLogin_Saml2_Response, request_id: str) -> Assertion:
    """What the library lets through and saml-profiles 4.1.4.3 does not: answers to nothing, assertions for nobody."""
    if (response.get_in_response_to() or "") != request_id:
        raise SamlFault("saml_other_request", "the answer is not one to the request of this login")
    if not response.get_audiences():
        raise SamlFault("saml_wrong_audience", "the assertion is for nobody in particular: it names no audience")
    name_id = str(response.get_nameid() or "")
    if not name_id:
        raise SamlFault("saml_no_name", "the assertion names nobody")
    ids = (response.get_id(), response.get_assertion_id())
    return Assertion(
        str(settings.get_idp_data()["entityId"]),
        name_id,
        str(response.get_nameid_format() or ""),
        (str(response.get_nameid_nq() or ""), str(response.get_nameid_spnq() or "")),
        str(response.get_session_index() or ""),
        _attributes(response),
        tuple(f"saml {one}" for one in ids if one),
        float(response.get_assertion_not_on_or_after() or 0),
        float(response.get_session_not_on_or_after() or 0),
    )


def _attributes(response: OneLogin_Saml2_Response) -> dict[str, tuple[str, ...]]:
    """By their names, and by their friendly names where these are not somebody else's name."""
    found = dict(response.get_friendlyname_attributes()) | dict(response.get_attributes())
    return {
        str(name): tuple(str(one) for one in values if one is not None)[:MOST_VALUES] for name, values in found.items()
    }


def metadata(provider: ServiceProvider, here: str) -> bytes:
    """Of this service provider, for the identity provider's administrator. Raises SamlFault."""
    settings = replace(provider, encrypted=provider.signs).settings(here)  # which is when the library names our key
    try:
        made = settings.get_sp_metadata()
    except BROKEN as error:
        raise SamlFault("saml_metadata", type(error).__name__) from None
    return made if isinstance(made, bytes) else str(made).encode()


def issuer(provider: ServiceProvider, here: str) -> str:
    """Who the identity provider says that it is. Raises SamlFault."""
    return str(provider.settings(here).get_idp_data().get("entityId", ""))


# logging out


@dataclass(frozen=True, slots=True)
class Leaving:
    """What came to the address for logouts. A request of the provider: whom it means, and where the browser takes our
    answer; or the provider's answer to the request `answers`, which then alone is set."""

    name_id: str = ""
    session_indexes: tuple[str, ...] = ()
    url: str = field(default="", repr=False)
    once: str = ""
    answers: str = ""


def logout_request(provider: ServiceProvider, here: str, kept: Mapping[str, str]) -> tuple[str, str]:
    """The address at which the provider logs somebody out too, and the request's id; "" where it offers none."""
    auth = OneLogin_Saml2_Auth(_at(f"{here}/slo"), provider.settings(here))
    if not auth.get_slo_url():
        return "", ""
    url = auth.logout(
        return_to="",
        name_id=kept["name_id"],
        session_index=kept.get("session_index") or None,
        nq=kept.get("qualifier") or None,
        name_id_format=kept.get("name_id_format") or None,
        spnq=kept.get("sp_qualifier") or None,
    )
    return str(url), str(auth.get_last_request_id())


def leaving(provider: ServiceProvider, here: str, query: Mapping[str, str], raw_query: str) -> Leaving:
    """Raises SamlFault; what is not signed is refused."""
    settings = provider.settings(here, signed_messages=True)
    auth = OneLogin_Saml2_Auth(_at(f"{here}/slo", query, raw_query), settings)
    try:
        url = auth.process_slo(keep_local_session=True)
        if auth.get_errors():
            raise SamlFault("saml_logout_refused", str(auth.get_last_error_reason() or auth.get_errors()[0])[:500])
        if "SAMLResponse" in query:
            return Leaving(answers=OneLogin_Saml2_XML.to_etree(auth.get_last_response_xml()).get("InResponseTo", ""))
        asked = auth.get_last_request_xml()
        indexes = OneLogin_Saml2_Logout_Request.get_session_indexes(asked)
        name_id = OneLogin_Saml2_Logout_Request.get_nameid(asked, provider.key or None)
        return Leaving(str(name_id), tuple(map(str, indexes)), str(url), f"saml {auth.get_last_message_id()}")
    except BROKEN as error:
        raise SamlFault("saml_logout_refused", type(error).__name__) from None


def _at(url: str, query: Mapping[str, str] | None = None, raw_query: str = "") -> dict[str, Any]:
    """A request as the library wants it. Signatures are over the query as it came (saml-bindings 3.4.4.1)."""
    parts = urlsplit(url)
    return {
        "https": "on" if parts.scheme == "https" else "off",
        "http_host": parts.netloc,
        "script_name": parts.path,
        "get_data": dict(query or {}),
        "post_data": {},
        "query_string": raw_query,
        "validate_signature_from_qs": True,
    }
