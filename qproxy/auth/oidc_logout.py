"""What comes after a login at an OpenID provider: its logout, and whether the login still stands.

A provider that says "logged out" is believed when its token, or in a frame its words, prove it; who repeats it is not.
It must not end a session: it says by which keys they are found. Sources: OpenID Connect RP-Initiated, Back-Channel and
Front-Channel Logout 1.0, OpenID Connect Core 1.0 section 12.2.
"""

import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from qproxy.auth.method import Call, Reason, Reply, Unavailable
from qproxy.auth.oidc_errors import OidcFault
from qproxy.auth.oidc_http import JsonObject
from qproxy.auth.oidc_provider import Provider
from qproxy.auth.oidc_tokens import (
    ID_TOKEN,
    OLDEST,
    Expected,
    check_access_token,
    check_maker,
    check_times,
    number_of,
    text_of,
)
from qproxy.model import Session, Tie
from qproxy.notes import Notes

log = logging.getLogger("qproxy.auth")

BACKCHANNEL: Final = "backchannel"
FRONTCHANNEL: Final = "frontchannel"
CALLS: Final = frozenset({BACKCHANNEL, FRONTCHANNEL})
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN: Final = ("logout+jwt", "jwt", "")
LONGEST_HINT: Final = 4000
"""Bytes of an ID token in an address; who sent a longer one is told the client alone."""
LONGEST_SID: Final = 256
DONE: Final = b"<!doctype html><title>Logged out</title>"


# by which keys the provider names sessions later


def sid_key(provider: Provider, sid: str) -> str:
    return f"sid {provider.issuer} {provider.client.client_id} {sid}"


def sub_key(provider: Provider, subject: str) -> str:
    return f"sub {provider.issuer} {provider.client.client_id} {subject}"


# our logout, at the provider


async def leave_address(provider: Provider, session: Session, back: str) -> str:
    """RP-Initiated Logout section 2; "" where the provider has none, or cannot be asked for it. It compares where to
    come back to with what was registered there, so `state` travels by itself."""
    try:
        endpoint = (await provider.metadata()).end_session_endpoint
    except OidcFault as fault:
        log.warning("session %s was not ended at its provider (%s): %s", session.short, fault.word, fault.detail)
        return ""
    if not endpoint:
        return ""
    hint = session.tie.kept.get("id_token", "")
    registered, _, state = back.partition("?state=")
    parameters = {
        "id_token_hint": hint if len(hint) <= LONGEST_HINT else "",
        "client_id": provider.client.client_id,
        "post_logout_redirect_uri": registered,
        "state": state,
    }
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


# the provider's logout, here


async def provider_says(provider: Provider, notes: Notes, call: Call) -> Reply:
    """Raises OidcFault; a store that cannot be asked is StoreUnavailable."""
    if call.verb == FRONTCHANNEL:
        return _in_a_frame(provider, call)
    if call.http_method != "POST" or not call.form.get("logout_token"):
        raise OidcFault("oidc_no_logout_token", "a back-channel logout is a POST with logout_token")
    _, claims = await provider.verified(call.form["logout_token"], LOGOUT_TOKEN)
    expected = provider.expected()
    check_logout_token(claims, expected)
    until = max(number_of(claims, "exp"), number_of(claims, "iat") + OLDEST) + expected.skew
    if not await notes.once(f"oidc logout {provider.issuer} {claims['jti']}", until):
        raise OidcFault("oidc_logout_replayed", "a logout token came twice (jti): somebody repeats it")
    return Reply(200, ends=(_named(provider, claims),), word="backchannel_logout")


