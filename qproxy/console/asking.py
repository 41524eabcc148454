"""Signed requests to the internal listener of a running qproxy, from the configuration that it runs with.

Whoever can read that configuration's session key may ask. TLS is verified against the configured certificate itself
and the site's CA; without TLS nothing is sent beyond this machine. Prints nothing.
"""

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlencode

from qproxy.config import Config, InternalConfig
from qproxy.config.fields import Address, bracketed
from qproxy.secret_files import SecretError
from qproxy.session_keys import configured_keys
from qproxy.web.administration import MOUNT
from qproxy.web.signature import WINDOW, signed

NO_SESSION, MISUSED, UNREACHABLE, STORE_AWAY, NOT_ALLOWED, BAD_CONFIG = 1, 2, 69, 75, 77, 78
"""Exit statuses, where there is a choice those of sysexits.h."""
PATIENCE: Final = 60.0
"""Seconds in which something must come."""
PATIENCE_FOR_ONE: Final = 600.0
"""The same for one session by its hash: all are looked at, a million in 20 s and more."""
REASONS: Final = {
    "signature": "it has another session key: name the directory that it runs with, or restart it if the key changed",
    "time": f"its clock and this one differ by more than {WINDOW:g} s: set them",
    "plain": "it takes no plain http from another address than loopback: give internal.tls",
}


class NotDone(Exception):
    """Why there is no answer, or not the one that was asked for; `status` is the exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Door:
    """Where to connect, and for TLS the name that the certificate must hold."""

    host: str
    port: int
    name: str
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{bracketed(self.host)}:{self.port}"


class Console:
    """Asks the qproxy that runs with `config`. Every method may raise NotDone."""

    def __init__(self, config: Config) -> None:
        try:
            self._keys = configured_keys(config.server.sessions, time.time())
        except SecretError as error:
            raise NotDone(f"the session key cannot be read: {error}", NOT_ALLOWED) from None
        if not self._keys:
            text = "sessions.key_file is not configured, and without a key nobody may administer: `qproxy keys new`"
            raise NotDone(text, BAD_CONFIG)
        self._door = door(config.server.internal)

    def one(self, method: str, digits: str, **query: str) -> dict[str, Any]:
        """The session whose hash begins so, as the running qproxy shows it."""
        with self._asked(method, f"sessions/{digits}", query, PATIENCE_FOR_ONE) as response:
            return self._as_qproxy(_object(response.read()), "session")

    def many(self, method: str, **query: str) -> Iterator[dict[str, Any]]:
        """Sessions as they come; raises NotDone behind the last one if they are not all."""
        return self._lines(method, "sessions", "session", query)

    def slowed(self, **query: str) -> Iterator[dict[str, Any]]:
        """Who has to wait before the next try to log in, in the same way."""
        return self._lines("GET", "throttle", "tries", query)

    def clear_throttle(self, **query: str) -> int:
        """How many counts there were."""
        with self._asked("DELETE", "throttle", query) as response:
            cleared = self._as_qproxy(_object(response.read()), "cleared")["cleared"]
        return cleared if isinstance(cleared, int) else 0

    def _lines(self, method: str, path: str, sign: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """`sign`: the key that every line has."""
        with self._asked(method, path, query) as response:
            while line := _line_of(response):
                fields = _object(line)
                if "complete" in fields:
                    response.read()
                    return
                if "error" in fields:
                    raise NotDone(str(fields["error"]), STORE_AWAY)
                yield self._as_qproxy(fields, sign)
        raise NotDone("the answer was cut off: qproxy was stopped, or the connection broke", UNREACHABLE)

    def _as_qproxy(self, fields: dict[str, Any], sign: str) -> dict[str, Any]:
        if sign not in fields:
            raise NotDone(f"{self._door} does not answer as qproxy does", UNREACHABLE)
        return fields

    @contextmanager
    def _asked(
        self, method: str, path: str, query: Mapping[str, str], patience: float = PATIENCE
    ) -> Iterator[HTTPResponse]:
        target = f"/{MOUNT}/{path}" + (f"?{urlencode(query)}" if query else "")
        authorization = signed(self._keys, method, target, time.time())
        with closing(HTTPConnection(self._door.name, self._door.port)) as connection:
            try:
                connection.sock = self._connected()
                connection.sock.settimeout(patience)
                connection.request(method, target, headers={"Authorization": authorization, "Connection": "close"})
                response = connection.getresponse()
            except ssl.SSLError as error:
                reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
                text = f"{self._door} cannot prove to be {self._door.name} of internal.tls.certificate: {reason}"
                raise NotDone(text, UNREACHABLE) from None
            except (OSError, HTTPException) as error:
                raise NotDone(f"qproxy cannot be reached at {self._door}: {_why(error)}", UNREACHABLE) from None
            with response:
                if response.status != 200:
                    raise self._refused(response)
                yield response

    def _connected(self) -> socket.socket:
        plain = socket.create_connection((self._door.host, self._door.port), PATIENCE)
        try:
            return self._door.tls.wrap_socket(plain, server_hostname=self._door.name) if self._door.tls else plain
        except BaseException:
            plain.close()
            raise

    def _refused(self, response: HTTPResponse) -> NotDone:
        if response.status == 403:
            text = f"qproxy refuses this machine at {self._door}: internal.allow must list the address it comes from"
            return NotDone(text, NOT_ALLOWED)
        said = _object(response.read())
        text = str(said.get("error", "")) or f"{self._door} answers {response.status}: is it this qproxy?"
        if response.status == 401:
            return NotDone(f"qproxy refuses: {REASONS.get(text, text)}", NOT_ALLOWED)
        if alike := said.get("sessions"):
            text = f"{text}: {', '.join(map(str, alike))}"
        return NotDone(text, {400: MISUSED, 404: NO_SESSION, 409: NO_SESSION, 503: STORE_AWAY}.get(response.status, 1))


def door(internal: InternalConfig) -> Door:
    """The listening address that is nearest; over plain http only one on this machine. Raises NotDone."""
    addresses = sorted(internal.listen, key=lambda one: not (one.loopback or one.wildcard))
    nearest = addresses[0]
    if nearest.port == 0:
        raise NotDone("internal.listen has no port of its own: write one", BAD_CONFIG)
    if internal.tls is None and not (nearest.loopback or nearest.wildcard):
        text = f"internal.listen ({nearest}) is plain http beyond loopback: give internal.tls, or listen on 127.0.0.1"
        raise NotDone(f"{text} as well", BAD_CONFIG)
    host = _here(nearest)
    if internal.tls is None:
        return Door(host, nearest.port, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the configured certificate is believed as it is
    for trusted in (internal.tls.certificate, internal.client_ca):
        if trusted is not None:
            _load(context, str(trusted))
    return Door(host, nearest.port, internal.url.host if internal.url else host, context)


def _here(address: Address) -> str:
    """Where something that listens on all addresses can be reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - nothing is bound


def _load(context: ssl.SSLContext, trusted: str) -> None:
    try:
        context.load_verify_locations(trusted)
    except OSError as error:
        raise NotDone(f"{trusted} cannot be used: {error.strerror or 'no certificate'}", BAD_CONFIG) from None


def _why(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; does it run, and with this configuration?"
    return str(error) or type(error).__name__


def _line_of(response: HTTPResponse) -> bytes:
    """The next line, or nothing where it broke off."""
    try:
        return response.readline()
    except (OSError, HTTPException):
        return b""


def _object(data: bytes) -> dict[str, Any]:
    """What is no JSON object is an answer of somebody else, and says nothing."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
