"""DICOM whole-slide instances, written element by element; each holds one level in uncompressed tiles."""

import struct
from pathlib import Path

import numpy as np

SLIDE_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.6"
EXPLICIT = "1.2.840.10008.1.2.1"
TILE_PX = 64
LONG = ("OB", "OW", "SQ", "UT")
PACKED = {"US": "H", "UL": "I"}


def element(tag, kind, value):
    """An element with explicit type, little endian; numbers and text are packed, items of a sequence joined."""
    if kind == "SQ":
        raw = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in value)
    elif kind in PACKED:
        raw = struct.pack(f"<{PACKED[kind]}", value)
    else:
        raw = value if isinstance(value, bytes) else str(value).encode()
        raw += (b"\0" if kind in ("UI", "OB") else b" ") * (len(raw) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + kind.encode()
    return head + (struct.pack("<HI", 0, len(raw)) if kind in LONG else struct.pack("<H", len(raw))) + raw


def write_dicom_level(path: Path, series: str, number: int, picture, um: float, *, kind: str = "VOLUME") -> Path:
    """Write one level of a slide.

    Args:
        series: The UID of the slide's series.
        number: Of the instance in it.
        um: Of a pixel.
        kind: VOLUME for a level; LABEL or OVERVIEW for a picture beside the slide.
    """
    height, width = picture.shape[:2]
    tile = TILE_PX
    across, down = -(-width // tile), -(-height // tile)
    filled = np.pad(picture, ((0, down * tile - height), (0, across * tile - width), (0, 0)))
    tiles = filled.reshape(down, tile, across, tile, 3).swapaxes(1, 2)
    own = f"{series}.{number}"
    spacing = element(0x00280030, "DS", f"{um / 1000:.6f}\\{um / 1000:.6f}")
    shared = element(0x00289110, "SQ", [element(0x00180050, "DS", "0.001") + spacing])
    told = [
        (0x00080008, "CS", f"ORIGINAL\\PRIMARY\\{kind}\\NONE"),
        *((0x00080016, "UI", SLIDE_CLASS), (0x00080018, "UI", own), (0x00080060, "CS", "SM")),
        *((0x0020000D, "UI", "1.2.3"), (0x0020000E, "UI", series), (0x00200052, "UI", f"{series}.0")),
        (0x00209311, "CS", "TILED_FULL"),
        *((0x00280002, "US", 3), (0x00280004, "CS", "RGB"), (0x00280006, "US", 0), (0x00280008, "IS", across * down)),
        *((0x00280010, "US", tile), (0x00280011, "US", tile), (0x00280100, "US", 8), (0x00280101, "US", 8)),
        *((0x00280102, "US", 7), (0x00280103, "US", 0), (0x00480006, "UL", width), (0x00480007, "UL", height)),
        *((0x00480303, "UL", 1), (0x52009229, "SQ", [shared]), (0x7FE00010, "OB", tiles.tobytes())),
    ]
    meta = [
        *((0x00020001, "OB", b"\0\1"), (0x00020002, "UI", SLIDE_CLASS), (0x00020003, "UI", own)),
        *((0x00020010, "UI", EXPLICIT), (0x00020012, "UI", "1.2.3.4")),
    ]
    head = b"".join(element(*each) for each in meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = b"".join(element(*each) for each in told)
    path.write_bytes(bytes(128) + b"DICM" + element(0x00020000, "UL", len(head)) + head + body)
    return path
