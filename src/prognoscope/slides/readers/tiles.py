"""A slide that is read tile by tile, from wherever its tiles come; those used last are kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from prognoscope.core.errors import SlideError
from prognoscope.slides.readers.base import CACHE_BYTES, believed_mpp, checked_mpp, downsample_of, shrink

MOST_TILE_PX = 8000**2  # of one tile, which is held in memory whole
Tile = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a slide as a grid of tiles."""

    size_px: tuple[int, int]  # width, height
    tile_px: tuple[int, int]  # likewise; those at the right and at the bottom may be smaller
    tile: Callable[[int, int], Tile | None]  # by column and row; None where the slide has nothing


class TiledSlide:
    """A slide of tiled levels.

    Args:
        levels: From fine to coarse.
        given: um per level-0 pixel as the user gives it; wins over `told`.
        told: Width and height of a pixel in um, as the slide says them.

    Raises:
        SlideError: Its tiles are too large to be held in memory.
    """

    def __init__(
        self,
        path: Path,
        levels: Sequence[Level],
        *,
        given: float | None,
        told: tuple[float | None, float | None],
        magnification: float | None = None,
        properties: Mapping[str, str] | None = None,
    ):
        self.path = path
        self._levels = tuple(levels)
        self._kept = _Kept(CACHE_BYTES)
        self._closed = False
        self.level_sizes_px = tuple(level.size_px for level in levels)
        self.size_px = self.level_sizes_px[0]
        self.level_downsamples = tuple(downsample_of(self.size_px, size) for size in self.level_sizes_px)
        given = checked_mpp(given, path)
        self.mpp, self.mpp_trouble = (given, "") if given else believed_mpp(*told)
        self.magnification = magnification
        self.properties: Mapping[str, str] = MappingProxyType(dict(properties or {}))
        largest = max((level.tile_px for level in levels), key=lambda each: each[0] * each[1])
        if largest[0] * largest[1] > MOST_TILE_PX:
            raise SlideError(
                f"The slide {path} is stored in pieces of {largest[0]} x {largest[1]} pixels, too large to be held "
                "in memory. Save it with smaller tiles, for example with `vips tiffsave --tile --pyramid`, or leave it "
                "out of the cohort."
            )

    def hold(self, n_bytes: int) -> None:
        self._kept.shrink(n_bytes)

    def read(self, x_px: int, y_px: int, level: int, width_px: int, height_px: int) -> UInt8[np.ndarray, "H W 3"]:
        if self._closed:
            raise SlideError(f"The slide {self.path} was closed. Open it again to read it.")
        held, per = self._levels[level], self.level_downsamples[level]
        column, row = round(x_px / per), round(y_px / per)
        region = np.full((height_px, width_px, 3), 255, np.uint8)
        left, top = max(column, 0), max(row, 0)
        right, bottom = min(column + width_px, held.size_px[0]), min(row + height_px, held.size_px[1])
        if left >= right or top >= bottom:
            return region
        wide, high = held.tile_px
        for j in range(top // high, (bottom - 1) // high + 1):
            for i in range(left // wide, (right - 1) // wide + 1):
                tile = self._tile(level, i, j)
                if tile is None:
                    continue
                x0, y0 = max(left, i * wide), max(top, j * high)
                x1, y1 = min(right, i * wide + tile.shape[1]), min(bottom, j * high + tile.shape[0])
                part = tile[y0 - j * high : y1 - j * high, x0 - i * wide : x1 - i * wide]
                region[y0 - row : y0 - row + part.shape[0], x0 - column : x0 - column + part.shape[1]] = part
        return region

    def _tile(self, level: int, column: int, row: int) -> Tile | None:
        try:
            return self._kept.get((level, column, row), lambda: self._levels[level].tile(column, row))
        except SlideError:
            raise
        except MemoryError:
            raise
        except Exception as cause:  # codecs raise errors of every kind on damaged tiles
            raise SlideError(
                f"The slide {self.path} is damaged and cannot be read (tile {column}, {row} of level {level}: "
                f"{str(cause).rstrip('.') or type(cause).__name__}). Get the file again, or leave it out of the cohort."
            ) from cause

    def thumbnail(self, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
        return shrink(self, longest_px)

    def close(self) -> None:
        self._closed = True
        self._kept.shrink(0)

    def __enter__(self) -> "TiledSlide":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def on_white(pixels: UInt8[np.ndarray, "h w c"]) -> Tile:
    """Grey, colour, or colour with opacity, as colour on white."""
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    rgb = np.ascontiguousarray(pixels[..., :3])
    if pixels.shape[2] == 4:
        rgb[pixels[..., 3] < 128] = 255
    return rgb


class _Kept:
    """Tiles, the last used ones up to so many bytes; safe for several threads."""

    def __init__(self, most_bytes: int):
        self._most, self._size = most_bytes, 0
        self._tiles: OrderedDict[tuple[int, int, int], Tile | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int, int], make: Callable[[], Tile | None]) -> Tile | None:
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        made = make()
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = made
                self._size += 0 if made is None else made.nbytes
            self._drop()
        return made

    def shrink(self, most_bytes: int) -> None:
        with self._lock:
            self._most = most_bytes
            self._drop()

    def _drop(self) -> None:
        while self._size > self._most:
            _, dropped = self._tiles.popitem(last=False)
            self._size -= 0 if dropped is None else dropped.nbytes
