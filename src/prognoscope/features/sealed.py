"""JSON at the end of a file, with its length, its checksum and a mark behind it, so that a broken file is told."""

import json
import zlib
from pathlib import Path
from typing import IO, Any

from prognoscope.core.errors import FeatureError, MissingFileError


def write_end(file: IO[bytes], value: object, mark: bytes) -> None:
    """End a file with a JSON-able value; length and checksum have eight bytes each."""
    text = json.dumps(value).encode()
    file.write(text + len(text).to_bytes(8, "little") + zlib.crc32(text).to_bytes(8, "little") + mark)


def read_end(path: Path, mark: bytes) -> tuple[Any, int]:
    """The value with which a file of packed embeddings ends, and the byte where it begins.

    Raises:
        MissingFileError: There is no such file.
        FeatureError: It is not whole.
    """
    if not path.is_file():
        raise MissingFileError(f"The packed embeddings {path} do not exist. Pack the cohort's embeddings first.")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 16 - len(mark)))
        tail = file.read()
        length = int.from_bytes(tail[:8], "little")
        begin = size - len(tail) - length
        if tail[16:] == mark and begin >= 0:
            file.seek(begin)
            text = file.read(length)
            if zlib.crc32(text) == int.from_bytes(tail[8:16], "little"):
                return json.loads(text), begin
    raise not_whole(path)


def not_whole(path: Path) -> FeatureError:
    """What a broken file is told by."""
    return FeatureError(f"{path} is not a whole file of packed embeddings. Remove it; it will be packed again.")
