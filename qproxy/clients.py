"""Whose request it is: the browser's address, which a trusted proxy in front may vouch for.

Pure. Nobody is trusted unless configured by network; of the addresses that a trusted proxy names, the right-most that
is not itself a trusted proxy's counts, because everything left of it can be made up (RFC 7239 section 8.1).
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from qproxy.headers import RequestHead

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MEMO = 4096
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")


class Clients:
    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._verdicts: dict[str, bool] = {}

    @property
    def any(self) -> bool:
        """Whether anybody is trusted."""
        return bool(self._trusted)

    def trusts(self, address: str) -> bool:
        if not self._trusted:
            return False
        verdict = self._verdicts.get(address)
        if verdict is None:
            if len(self._verdicts) >= _MEMO:
                self._verdicts.clear()
            verdict = self._verdicts[address] = self._is_trusted(address)
        return verdict

    def _is_trusted(self, address: str) -> bool:
        return within(address, self._trusted)

    def of(self, peer: str, head: RequestHead) -> str:
        """The address to log, to count and to pass on; `peer`'s unless a trusted proxy names another."""
        if not self._trusted or not self.trusts(peer):
            return peer
        chain = head.named.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for one in reversed([_without_port(part.strip()) for part in chain]):
            if not is_address(one):
                return peer
            if not self.trusts(one):
                return one
        return peer


def within(address: str, networks: Sequence[Network], unknown: bool = False) -> bool:
    """IPv4 within IPv6 counts as IPv4. `unknown` is the answer for what is no address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return unknown
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return any((mapped or ip) in network for network in networks)


def _without_port(text: str) -> str:
    """Some balancers name the port too: 192.0.2.1:5678 or [2001:db8::1]:5678."""
    match = _WITH_PORT.fullmatch(text)
    return match[1] or match[2] if match else text


def is_address(text: str) -> bool:
    """Without a zone (`%eth0`): it may hold any text, and says nothing outside the machine that wrote it."""
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """An IPv6 customer has a /64 at least: its addresses count as one; IPv4 within IPv6 counts as IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