def check_logout_token(claims: JsonObject, expected: Expected) -> None:
    """Back-Channel Logout section 2.6, after the signature. Raises OidcFault."""
    check_maker(claims, expected)
    check_times(claims, expected)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise OidcFault("oidc_logout_no_event", "the token is not about a logout (events)")
    if "nonce" in claims:
        raise OidcFault("oidc_logout_nonce", "a logout token has no nonce: this may be somebody's ID token")
    text_of(claims, "jti")
    for name in ("sid", "sub"):
        if name in claims:
            text_of(claims, name)
    if "sid" not in claims and "sub" not in claims:
        raise OidcFault("oidc_logout_nobody", "the logout token names neither a session (sid) nor a person (sub)")


def _named(provider: Provider, claims: JsonObject) -> str:
    """One session where it is named, else all of the person's."""
    return sid_key(provider, claims["sid"]) if "sid" in claims else sub_key(provider, claims["sub"])


def _in_a_frame(provider: Provider, call: Call) -> Reply:
    """Front-Channel Logout section 3: `sid` is known to the provider, its clients and the person alone. Cookies do not
    come with a frame of another site."""
    issuer, sid = call.query.get("iss", ""), call.query.get("sid", "")
    if not hmac.compare_digest(issuer.encode(), provider.issuer.encode()):
        text = "a front-channel logout needs iss and sid, and iss must be the provider's: let it send both"
        raise OidcFault("oidc_frontchannel_issuer", text)
    if not 0 < len(sid) <= LONGEST_SID or not sid.isprintable():
        text = "a front-channel logout names no session (sid): let the provider send it"
        raise OidcFault("oidc_frontchannel_sid", text)
    return Reply(200, DONE, "text/html; charset=utf-8", ends=(sid_key(provider, sid),), word="frontchannel_logout")


def refused_call(fault: OidcFault) -> Reply:
    """Back-Channel Logout section 2.8."""
    error = "temporarily_unavailable" if fault.reason is Reason.UNAVAILABLE else "invalid_request"
    body = json.dumps({"error": error, "error_description": fault.word}).encode()
    return Reply(400, body, "application/json", word=fault.word)


# whether the login still stands


async def refreshed(provider: Provider, session: Session, now: float, every: float | None) -> Tie | None:
    """What the session keeps from now on, None for the provider's no. `every`: seconds until the next question, by
    default as long as the provider's access tokens last. Raises Unavailable."""
    tie = session.tie
    if "refresh_token" not in tie.kept:
        return replace(tie, check_at=0.0)
    try:
        answer = await provider.token({"grant_type": "refresh_token", "refresh_token": tie.kept["refresh_token"]})
        id_token = await _same_person(provider, answer, tie.kept)
    except OidcFault as fault:
        if fault.reason is Reason.UNAVAILABLE:
            raise Unavailable(f"{fault.detail} ({fault.word})") from None
        log.warning("the login of session %s no longer stands (%s): %s", session.short, fault.word, fault.detail)
        return None
    kept = {**tie.kept, "id_token": id_token}
    if isinstance(answer.get("refresh_token"), str) and answer["refresh_token"]:
        kept["refresh_token"] = answer["refresh_token"]
    return replace(tie, kept=kept, check_at=now + (every or lasting(answer)))


async def _same_person(provider: Provider, answer: JsonObject, kept: Mapping[str, str]) -> str:
    """The ID token for later: the answer's, if there is one, which must be of the same person (Core section 12.2)."""
    if "id_token" not in answer:
        return kept.get("id_token", "")
    header, claims = await provider.verified(str(answer["id_token"]), ID_TOKEN)
    check_maker(claims, provider.expected())
    check_times(claims, provider.expected())
    check_access_token(claims, header.alg, answer["access_token"])
    if not hmac.compare_digest(text_of(claims, "sub").encode(), kept["sub"].encode()):
        raise OidcFault("oidc_refreshed_sub", "the renewed ID token is another person's (sub)")
    return str(answer["id_token"])


def lasting(answer: JsonObject) -> float:
    """Seconds that an answer's access token lasts, by its own word; an hour where it does not say."""
    seconds = answer.get("expires_in")
    known = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 1e9
    return float(seconds) if known and seconds is not None else 3600.0
