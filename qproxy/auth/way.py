"""The ways to log in of one virtual proxy as people see them, and which of them is meant without asking.

Pure. It must not know what a method does; a way that failed is never replaced by another one here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from qproxy.auth.method import Method
from qproxy.clients import Network, within


@dataclass(frozen=True, slots=True)
class Way:
    """`kind` is the configuration's word for the method; `title` and `icon` are "" where the pages' own are meant."""

    method: Method
    kind: str = ""
    title: str = ""
    icon: str = ""
    email_domains: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    listed: bool = True

    @property
    def name(self) -> str:
        return self.method.name

    def is_for(self, address: str) -> bool:
        """Whether a hint of the configuration leads browsers of that address here."""
        return within(address.partition("%")[0], self.networks)


def named(ways: Sequence[Way], name: str) -> Way | None:
    return next((way for way in ways if way.name == name), None)


def chosen(ways: Sequence[Way], address: str, remembered: str) -> Way | None:
    """The way for who did not say which: that of the network, else the one of last time, else the only one there is.

    None: the person has to choose.
    """
    by_network = next((way for way in ways if way.is_for(address)), None)
    if by_network is not None:
        return by_network
    listed = [way for way in ways if way.listed]
    return named(listed, remembered) or (listed[0] if len(listed) == 1 else None)


def of_email(ways: Sequence[Way], email: str) -> Way | None:
    """The way of an e-mail address: that of its domain, whole and without regard to case."""
    domain = email.rpartition("@")[2].strip().rstrip(".").casefold()
    return next((way for way in ways if domain in way.email_domains), None)
