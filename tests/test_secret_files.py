"""Keys and the files that hold them."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.secret_files import SecretError, exposure, parse_key, read_secret

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has access lists, no modes")


def secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


@given(st.binary(min_size=32, max_size=32))
def test_a_key_may_be_hex_or_either_base64(key: bytes) -> None:
    spellings = [key.hex(), key.hex().upper(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()]
    assert [parse_key(f" {text}\n") for text in spellings] == [key] * 4
    assert parse_key(spellings[3].rstrip("=")) == key


@given(st.text() | st.binary(max_size=31).map(bytes.hex))
def test_anything_else_is_no_key_and_is_not_repeated(text: str) -> None:
    try:
        said = f"{len(parse_key(text))} bytes"
    except SecretError as error:
        said = str(error)
    assert said in {"32 bytes", "must hold 32 bytes as base64 or as hex digits: " + said.partition(": ")[2]}


def test_a_secret_loses_only_its_line_end(tmp_path: Path) -> None:
    assert read_secret(secret_file(tmp_path, " pass word \r\n")) == " pass word "


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="none cannot be read: No such file or directory"):
        read_secret(tmp_path / "none")


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_secret_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, "x", mode)
    with pytest.raises(SecretError, match=rf"\(mode {mode:04o}\): chmod 600 "):
        read_secret(path)


@posix
@pytest.mark.parametrize(("mode", "refused"), [(0o440, False), (0o444, True)])
def test_a_credential_of_systemd_may_show_its_group(tmp_path: Path, mode: int, refused: bool) -> None:
    path = secret_file(tmp_path, "x", mode)
    assert (exposure(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) is not None) is refused
