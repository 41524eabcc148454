"""The system's Kerberos (GSS-API), as an HTTP server needs it: one token in, who sent it, one token out.

Blocking, and safe to call from several threads. The package `gssapi` is the extra `kerberos`. It must not decide who
may log in; it only says whom the realm's key server vouches for.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gssapi
from gssapi.raw import ChannelBindings, set_neg_mechs
from gssapi.raw import exceptions as errors

from qproxy.auth.kerberos import BadTicket, NoKey, Ticket

SPNEGO: Final = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
KERBEROS: Final = gssapi.MechType.kerberos
BOUND: Final = int(gssapi.RequirementFlag.channel_bound)


@dataclass(frozen=True, slots=True)
class Acceptor:
    """`service`: the principal whose key is in the keytab, HTTP/host@REALM. `bindings`: what a browser that knows the
    certificate mixes into its ticket (RFC 5929 section 4), b"" for nothing."""

    keytab: Path
    service: str
    bindings: bytes = field(default=b"", repr=False)

    def __call__(self, token: bytes) -> Ticket:
        """Raises BadTicket or NoKey."""
        credentials = self._credentials()
        bound: dict[str, Any] = {}
        if self.bindings:
            bound["channel_bindings"] = ChannelBindings(application_data=self.bindings)
        try:
            context = gssapi.SecurityContext(creds=credentials, usage="accept", **bound)
            answer = context.step(token)
            if not context.complete or context.mech != KERBEROS:
                raise BadTicket("kerberos_incomplete", "more than one step, or not Kerberos")
            # gssapi 1.8 leaves the byte in with which C ends a text
            principal = str(context.initiator_name).rstrip("\0")
            return Ticket(principal, answer or b"", bool(int(context.actual_flags) & BOUND))
        except errors.BadChannelBindingsError as error:
            raise BadTicket("kerberos_wrong_binding", _said(error)) from None
        except errors.GSSError as error:
            said = _said(error)  # MIT has no status of its own for a replay
            raise BadTicket("kerberos_replayed" if "replay" in said else "kerberos_refused", said) from None

    def _credentials(self) -> gssapi.Credentials:
        """Read afresh each time, so that a new keytab is used at once."""
        name = gssapi.Name(self.service, gssapi.NameType.kerberos_principal)
        try:
            store = {"keytab": f"FILE:{self.keytab}"}
            credentials = gssapi.Credentials(name=name, usage="accept", store=store, mechs=[SPNEGO, KERBEROS])
            set_neg_mechs(credentials, [KERBEROS])
        except errors.GSSError as error:
            raise NoKey(f"{self.keytab} has no key of {self.service} that can be used: {_said(error)}") from None
        return credentials


def _said(error: errors.GSSError) -> str:
    """The system's own words; they name principals, never keys."""
    return " ".join(str(error).split())
