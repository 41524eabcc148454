"""Secrets in files: who else may read them, and how a key is written.

A secret that others on the machine can read is refused, not warned about. No function here repeats a secret, in an
error as little as anywhere else.
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path

KEY_BYTES = 32
HOW_TO_MAKE = "make one with: qproxy keys new FILE"


class SecretError(ValueError):
    """Says what is wrong with a file or a key, and what to do; never what is in it."""


def parse_key(text: str) -> bytes:
    """32 bytes from 64 hex digits or from base64 (either alphabet, padded or not)."""
    stripped = text.strip()
    try:
        if len(stripped) == 2 * KEY_BYTES:
            return bytes.fromhex(stripped)
        plain = stripped.rstrip("=").replace("-", "+").replace("_", "/")
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise SecretError(f"must hold 32 bytes as base64 or as hex digits: {HOW_TO_MAKE}")
    return key


def read_secret(path: Path) -> str:
    """The text of a file that only its owner can read, without the line end."""
    exposed = exposure(path)
    if exposed:
        raise SecretError(exposed)
    return read_text(path).rstrip("\r\n")


def read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(f"{path} is not a text file") from None


def exposure(path: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """What is wrong with the rights of a secret file; None when only its owner may touch it (and always on Windows).

    systemd shows the files of LoadCredential= as readable by their group because of the access list that it sets, so
    there only "others" count.
    """
    if os.name == "nt":
        return None
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    refused = 0o007 if credentials and path.is_relative_to(credentials) else 0o077
    if mode & refused:
        return f"{path} is open to others than its owner (mode {mode:04o}): chmod 600 {path}"
    return None
