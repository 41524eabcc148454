"""Whose request it is: the browser's address, which a trusted proxy in front may vouch for.

Pure. Nobody is trusted unless configured by network; of the addresses that a trusted proxy names, the right-most that
is not itself a trusted proxy's counts, because everything left of it can be made up (RFC 7239 section 8.1).
"""

import ipaddress
from collections.abc import Sequence

from qproxy.headers import RequestHead

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MEMO = 4096


class Clients:
    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._verdicts: dict[str, bool] = {}

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
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._trusted)

    def of(self, peer: str, head: RequestHead) -> str:
        """The address to log, to count and to pass on; `peer`'s unless a trusted proxy names another."""
        if not self._trusted or not self.trusts(peer):
            return peer
        chain = head.named.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for one in reversed([part.strip() for part in chain]):
            if not _is_address(one):
                return peer
            if not self.trusts(one):
                return one
        return peer


def _is_address(text: str) -> bool:
    """Without a zone (`%eth0`): it may hold any text, and says nothing outside the machine that wrote it."""
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
