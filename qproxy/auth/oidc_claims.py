"""What an OpenID provider says of a person, as names with lists of texts, and which of it is the person's name. Pure.

All is bounded: a provider, or who fills in its fields, must not make a session grow without end.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from qproxy.auth.oidc_errors import OidcFault
from qproxy.auth.oidc_http import JsonObject

Claims = Mapping[str, tuple[str, ...]]

MOST_VALUES: Final = 2000
LONGEST_VALUE: Final = 1024
LONGEST_NAME: Final = 128
DEEPEST: Final = 5
OF_THE_PROTOCOL: Final = frozenset(
    {"aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "at_hash", "c_hash", "s_hash", "sid", "events"}
)
"""They say nothing of the person."""
LONGEST_USER_ID: Final = 256
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


def flattened(said: JsonObject) -> tuple[Claims, tuple[str, ...]]:
    """Nested names joined by dots, lists of texts as several values, true and numbers as text; and the names of the
    claims of which something did not fit or is not one line."""
    found: dict[str, list[str]] = {}
    cut: dict[str, None] = {}
    room = MOST_VALUES
    for name, value in _leaves(said, "", DEEPEST):
        if room == 0 or not (name + value).isprintable() or len(name) > LONGEST_NAME or len(value) > LONGEST_VALUE:
            cut[name[:LONGEST_NAME]] = None
            continue
        found.setdefault(name, []).append(value)
        room -= 1
    return {name: tuple(values) for name, values in found.items()}, tuple(cut)


def _leaves(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            for key, inner in value.items() if depth else ():
                if name or key not in OF_THE_PROTOCOL:
                    yield from _leaves(inner, f"{name}.{key}" if name else key, depth - 1)
        case list():
            for inner in value:
                if not isinstance(inner, list):
                    yield from _leaves(inner, name, depth)
        case bool():
            yield name, "true" if value else "false"
        case str() | int() | float():
            yield name, str(value)


def left_out(said: JsonObject) -> tuple[str, ...]:
    """Claims that are too large for the provider to send (OpenID Connect Core section 5.6.2; Entra ID does this with
    more than 200 groups). Where they may be fetched is not looked at."""
    named = said.get("_claim_names")
    return tuple(sorted(str(name)[:60] for name in named)[:10]) if isinstance(named, dict) else ()


def user_id_of(claims: Claims, names: Sequence[str], verified_email: object) -> str:
    """The first of these claims that is there. Raises OidcFault where it is no name that one person can have."""
    name = next((name for name in names if claims.get(name)), None)
    if name is None:
        text = f"none of the claims {', '.join(names)} came: let the provider send one, or name another in `user_id`"
        raise OidcFault("oidc_no_user_id", text)
    values = claims[name]
    user_id = values[0]
    if len(values) > 1 or not user_id.isprintable() or user_id.strip() != user_id or len(user_id) > LONGEST_USER_ID:
        raise OidcFault("oidc_bad_user_id", f"the claim {name} is not one name of at most {LONGEST_USER_ID} letters")
    if name == "email":
        _check_email(user_id, verified_email)
    return user_id


def _check_email(email: str, verified: object) -> None:
    if not _EMAIL.fullmatch(email):
        raise OidcFault("oidc_bad_user_id", "the claim email is no e-mail address")
    if verified not in (True, "true"):
        text = "the provider does not say that the person's e-mail address is verified: anybody could have entered it"
        raise OidcFault("oidc_email_not_verified", text)


def check_required(claims: Claims, required: Mapping[str, Sequence[str]]) -> None:
    """Raises OidcFault unless each of these claims has one of its values."""
    for name, wanted in required.items():
        if not set(claims.get(name, ())) & set(wanted):
            got = ", ".join(claims.get(name, ()))[:100] or "nothing"
            raise OidcFault(
                "oidc_claim_required", f"`require` wants {name} to be {' or '.join(wanted)}, and it is {got!r}"
            )
