"""CZI that OpenSlide refuses, through pylibCZIrw: files whose pixels have a depth or a time, if only one."""

import re
import struct
import threading
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import openslide

from prognoscope.core.errors import SlideError
from prognoscope.slides.readers.base import CACHE_BYTES
from prognoscope.slides.readers.tiles import Level, Tile, TiledSlide

BEGINNING = b"ZISRAWFILE"
TILE_PX = 1024
HEADER_BYTES, DIRECTORY_AT = 32, 84  # of a segment; where the file says the place of its directory
FIRST_ENTRY = 128  # bytes of a directory's data before its entries
ENTRY, DIMENSION = struct.Struct("<2s26xi"), struct.Struct("<4siifi")
LEAST_STORED_PX = 16  # of a side of a subblock, which tells how much smaller it is than what it shows
DISTANCE = re.compile(r"<Distance\b[^>]*\bId=\"([XY])\"[^>]*>\s*<Value>([^<]+)</Value>")
MAGNIFICATION = re.compile(r"<NominalMagnification>\s*([0-9.]+)\s*<")
LONGEST = 10_000_000  # characters of metadata that are looked at
UM_PER_M = 1e6
LEAVE = "or leave it out of the cohort."
INSTALL = 'pip install "prognoscope[czi]"'


class CziSlide(TiledSlide):
    """A CZI of one plane in colour; all its scenes lie on one plane, white between them.

    Raises:
        SlideError: It is damaged, is of other than 8 bits a colour, holds several channels or planes, or pylibCZIrw is
            not installed.
    """

    def __init__(self, path: Path, *, mpp: float | None = None):
        self._file: Any = None
        try:
            czi: Any = import_module("pylibCZIrw.czi")  # which types could not be checked without
        except ImportError as cause:
            raise SlideError(
                f"OpenSlide cannot read the CZI {path}. pylibCZIrw may, and is absent. {INSTALL} (for Python up "
                "to 3.13), or convert it to OME-TIFF with QuPath or bfconvert."
            ) from cause
        try:
            options = czi.CacheOptions(czi.CacheType.Standard, max_memory_usage=CACHE_BYTES)
            self._file = czi.CziReader(str(path), cache_options=options)
            _need_colours(path, self._file)
            whole = self._file.total_bounding_rectangle
            told = str(self._file.raw_metadata)[:LONGEST]
            scenes = len(self._file.scenes_bounding_rectangle)
            lock = threading.Lock()
            levels = [_level(self._file, whole, each, lock) for each in _downsamples(path)]
        except Exception as cause:  # pylibCZIrw raises what its C++ does
            if self._file is not None:
                self._file.close()
            if isinstance(cause, SlideError):
                raise
            reason = str(cause).rstrip(".") or type(cause).__name__
            raise SlideError(f"The slide {path} cannot be opened ({reason}). Get the file again, {LEAVE}") from cause
        um = {axis: _number(value) for axis, value in DISTANCE.findall(told)}
        size = [None if (each := um.get(axis)) is None else each * UM_PER_M for axis in "XY"]
        objective = MAGNIFICATION.search(told)
        super().__init__(
            path,
            levels,
            given=mpp,
            told=(size[0], size[1]),
            magnification=None if objective is None else _number(objective[1]),
            properties={"czi.scenes": str(scenes)},
        )

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether this is a CZI that OpenSlide cannot open."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            if file.read(len(BEGINNING)) != BEGINNING:
                return False
        try:
            openslide.OpenSlide(path).close()
        except openslide.OpenSlideError:
            return True
        return False

    def close(self) -> None:
        super().close()
        self._file.close()


def _need_colours(path: Path, file: Any) -> None:
    box, kinds = file.total_bounding_box, file.pixel_types
    planes = [f"{box[axis][1] - box[axis][0]} along {axis}" for axis in "ZT" if axis in box and np.ptp(box[axis]) > 1]
    if planes:
        why = f"holds planes: {' and '.join(planes)}"
    elif len(kinds) > 1:
        why = f"holds {len(kinds)} channels, as fluorescence has, not the colours of stained tissue"
    elif set(kinds.values()) != {"Bgr24"}:
        why = f"has pixels of the kind {', '.join(kinds.values())}, not 8 bits a colour"
    else:
        return
    raise SlideError(f"The slide {path} {why}. Export one plane as an RGB TIFF of 8 bits, {LEAVE}")


def _level(file: Any, whole: Any, downsample: int, lock: threading.Lock) -> Level:
    size = max(1, whole.w // downsample), max(1, whole.h // downsample)
    return Level(size, (TILE_PX, TILE_PX), partial(_tile, file, whole, size, downsample, lock))


def _tile(
    file: Any, whole: Any, size: tuple[int, int], downsample: int, lock: threading.Lock, column: int, row: int
) -> Tile:
    x, y = column * TILE_PX, row * TILE_PX
    wide, high = min(TILE_PX, size[0] - x), min(TILE_PX, size[1] - y)
    place = (whole.x + x * downsample, whole.y + y * downsample, wide * downsample, high * downsample)
    with lock:
        pixels = file.read(roi=place, plane={"C": 0}, zoom=1 / downsample, background_pixel=(1.0, 1.0, 1.0))
    return np.ascontiguousarray(pixels[:high, :wide, ::-1])  # it has blue first


def _downsamples(path: Path) -> list[int]:
    """Those of the levels that are stored, by the file's own directory: 1 and, for example, 2, 4, 8.

    Source: ZEISS, CZI - Image file format for microscopes, version 1.2.2: the segments of file and directory.
    """
    found = {1}
    for places in _subblocks(path):
        for name, (size, stored) in places.items():
            if name in ("X", "Y") and stored >= LEAST_STORED_PX:
                found.add(max(1, round(size / stored)))
    return sorted(found)


def _subblocks(path: Path) -> Iterator[dict[str, tuple[int, int]]]:
    """Of each subblock, by dimension, the pixels of level 0 that it spans and those that are stored."""
    with path.open("rb") as file:
        file.seek(DIRECTORY_AT)
        (at,) = struct.unpack("<q", file.read(8))
        file.seek(at + HEADER_BYTES)
        (n,) = struct.unpack("<i", file.read(4))
        file.seek(at + HEADER_BYTES + FIRST_ENTRY)
        for _ in range(n):
            kind, n_dimensions = ENTRY.unpack(file.read(ENTRY.size))
            if kind != b"DV":
                raise ValueError(f"a subblock of the kind {kind!r}")
            places = {}
            for _ in range(n_dimensions):
                name, _, size, _, stored = DIMENSION.unpack(file.read(DIMENSION.size))
                places[name.rstrip(b"\0").decode("ascii", "replace")] = size, stored
            yield places


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
