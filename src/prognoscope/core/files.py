"""Files that are there as a whole or not at all: written beside their place, then renamed."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from prognoscope.core.errors import DiskFullError, InputError, MissingFileError

if TYPE_CHECKING:
    import pandas as pd

PART = ".part"  # the ending of a file that is being written


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """A path beside `path` to write to, renamed to `path` when the block ends well and removed when it does not.

    A process killed inside the block leaves `path` as it was.

    Raises:
        DiskFullError: There was no room for it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}{PART}")
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    except OSError as cause:
        if cause.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DiskFullError(
            f"The disk is full: {path} was not written, and nothing half written is left. Make room and start again."
        ) from cause
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def remove_leftovers(folder: Path) -> int:
    """Delete the partial files that killed processes left in `folder` and below; returns how many there were."""
    leftovers = [path for path in Path(folder).rglob(f".*{PART}") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: object) -> None:
    """Write JSON with sorted keys, whole or not at all. NaN is refused, because JSON has none."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_table(path: Path | str, table: "pd.DataFrame") -> None:
    """Write a CSV without its index, numbers in full, whole or not at all."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def need_file(
    path: Path | str, what: str, cure: str = "Correct the path, which is relative to the study file."
) -> Path:
    """The path, if it is a file.

    Args:
        cure: What to do when it is not there.

    Raises:
        MissingFileError: It is not there, or it is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise MissingFileError(f"{what} {path} is a folder. Name the file itself.")
    if not path.is_file():
        raise MissingFileError(f"{what} {path} does not exist. {cure}")
    return path


def read_json(path: Path | str, what: str, cure: str = "Run the study again.") -> object:
    """The content of a JSON file.

    Args:
        cure: What to do when it is not there.

    Raises:
        InputError: The file is not JSON.
    """
    path = need_file(path, what, cure)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise InputError(f"{what} {path} is not JSON ({cause}). Remove it and make it again.") from cause


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: object) -> str:
    """Sixteen hexadecimal digits that stand for a JSON-able value, such as `dataclasses.asdict(spec)`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
