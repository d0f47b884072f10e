"""The one fact that is needed of a DICOM file without opening it: which series it belongs to."""

from pathlib import Path
from typing import BinaryIO

SERIES = (0x0020, 0x000E)  # Series Instance UID
IMPLICIT = b"1.2.840.10008.1.2"  # the only transfer syntax of slides that leaves out the types of its elements
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
UNDEFINED = 0xFFFFFFFF
END_OF_ITEM, END_OF_SEQUENCE = (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)


def series_of(path: Path) -> str | None:
    """The UID of the series; None where the file is not DICOM or does not say.

    Source: DICOM PS3.5 sections 7.1 and 7.5, PS3.10 section 7.1.
    """
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return None
        syntax = b""
        while (tag := _tag(file)) is not None and tag <= SERIES:
            explicit = tag[0] == 2 or syntax != IMPLICIT
            length = _length(file, explicit)
            if tag in (SERIES, (0x0002, 0x0010)):
                value = file.read(length).rstrip(b"\0 ")
                if tag == SERIES:
                    return value.decode("ascii", "replace")
                syntax = value
            else:
                _skip(file, length, explicit)
    return None


def _tag(file: BinaryIO) -> tuple[int, int] | None:
    raw = file.read(4)
    return (int.from_bytes(raw[:2], "little"), int.from_bytes(raw[2:], "little")) if len(raw) == 4 else None


def _length(file: BinaryIO, explicit: bool) -> int:
    if not explicit:
        return int.from_bytes(file.read(4), "little")
    kind = file.read(2)
    if kind in LONG:
        file.read(2)
        return int.from_bytes(file.read(4), "little")
    return int.from_bytes(file.read(2), "little")


def _skip(file: BinaryIO, length: int, explicit: bool) -> None:
    if length != UNDEFINED:
        file.seek(length, 1)
        return
    while (tag := _tag(file)) is not None and tag not in (END_OF_ITEM, END_OF_SEQUENCE):  # a sequence or an item of it
        _skip(file, _length(file, explicit and tag[0] != 0xFFFE), explicit)
    file.read(4)  # the delimiter's own length, which is 0
