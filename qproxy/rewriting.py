"""Changes a file that others read meanwhile: under a lock, and as a whole.

A reader never sees half a file, two editors lose no edit, and a crash leaves the old one. Blocking. Must not know what
is in the file.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Locked(Exception):
    """Another editor holds the file."""


def put_in_place(path: Path, text: str) -> None:
    """Mode 0600; the owner stays, so that the service can go on reading what an administrator changed.

    A link's own place is taken: resolve it before. Raises OSError; the old file is then as it was.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            _keep_owner(path, file.fileno())
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _keep_owner(path: Path, handle: int) -> None:
    if sys.platform != "win32" and path.exists():
        status = path.stat()
        with suppress(PermissionError):
            os.fchown(handle, status.st_uid, status.st_gid)


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """One editor at a time, by a lock that the system takes back when its holder dies; the empty lock file stays.

    Raises Locked when another editor does not end within `patience` seconds, and OSError.
    """
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + patience
        while not _try_lock(handle):
            if time.monotonic() >= until:
                raise Locked(f"{path}: somebody else is editing it; try again")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
