"""Proof that a request comes from somebody who can read the session key: each request is signed with it.

The key itself never crosses the wire, a signature is good for one method and target, for half a minute and once; so
whoever reads a request on the way, or sits on the port while qproxy is down, cannot send another. Must not know what
is asked for.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from qproxy.sessions.sealing import derive
from qproxy.shared_memory import NONCES_BYTES, Section, Table

SCHEME: Final = "QproxySigned"
PURPOSE: Final = "administration"
WINDOW: Final = 30.0
"""Seconds that the clocks of the two sides may differ, and that a request may travel."""
MOST_KEYS: Final = 16
REMEMBERED: Final = 8192
"""Nonces; who has the key and signs some thousands in half a minute makes the oldest good again."""
_MACS: Final = rf"[0-9a-f]{{64}}(?:\.[0-9a-f]{{64}}){{0,{MOST_KEYS - 1}}}"
_FORM: Final = re.compile(rf"{SCHEME} time=([0-9]{{1,12}}), nonce=([0-9a-f]{{32}}), mac=({_MACS})")


def signed(keys: Sequence[bytes], method: str, target: str, now: float) -> str:
    """The value of the Authorization field: signed with each key, as the other side may not have the newest yet."""
    nonce, time = secrets.token_hex(16), str(int(now))
    macs = (_mac(derive(key, PURPOSE), method, target, time, nonce) for key in keys[:MOST_KEYS])
    return f"{SCHEME} time={time}, nonce={nonce}, mac={'.'.join(macs)}"


class Signatures:
    """Judges signed requests. Without a key it refuses all of them. `section`: where all workers see what was used."""

    def __init__(self, keys: Sequence[bytes], clock: Callable[[], float], section: Section | None = None) -> None:
        self._clock = clock
        self._used = Table(section or Section.private(NONCES_BYTES), "d", REMEMBERED)
        self.use_keys(keys)

    def use_keys(self, keys: Sequence[bytes]) -> None:
        """Any of these counts from now on."""
        self._keys = [derive(key, PURPOSE) for key in keys]

    def refuses(self, authorization: str, method: str, target: str) -> str | None:
        """Why a request is refused, in one word, or None: then the same one is refused from now on."""
        found = _FORM.fullmatch(authorization)
        if found is None:
            return "unsigned"
        time, nonce, macs = found.groups()
        expected = [_mac(key, method, target, time, nonce) for key in self._keys]
        # All are compared, whatever fits: the time taken tells nothing.
        if not any([hmac.compare_digest(mac, own) for own in expected for mac in macs.split(".")]):  # noqa: C419
            return "signature"
        return self._once(nonce, float(time))

    def _once(self, nonce: str, time: float) -> str | None:
        """Only nonces of requests that were signed are kept, and only while they could be sent again."""
        now = self._clock()
        if abs(now - time) > WINDOW:
            return "time"
        key = self._used.key(nonce)
        with self._used.alone():
            if self._used.get(key) is not None:
                return "again"
            self._used.put(key, (time + WINDOW,), lambda other: other[0])
        return None


def _mac(key: bytes, *parts: str) -> str:
    return hmac.new(key, "\n".join(parts).encode("utf-8", "surrogateescape"), sha256).hexdigest()
