"""Who somebody is for Qlik whom a way to log in accepted: the rules of the configuration, applied.

Pure. It must not know how anybody proved who they are.
"""

from dataclasses import dataclass

from qproxy.auth.method import Accept
from qproxy.model import Attributes, User


@dataclass(frozen=True, slots=True)
class Identity:
    user: User
    attributes: Attributes
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """`word` is the exact reason, for the audit log; `rule` says which rule it was, for the administrator."""

    word: str
    rule: str


def identify(accept: Accept, directory: str) -> Identity | Denied:
    """`directory` is that of people whose method names none. Raises ValueError for a name that Qlik would refuse."""
    return Identity(User(accept.directory or directory, accept.user_id), accept.attributes)
