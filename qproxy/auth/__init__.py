"""Seam 1: the ways in which a person can log in.

Each way is one module with one `Method` (method.py), handed plain data and answering plain data, so that adding a way
touches neither the pages nor the sessions. Nothing here may see an aiohttp request, set a cookie or make a session:
that is the login flow's part (web/login.py).
"""

from qproxy.auth.method import (
    Accept,
    Answer,
    Ask,
    Call,
    Challenge,
    Field,
    LoginRequest,
    Method,
    Reason,
    Refuse,
    Reply,
    Send,
    Shown,
    Unavailable,
)

__all__ = [
    "Accept",
    "Answer",
    "Ask",
    "Call",
    "Challenge",
    "Field",
    "LoginRequest",
    "Method",
    "Reason",
    "Refuse",
    "Reply",
    "Send",
    "Shown",
    "Unavailable",
]
