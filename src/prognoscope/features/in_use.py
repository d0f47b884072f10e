"""Whether a process has a file in use, so that what nobody uses can be removed; a lock says it, which ends with it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # on Windows, where a file that is open cannot be removed anyway
    fcntl = None

log = logging.getLogger(__name__)


def held(path: Path) -> IO[bytes]:
    """The file open for reading, and marked as in use until that is closed or forgotten."""
    file = path.open("rb")
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks; `remove_unused` then removes nothing
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return file


@contextmanager
def marked(file: IO[bytes]) -> Iterator[None]:
    """Mark a file that is being written as in use while the block runs."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield


def remove_unused(path: Path) -> bool:
    """Remove a file that no process has in use; whether it is gone."""
    try:
        with path.open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # in use, or in a folder that may not be written
        return False
    log.info("removed %s, which nobody uses any more", path)
    return True
