"""Tiles of slides for deep zoom, from the original files: few slides open at once, whatever is looked at."""

import io
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from prognoscope.core.errors import SlideError
from prognoscope.slides.readers import Slide, open_slide
from prognoscope.slides.readers.base import level_for

TILE_PX = 256
QUALITY = 85  # of JPEG
MOST_OPEN = 6  # slides
HELD_BYTES = 32 * 2**20  # of decoded tiles an open slide; six of them are 192 MB
MOST_READ_PX = 2**24  # pixels that are read for one tile; coarser ones come from a thumbnail
THUMBNAIL_PX = 2048  # its longer side
KEPT_BYTES = 48 * 2**20  # of tiles as they were sent


@dataclass(slots=True)
class Opened:
    """A slide that is held open."""

    slide: Slide
    stamp: tuple[int, int]  # size and time of the file when it was opened
    users: int = 0
    is_old: bool = False  # no longer to be handed out
    thumbnail: UInt8[np.ndarray, "h w 3"] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class OpenSlides:
    """Slides opened when they are asked for, the last used ones kept open; one that changes on disk is opened anew.

    Args:
        most: How many stay open.
    """

    def __init__(self, most: int = MOST_OPEN):
        self._most = most
        self._open: OrderedDict[tuple[Path, float | None], Opened] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def use(self, path: Path, mpp: float | None) -> Iterator[Opened]:
        """An open slide that is not closed in this block.

        Raises:
            SlideError: It cannot be opened.
        """
        entry = self._taken(path, mpp)
        try:
            yield entry
        finally:
            with self._lock:
                entry.users -= 1
                if entry.is_old and not entry.users:
                    entry.slide.close()

    def close(self) -> None:
        """Let go of all of them."""
        with self._lock:
            for key in list(self._open):
                self._drop(key)

    def _taken(self, path: Path, mpp: float | None) -> Opened:
        key, stamp = (path, mpp), stamp_of(path)
        with self._lock:
            entry = self._open.get(key)
            if entry is not None and entry.stamp != stamp:
                self._drop(key)
                entry = None
            if entry is None:
                slide = open_slide(path, mpp=mpp)
                slide.hold(HELD_BYTES)
                entry = self._open[key] = Opened(slide, stamp)
            self._open.move_to_end(key)
            entry.users += 1
            while len(self._open) > self._most:
                self._drop(next(iter(self._open)))
        return entry

    def _drop(self, key: tuple[Path, float | None]) -> None:
        entry = self._open.pop(key)
        entry.is_old = True
        if not entry.users:
            entry.slide.close()


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and time of a file, by which a replaced one is seen; of a folder of Zarr those of what says its levels.

    Raises:
        SlideError: It is not there.
    """
    try:
        inside = [*path.glob("*"), *path.glob("*/zarr.json"), *path.glob("*/.zarray")] if path.is_dir() else []
        stats = [os.stat(each) for each in (path, *inside)]
    except OSError as cause:
        raise SlideError(f"The slide {path} is not there any more. Put it back.") from cause
    return sum(each.st_size for each in stats), max(each.st_mtime_ns for each in stats)


def top_of(size_px: tuple[int, int]) -> int:
    """The zoom level at which a pixel of a tile is a pixel of level 0; at 0 one pixel shows the whole slide."""
    return math.ceil(math.log2(max(size_px)))


def tile(entry: Opened, z: int, x: int, y: int) -> UInt8[np.ndarray, "256 256 3"]:
    """The pixels of a tile of the Deep Zoom pyramid over level 0, white beyond the slide.

    Raises:
        IndexError: There is no such tile.
        SlideError: The slide is damaged.
    """
    size = entry.slide.size_px
    top = top_of(size)
    if not 0 <= z <= top:
        raise IndexError(z)
    downsample = float(2 ** (top - z))
    if not (0 <= x * TILE_PX * downsample < size[0] and 0 <= y * TILE_PX * downsample < size[1]):
        raise IndexError((x, y))
    return region(entry, x * TILE_PX * downsample, y * TILE_PX * downsample, downsample, TILE_PX)


def region(entry: Opened, left: float, top: float, downsample: float, side: int) -> UInt8[np.ndarray, "s s 3"]:
    """A square of the slide, `side` pixels wide, each of them as many level-0 pixels as `downsample`; exact in place.

    Args:
        left: In level-0 pixels; need not be whole.
        top: Likewise.
    """
    slide = entry.slide
    level = level_for(slide, downsample)
    per = slide.level_downsamples[level]
    span = side * downsample / per  # pixels of the level
    if span * span > MOST_READ_PX:
        return _from_thumbnail(entry, left, top, downsample, side)
    margin = max(1, math.ceil(downsample / per))  # how far interpolation looks
    first = [math.floor(at / per) - margin for at in (left, top)]
    wide = math.ceil(span) + 2 * margin + 1
    pixels = slide.read(round(first[0] * per), round(first[1] * per), level, wide, wide)
    inside = [at / per - start for at, start in zip((left, top), first, strict=True)]
    return _resized(pixels, inside[0], inside[1], span, side)


def _from_thumbnail(entry: Opened, left: float, top: float, downsample: float, side: int) -> np.ndarray:
    """What is too coarse to be read for one tile: of a slide whose finest level is its only one."""
    with entry.lock:
        if entry.thumbnail is None:
            entry.thumbnail = entry.slide.thumbnail(THUMBNAIL_PX)
    small = entry.thumbnail
    per = max(entry.slide.size_px) / max(small.shape[:2])
    span = side * downsample / per
    first = [math.floor(at / per) - 1 for at in (left, top)]
    wide = math.ceil(span) + 3
    pixels = np.full((wide, wide, 3), 255, np.uint8)
    rows, columns = (slice(max(0, start), start + wide) for start in (first[1], first[0]))
    found = small[rows, columns]
    pixels[rows.start - first[1] :, columns.start - first[0] :][: found.shape[0], : found.shape[1]] = found
    return _resized(pixels, left / per - first[0], top / per - first[1], span, side)


def _resized(pixels: np.ndarray, left: float, top: float, span: float, side: int) -> np.ndarray:
    if span == side and left.is_integer() and top.is_integer():
        return pixels[int(top) : int(top) + side, int(left) : int(left) + side]
    how = Image.Resampling.BILINEAR if span >= side else Image.Resampling.BICUBIC
    box = (left, top, left + span, top + span)
    return np.asarray(Image.fromarray(pixels).resize((side, side), how, box=box))


def as_jpeg(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


class KeptBytes:
    """Answers that were made, the last used ones up to so many bytes; safe for several threads."""

    def __init__(self, most_bytes: int = KEPT_BYTES):
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], bytes]) -> bytes:
        """What was kept under a key, or what `make` gives."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped)
        return made
