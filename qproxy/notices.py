"""Qlik's own notifications, for the moments in which qproxy has to speak to Qlik's clients over their socket.

Pure: JSON-RPC 2.0 texts in the shape that Qlik's proxy service sends, so that its clients show their usual dialogs.
"""

import json
import re
from datetime import UTC, datetime

from qproxy.model import End

_MESSAGES = {
    "OnSessionTimedOut": "Session timed out due to inactivity",
    "OnSessionLoggedOut": "User logged out manually",
    "OnSessionClosed": "Session closed by server",
}
_BY_END = {
    End.IDLE: "OnSessionTimedOut",
    End.ABSOLUTE: "OnSessionTimedOut",
    End.LOGOUT: "OnSessionLoggedOut",
    End.HUB_LOGOUT: "OnSessionLoggedOut",
    End.PROVIDER: "OnSessionLoggedOut",
}
_SESSION_LIMIT = re.compile(rb'"method"\s*:\s*"OnMaxParallelSessionsExceeded"')


def session_limit(said: bytes) -> bool:
    """Whether QPS refuses a socket because the person has as many sessions as it allows (five)."""
    return _SESSION_LIMIT.search(said) is not None


def session_over(why: End, now: float) -> str:
    """What a client is told before its socket is closed; `now` in seconds since the epoch."""
    method = _BY_END.get(why, "OnSessionClosed")
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _notification(method, {"severity": "fatal", "timestamp": stamp, "message": _MESSAGES[method]})


def must_authenticate(login_url: str) -> str:
    """Tells a client that opened a socket without a session where its person can log in (an absolute URL)."""
    return _notification("OnAuthenticationInformation", {"loginUri": login_url, "mustAuthenticate": True})


def _notification(method: str, params: dict[str, object]) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
