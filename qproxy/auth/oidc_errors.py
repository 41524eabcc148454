"""What can go wrong in a login at an OpenID provider: one word for each, and what the person is told of it.

The words stand in the audit log, on the page and in docs/errors.md. A detail is for the administrator: it says what,
where and what to do, and never holds a token, a code or a secret.
"""

from collections.abc import Mapping
from typing import Final

from qproxy.auth.method import Reason

ENDPOINTS: Final = ("discovery", "jwks", "token", "userinfo")
FAULTS: Final = ("unreachable", "tls", "slow", "too_large", "redirected", "not_json", "failed")
"""What may be wrong with the answer of each of them: the words are oidc_ENDPOINT_FAULT."""

AFTERWARDS: Final = (
    "oidc_refreshed_sub",
    "oidc_no_logout_token",
    "oidc_no_jti",
    "oidc_no_sid",
    "oidc_logout_no_event",
    "oidc_logout_nonce",
    "oidc_logout_nobody",
    "oidc_logout_replayed",
    "oidc_frontchannel_issuer",
    "oidc_frontchannel_sid",
)
"""What may be wrong when a provider says that somebody logged out, or is asked whether a login still stands."""

REASONS: Final[Mapping[str, Reason]] = {
    **{f"oidc_{endpoint}_{fault}": Reason.UNAVAILABLE for endpoint in ENDPOINTS for fault in FAULTS},
    # the provider's description of itself, and its keys
    "oidc_discovery_issuer": Reason.UNAVAILABLE,
    "oidc_discovery_incomplete": Reason.UNAVAILABLE,
    "oidc_jwks_empty": Reason.UNAVAILABLE,
    "oidc_no_such_key": Reason.REJECTED,
    # what the browser brings back
    "oidc_response_issuer_wrong": Reason.REJECTED,
    "oidc_response_issuer_missing": Reason.REJECTED,
    "oidc_no_code": Reason.REJECTED,
    "oidc_access_denied": Reason.DENIED,
    "oidc_login_required": Reason.DENIED,
    "oidc_request_refused": Reason.UNAVAILABLE,
    "oidc_provider_unavailable": Reason.UNAVAILABLE,
    # the token endpoint
    "oidc_code_refused": Reason.STALE,
    "oidc_client_refused": Reason.UNAVAILABLE,
    "oidc_token_refused": Reason.UNAVAILABLE,
    "oidc_token_type": Reason.REJECTED,
    "oidc_no_access_token": Reason.REJECTED,
    "oidc_no_id_token": Reason.REJECTED,
    # a signed token
    "oidc_not_a_token": Reason.REJECTED,
    "oidc_encrypted_token": Reason.UNAVAILABLE,
    "oidc_alg_none": Reason.REJECTED,
    "oidc_alg_refused": Reason.REJECTED,
    "oidc_critical_header": Reason.REJECTED,
    "oidc_wrong_type": Reason.REJECTED,
    "oidc_no_kid": Reason.REJECTED,
    "oidc_bad_signature": Reason.REJECTED,
    # what it says
    **{f"oidc_no_{claim}": Reason.REJECTED for claim in ("iss", "sub", "aud", "exp", "iat", "nonce", "auth_time")},
    "oidc_wrong_issuer": Reason.REJECTED,
    "oidc_wrong_audience": Reason.REJECTED,
    "oidc_wrong_azp": Reason.REJECTED,
    "oidc_no_azp": Reason.REJECTED,
    "oidc_wrong_nonce": Reason.REJECTED,
    "oidc_wrong_at_hash": Reason.REJECTED,
    "oidc_expired": Reason.REJECTED,
    "oidc_not_yet_valid": Reason.REJECTED,
    "oidc_issued_too_early": Reason.REJECTED,
    "oidc_issued_too_late": Reason.REJECTED,
    "oidc_login_too_old": Reason.REJECTED,
    # who it is
    "oidc_userinfo_refused": Reason.UNAVAILABLE,
    "oidc_userinfo_sub": Reason.REJECTED,
    "oidc_no_user_id": Reason.DENIED,
    "oidc_bad_user_id": Reason.DENIED,
    "oidc_email_not_verified": Reason.DENIED,
    "oidc_claim_required": Reason.DENIED,
    **dict.fromkeys(AFTERWARDS, Reason.REJECTED),
}


class OidcFault(Exception):
    """`word` is one of REASONS, `detail` a sentence for the log."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word
        self.reason = REASONS[word]
        self.detail = detail
