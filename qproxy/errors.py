"""Every way in which a request can fail, with one word each.

The word is the log field, the metric label and the entry in docs/errors.md; the status is what the browser gets; blame
says whose doing it was. Pure.
"""

from enum import Enum, StrEnum


class Blame(StrEnum):
    BROWSER = "browser"
    UPSTREAM = "upstream"
    QPROXY = "qproxy"


class Failure(Enum):
    """(word, HTTP status, blame, what a person is told)."""

    BAD_REQUEST = "bad_request", 400, Blame.BROWSER, "The request was not understood."
    BAD_TARGET = "bad_target", 400, Blame.BROWSER, "The address in the request is not one that can be passed on."
    BAD_FRAMING = "bad_framing", 400, Blame.BROWSER, "The length of the request is not clear."
    BAD_UPGRADE = "bad_upgrade", 400, Blame.BROWSER, "The request to open a WebSocket was not understood."
    COOKIE_CONFLICT = "cookie_conflict", 400, Blame.BROWSER, "Two sessions were sent at once. Please log in again."
    ORIGIN_REFUSED = "origin_refused", 403, Blame.BROWSER, "Another site may not use Qlik in your name."
    NOT_LOGGED_IN = "not_logged_in", 401, Blame.BROWSER, "Please log in."
    UNKNOWN_PATH = "unknown_path", 404, Blame.BROWSER, "There is nothing at this address."
    METHOD_REFUSED = "method_refused", 405, Blame.BROWSER, "This method is not passed on."
    HEAD_TIMEOUT = "head_timeout", 408, Blame.BROWSER, "The request did not arrive in time."
    BODY_TIMEOUT = "body_timeout", 408, Blame.BROWSER, "The rest of the request did not arrive in time."
    MISDIRECTED = "misdirected", 421, Blame.BROWSER, "This server does not answer for that host name."
    HEAD_TOO_LARGE = "head_too_large", 431, Blame.BROWSER, "The request's headers are too large."
    VERSION_REFUSED = "version_refused", 505, Blame.BROWSER, "Only HTTP/1.0 and HTTP/1.1 are spoken here."
    CODING_REFUSED = "coding_refused", 501, Blame.BROWSER, "This transfer coding is not supported."
    BROWSER_GONE = "browser_gone", 499, Blame.BROWSER, "The browser went away."
    BROWSER_STALLED = "browser_stalled", 499, Blame.BROWSER, "The browser stopped reading."
    TOO_MANY_CONNECTIONS = "too_many_connections", 503, Blame.BROWSER, "There are too many connections from here."
    OVERLOADED = "overloaded", 503, Blame.QPROXY, "There are too many connections at the moment."
    SHUTTING_DOWN = "shutting_down", 503, Blame.QPROXY, "This service is restarting."
    STORE_UNAVAILABLE = "store_unavailable", 503, Blame.QPROXY, "Sessions cannot be checked at the moment."
    INTERNAL = "internal", 500, Blame.QPROXY, "Something went wrong here."
    UPSTREAM_REFUSED = "upstream_refused", 503, Blame.UPSTREAM, "Qlik Sense is not reachable; it may be restarting."
    UPSTREAM_TLS = "upstream_tls", 502, Blame.UPSTREAM, "Qlik Sense could not prove who it is."
    UPSTREAM_CONNECT_TIMEOUT = (
        "upstream_connect_timeout",
        504,
        Blame.UPSTREAM,
        "Qlik Sense could not be reached in time.",
    )
    UPSTREAM_TIMEOUT = "upstream_timeout", 504, Blame.UPSTREAM, "Qlik Sense did not answer in time."
    UPSTREAM_STALLED = "upstream_stalled", 504, Blame.UPSTREAM, "Qlik Sense stopped in the middle of its answer."
    UPSTREAM_GONE = "upstream_gone", 502, Blame.UPSTREAM, "Qlik Sense went away before its answer was complete."
    UPSTREAM_BAD_ANSWER = "upstream_bad_answer", 502, Blame.UPSTREAM, "Qlik Sense's answer was not understood."
    UPSTREAM_BUSY = "upstream_busy", 503, Blame.UPSTREAM, "All connections to Qlik Sense are in use."
    SESSION_FORGOTTEN = "session_forgotten", 503, Blame.UPSTREAM, "Qlik Sense forgot the session. Please try again."
    QPS_API = "qps_api", 503, Blame.UPSTREAM, "Qlik Sense could not be told of the session. Please try again."
    SESSION_LIMIT = "session_limit", 503, Blame.UPSTREAM, "Qlik Sense allows no further session of this person."
    SESSION_NOT_ACCEPTED = "session_not_accepted", 502, Blame.UPSTREAM, "Qlik Sense does not accept the session."

    def __init__(self, word: str, status: int, blame: Blame, sentence: str) -> None:
        self.word = word
        self.status = status
        self.blame = blame
        self.sentence = sentence


class Refused(Exception):
    """A request that will not be passed on: carries the failure and, for the log only, what exactly was wrong."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(f"{failure.word}: {detail}" if detail else failure.word)
        self.failure = failure
        self.detail = detail
