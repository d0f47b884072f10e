"""Files that are there as a whole or not at all: written beside their place, then renamed."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prognoscope.core.errors import DiskFullError, InputError, MissingFileError, PrognoscopeError, UnwritableError
from prognoscope.core.faults import NO_ROOM, NOT_ALLOWED
from prognoscope.core.processes import PART, is_left, part_beside

if TYPE_CHECKING:
    import pandas as pd
HEAD_BYTES = 4000  # of a file, by which whoever wrote it is known


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """A path beside `path` to write to, renamed to `path` when the block ends well and removed when it does not.

    A process killed inside the block leaves `path` as it was.

    Raises:
        DiskFullError: There was no room for it.
        UnwritableError: It may not be written, or its disk does not do what is asked of it.
    """
    path = Path(path)
    path = path.resolve() if os.path.islink(path) else path  # the link stays one
    beside = part_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with beside.open("rb+") as written:
            _flush(written.fileno())
        beside.replace(path)
    except OSError as cause:
        if isinstance(cause, PrognoscopeError) or cause.filename not in (None, str(beside), str(path), beside, path):
            raise  # of another file, which the block read
        raise write_fault(path, cause) from cause
    finally:
        with suppress(OSError):
            beside.unlink()


def _flush(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as cause:
        if cause.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # some disks cannot be asked to
            raise


def write_fault(path: Path, cause: OSError) -> DiskFullError | UnwritableError:
    """Why a file could not be written, in a sentence."""
    if cause.errno == errno.EFBIG:
        return DiskFullError(
            f"{path} was not written, for the system allows no file as large, and nothing half written is left. Raise "
            "its limit with `ulimit -f`, or take another disk, and start again."
        )
    if cause.errno in NO_ROOM:
        return DiskFullError(
            f"The disk is full: {path} was not written, and nothing half written is left. Make room and start again."
        )
    reason = (cause.strerror or str(cause) or type(cause).__name__).lower()
    cure = "Change its permissions, or name another place."
    if cause.errno == errno.ENAMETOOLONG:
        cure = "Shorten the name, or the path of its folder."
    elif cause.errno not in NOT_ALLOWED:
        cure = "See whether its disk is there and whole, and start the same command again."
    return UnwritableError(f"{path} could not be written ({reason}), and nothing half written is left. {cure}")


def need_writable(folder: Path, what: str, cure: str) -> None:
    """Try to write into a folder, or where it will be made; nothing is left behind.

    Args:
        what: What will be written there, to begin a sentence with.

    Raises:
        DiskFullError: There is no room for a single byte.
        UnwritableError: It cannot be written to; names the folder, what was to be written, and the cure.
    """
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    probe = part_beside(there / "tried")
    try:
        probe.write_bytes(b"tried")
    except OSError as cause:
        if cause.errno in NO_ROOM:
            raise write_fault(probe, cause) from cause
        reason = (cause.strerror or type(cause).__name__).lower()
        where = "" if there == folder else f" in {there}"
        raise UnwritableError(f"{what} cannot be written to {folder} ({reason}{where}). {cure}") from cause
    finally:
        with suppress(OSError):
            probe.unlink()


def need_ours(
    path: Path,
    words: str,
    beside: Sequence[Path] = (),
    cure: str = "Name another place with --out, or move it away.",
) -> None:
    """Refuse to write over files that the same command has not written.

    Args:
        words: What the beginning of a file of that command has in it; an empty file may be anybody's.
        beside: Files that are written with it, and are that command's if it is.

    Raises:
        InputError: There are others, a folder, or a device.
    """
    there = [each for each in (path, *beside) if each.exists() or each.is_symlink()]
    if odd := [each for each in there if not each.is_file() or each.parent == Path("/dev")]:
        raise InputError(f"{odd[0]} is no ordinary file. Name the file to write with --out.")
    if not any(each.stat().st_size for each in there):
        return
    if path.is_file():
        with path.open("rb") as file:
            if words.encode() in file.read(HEAD_BYTES):
                return
    raise InputError(f"{there[0]} is there already and is not of this command, so it is not written over. {cure}")


def remove_leftovers(folder: Path) -> int:
    """Delete the partial files that processes left in `folder` and below when they were killed; returns how many."""
    leftovers = [path for path in Path(folder).rglob(f".*{PART}") if path.is_file() and is_left(path)]
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


def why_not_there(path: Path | str) -> str:
    """What may be wrong with the path of a file or folder that does not exist: a sentence and a blank, or nothing."""
    text = str(path)
    if re.search(r"\b(file|https?|ftp|s3|gs):/", text):
        return "It is an address, and only files and folders of this machine are read: copy it here. "
    if re.search(r"(^|/)~|\$\w|\$\{|%\w+%", text):
        return "Nothing is filled in for ~ and variables: write the whole path. "
    if "\\" in text and os.sep == "/":
        return "Here folders are separated by /, not by a backslash. "
    path = Path(text)
    if link := next((each for each in (path, *path.parents) if each.is_symlink() and not each.exists()), None):
        return f"{link} is a link to {os.readlink(link)}, which is not there. "
    there = next((above for above in path.parents if above.is_dir()), None)
    if there is None or there == Path(path.anchor):
        return ""
    asked = path.relative_to(there).parts[0]
    with suppress(OSError):
        alike = [name for name in os.listdir(there) if _plain(name) == _plain(asked) or Path(name).stem == asked]
        if alike:
            return f"There is {sorted(alike)[0]!r} in {there}. "
    return ""


def _plain(name: str) -> str:
    return name.strip().casefold()


def need_file(
    path: Path | str, what: str, cure: str = "Correct the path; those in a study file are relative to it."
) -> Path:
    """The path, if it is a file.

    Args:
        cure: What to do when it is not there.

    Raises:
        MissingFileError: It is not there, or it is a folder, or a pipe, which could be read only once.
    """
    path = Path(path)
    if path.is_dir():
        raise MissingFileError(f"{what} {path} is a folder. Name the file itself.")
    if path.exists() and not path.is_file():
        raise MissingFileError(f"{what} {path} is a pipe or a device. Write it into a file, and name that.")
    if not path.is_file():
        raise MissingFileError(f"{what} {path} does not exist. {why_not_there(path)}{cure}")
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
