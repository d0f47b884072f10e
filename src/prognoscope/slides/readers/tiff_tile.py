"""One tile or strip of a TIFF, decoded as a TIFF of its own: whatever compression libtiff knows, Pillow reads."""

import io
import struct

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tifffile import TiffPage

JPEG_2000 = frozenset({33005, 34712})  # which libtiff does not read, and OpenJPEG does
READABLE = {1: "none", 5: "LZW", 7: "JPEG", 8: "Deflate", 32773: "PackBits", 32946: "Deflate", 34925: "LZMA"}
READABLE |= {50000: "Zstandard", 50001: "WebP"} | dict.fromkeys(JPEG_2000, "JPEG 2000")
GREY, COLOUR, YCBCR = (0, 1), 2, 6  # photometric interpretations
JPEG_TABLES, SUBSAMPLING, EXTRA_SAMPLES, FILL_ORDER, PREDICTOR = 347, 530, 338, 266, 317
FORMAT = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B"}  # of a tag's values by its type
Entry = tuple[int, int, tuple[int, ...]]  # tag, type, values


def decode(page: TiffPage, data: bytes, width: int, height: int, samples: int) -> UInt8[np.ndarray, "h w c"]:
    """The pixels of a tile.

    Args:
        page: Whose tile it is.
        data: As it lies in the file.
        samples: In a pixel of the tile: those of the page, or 1 where each channel has tiles of its own.
    """
    if page.compression in JPEG_2000:
        image = Image.open(io.BytesIO(data), formats=["JPEG2000"])
    else:
        image = Image.open(io.BytesIO(_own_file(page, data, width, height, samples)), formats=["TIFF"])
    with image:
        if image.size != (width, height):
            raise ValueError(f"it is of {image.width} x {image.height} pixels, not {width} x {height}")
        if image.mode == "RGBX":
            image = image.convert("RGB")
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _own_file(page: TiffPage, data: bytes, width: int, height: int, samples: int) -> bytes:
    """A classic TIFF of one strip. Source: TIFF 6.0, section 2 and Technical Note 2."""
    photometric = int(page.photometric or 0) if samples == page.samplesperpixel else 1
    entries: list[Entry] = [
        *((256, 4, (width,)), (257, 4, (height,)), (258, 3, (8,) * samples), (259, 3, (int(page.compression),))),
        *((262, 3, (photometric,)), (277, 3, (samples,)), (278, 4, (height,)), (279, 4, (len(data),)), (284, 3, (1,))),
        (PREDICTOR, 3, (int(page.predictor),)),
        (FILL_ORDER, 3, (int(page.fillorder),)),
    ]
    if page.jpegtables:
        entries.append((JPEG_TABLES, 7, tuple(page.jpegtables)))
    if photometric == YCBCR and page.subsampling:
        entries.append((SUBSAMPLING, 3, tuple(map(int, page.subsampling))))
    if samples == 4:
        entries.append((EXTRA_SAMPLES, 3, tuple(map(int, page.extrasamples)) or (0,)))
    n = len(entries) + 1
    beyond = 8 + 2 + 12 * n + 4
    values, rows = b"", []
    for tag, kind, each in entries:
        packed = struct.pack(f"<{len(each)}{FORMAT[kind]}", *each)
        if len(packed) > 4:
            place, values = beyond + len(values), values + packed + b"\0" * (len(packed) % 2)
            packed = struct.pack("<I", place)
        rows.append((tag, struct.pack("<HHI", tag, kind, len(each)) + packed.ljust(4, b"\0")))
    rows.append((273, struct.pack("<HHII", 273, 4, 1, beyond + len(values))))
    directory = struct.pack("<H", n) + b"".join(row for _, row in sorted(rows)) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + values + data
