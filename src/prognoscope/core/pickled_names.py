"""What a pickle of strangers names, looked at before torch reads it; nothing is unpickled."""

import zipfile
from contextlib import ExitStack
from io import BufferedIOBase
from pathlib import Path
from pickletools import genops  # reads opcodes, and runs nothing
from typing import IO, cast

LONGEST_NAME = 300  # letters of a class, with its module
PICKLES = 5  # that a file of torch's old form begins with


def names_endlessly(path: Path) -> bool:
    """Whether a file of torch's names a class by more letters than any has.

    torch refuses to load such a class, but composes its message with a search whose cost grows with the square of the
    name: minutes for 70 kB, hours for a megabyte. What is no pickle, or is squeezed, is left to torch.
    """
    try:
        with ExitStack() as opened:
            return any(_is_endless(each) for each in _pickles(path, opened))
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):  # damaged or encrypted: torch says so
        return False


def _pickles(path: Path, opened: ExitStack) -> list[BufferedIOBase]:
    if not zipfile.is_zipfile(path):
        return [opened.enter_context(path.open("rb"))] * PICKLES  # one behind the other
    archive = opened.enter_context(zipfile.ZipFile(path))
    entries = [each for each in archive.infolist() if each.filename.endswith(".pkl")]
    stored = [each for each in entries if each.compress_type == zipfile.ZIP_STORED]
    return [cast("BufferedIOBase", opened.enter_context(archive.open(each))) for each in stored]


def _is_endless(pickle: BufferedIOBase) -> bool:
    try:
        return any(
            len(str(name)) > LONGEST_NAME
            for kind, name, _ in genops(cast("IO[bytes]", pickle))
            if kind.name in ("GLOBAL", "INST")
        )
    except (ValueError, OverflowError, MemoryError):
        return False
