"""The bytes of a file that may be packed, within limits: a small file must not fill the memory of a machine."""

import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import cast

from prognoscope.core.errors import InputError, some

MEBIBYTE = 2**20
ALWAYS_FINE = 512 * MEBIBYTE  # an unpacked size of which nobody asks how much smaller the packed file was
MOST_TIMES = 200  # what is larger may be this many times its packed size; text packs 3 to 50 times, zeros 1000 times
LARGEST = 8192 * MEBIBYTE
STEP = 16 * MEBIBYTE
MOST_MEMBERS = 10_000
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
Readable = gzip.GzipFile | zipfile.ZipExtFile
TABLE_NAME = re.compile(r"\.(csv|tsv|txt|gmt|gmx)(\.|$)", re.IGNORECASE)
OTHER_PACKINGS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
DAMAGE = (  # zipfile raises RuntimeError for an encrypted member, NotImplementedError for a compression of its own
    *(zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(RuntimeError, NotImplementedError, ValueError, OverflowError, KeyError, IndexError, struct.error, MemoryError),
)


def read_content(path: Path, what: str) -> bytes:
    """The bytes of a file, as they are.

    Raises:
        InputError: It is not to be read, or larger than any table.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise InputError(f"{what} {path} has {size / 1e9:,.0f} GB, more than any table. Name another file.")
        return path.read_bytes()
    except OSError as cause:
        raise InputError(f"{what} {path} cannot be read ({cause.strerror}). Allow reading it, or copy it.") from cause


def unpacked(content: bytes, path: Path, what: str) -> bytes:
    """The content of a gzip file, or of the one table in a zip archive; anything else as it is.

    Raises:
        InputError: It is damaged, an archive of several tables, packed in another way or twice, or so small for what
            comes out of it that it seems made to fill the memory.
    """
    if packing := next((name for magic, name in OTHER_PACKINGS.items() if content.startswith(magic)), None):
        raise InputError(f"{what} {path} is packed by {packing}. Unpack it, or pack it by gzip.")
    try:
        if content.startswith(GZIP):
            with gzip.open(io.BytesIO(content)) as stream:
                inside = read_limited(stream, len(content), path, what)
        elif content.startswith(ZIP):
            inside = _only_member(content, path, what)
        else:
            return content
    except InputError:
        raise
    except DAMAGE as cause:
        raise InputError(f"{what} {path} cannot be unpacked ({cause}). Copy or pack it again.") from cause
    if inside.startswith(ZIP):
        raise InputError(f"{what} {path} is an archive of another archive. Unpack it once.")
    if inside.startswith(GZIP):
        raise InputError(f"{what} {path} is packed twice. Unpack it once.")
    return inside


def read_limited(stream: Readable, packed: int, path: Path, what: str) -> bytes:
    """All bytes of a stream that unpacks, as long as they are in proportion to the packed ones.

    Raises:
        InputError: They are not.
    """
    parts: list[bytes] = []
    total = 0
    while part := stream.read(STEP):
        total += len(part)
        need_proportion(total, packed, path, what)
        parts.append(part)
    return b"".join(parts)


def need_proportion(size: int, packed: int, path: Path, what: str) -> None:
    """Nothing, if a file of `packed` bytes may well hold `size` bytes.

    Raises:
        InputError: It may not.
    """
    if size > min(LARGEST, max(ALWAYS_FINE, MOST_TIMES * packed)):
        raise InputError(
            f"{what} {path} has {packed:,} bytes and unpacks to more than {size / MEBIBYTE:,.0f} MiB, so it seems made "
            "to fill the memory, and was not read. If it is a table that you trust, unpack it yourself."
        )


def open_archive(content: bytes, path: Path, what: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """A zip archive and its members, folders left out.

    Raises:
        InputError: It has more members than any archive of tables, or names sizes out of proportion.
    """
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = [each for each in archive.infolist() if not each.is_dir()]
    if len(members) > MOST_MEMBERS:
        raise InputError(f"{what} {path} is an archive of {len(members):,} files. Give an archive of one table.")
    return archive, members


def _only_member(content: bytes, path: Path, what: str) -> bytes:
    """The one table in a zip archive, as a stream: its own name is never used, for it may climb out of the folder."""
    archive, members = open_archive(content, path, what)
    with archive:
        members = [each for each in members if not _is_clutter(each.filename)]
        if len(members) > 1:
            members = [each for each in members if TABLE_NAME.search(PurePosixPath(each.filename).name)]
        if len(members) != 1:
            named = some(each.filename for each in members) or "none"
            raise InputError(
                f"{what} {path} is an archive of {len(members)} tables ({named}). Give an archive of one table."
            )
        with archive.open(members[0]) as stream:
            return read_limited(cast(zipfile.ZipExtFile, stream), len(content), path, what)


def _is_clutter(member: str) -> bool:
    return "__MACOSX" in member or PurePosixPath(member).name.startswith("._")
