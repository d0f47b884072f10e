"""What a pickle of strangers names, looked at before torch reads it; nothing is unpickled."""

import struct
import zipfile
from contextlib import ExitStack
from io import BufferedIOBase
from pathlib import Path
from pickletools import genops  # reads opcodes, and runs nothing
from typing import IO, cast

COSTLY = 10**8  # letters of the texts, each squared: about a second of torch's search
SHORT = 4096  # bytes of what is no pickle, in which that search costs nothing
ZIP = b"PK\x03\x04"  # begins an archive, also one that is cut short
PICKLES = 5  # that a file of torch's old form begins with
DAMAGE = (  # what torch raises on files that are damaged, besides UnpicklingError on those that would have to run code
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, ImportError, struct.error, zipfile.BadZipFile),
)


def unpacks_beyond(path: Path) -> bool:
    """Whether a file is an archive with squeezed members, or of more than it has.

    torch stores values as they are; a few megabytes of squeezed zeros may unpack to gigabytes. An archive that cannot
    be looked into counts as such.
    """
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except DAMAGE:
        return True
    is_squeezed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    return is_squeezed or sum(entry.file_size for entry in entries) > path.stat().st_size


def names_endlessly(path: Path) -> bool:
    """Whether a file of torch's has texts so long, such as the name of a class, that torch would search them for ever.

    torch refuses to load what they name, but composes its message with a search whose cost grows with the square of the
    text: minutes for 70 kB, hours for a megabyte. What is short or squeezed and no pickle is left to torch; an archive
    that cannot be looked into counts as endless.
    """
    try:
        with ExitStack() as opened:
            return any(_is_endless(each) for each in _pickles(path, opened))
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):  # damaged or encrypted: torch says so
        return False
    except DAMAGE:  # such as members whose names are no text: torch might read what nobody has looked at
        return True


def _pickles(path: Path, opened: ExitStack) -> list[BufferedIOBase]:
    if not zipfile.is_zipfile(path):
        file = opened.enter_context(path.open("rb"))
        is_cut = file.read(len(ZIP)) == ZIP
        file.seek(0)
        return [] if is_cut else [file] * PICKLES  # one behind the other
    archive = opened.enter_context(zipfile.ZipFile(path))
    entries = [each for each in archive.infolist() if each.filename.endswith(".pkl")]
    stored = [each for each in entries if each.compress_type == zipfile.ZIP_STORED]
    return [cast("BufferedIOBase", opened.enter_context(archive.open(each))) for each in stored]


def _is_endless(pickle: BufferedIOBase) -> bool:
    cost, end = 0, pickle.tell()
    try:
        for _, text, place in genops(cast("IO[bytes]", pickle)):
            cost += len(text) ** 2 if isinstance(text, str) else 0
            end = end if place is None else place
            if cost > COSTLY:
                return True
    except (ValueError, OverflowError, MemoryError):  # damaged: torch may read on, in one line to the end
        pickle.seek(end)
        return len(pickle.read(SHORT + 1)) > SHORT
    return False
