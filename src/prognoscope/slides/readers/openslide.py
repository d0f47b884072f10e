"""Whole-slide images through OpenSlide: SVS, NDPI, MRXS, SCN, DICOM, tiled TIFF and what else it knows."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np
import openslide
from jaxtyping import UInt8

from prognoscope.core.errors import SlideError
from prognoscope.slides.readers.base import CACHE_BYTES, believed_mpp, checked_mpp, downsample_of, shrink

UNSUPPORTED = re.compile(r"unsupported|not supported|unrecognized|unknown compression", re.IGNORECASE)
CONVERT = "Convert it to a tiled TIFF with JPEG compression, for example with QuPath or bfconvert"


class OpenSlideSlide:
    """A slide that OpenSlide reads.

    OpenSlide refuses every call after its first failure, even for the size: all that is known is taken at once, and
    a failed slide says the same sentence at every further reading.

    Args:
        path: The slide; of a DICOM series any file, of MRXS the `.mrxs` file.
        mpp: um per level-0 pixel; wins over what the slide says.

    Raises:
        SlideError: OpenSlide cannot open the file.
    """

    def __init__(self, path: Path, *, mpp: float | None = None):
        self.path = path
        self._failure: str | None = None
        self._closed = False
        given = checked_mpp(mpp, path)
        try:
            self._handle = openslide.OpenSlide(path)
        except openslide.OpenSlideError as cause:
            raise SlideError(_sentence(path, "cannot be opened", cause)) from cause
        try:
            self._handle.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
            self.properties: Mapping[str, str] = MappingProxyType(dict(self._handle.properties))
            self.level_sizes_px = tuple(self._handle.level_dimensions)
            self._reported_downsamples = tuple(self._handle.level_downsamples)
        except openslide.OpenSlideError as cause:
            self._handle.close()
            raise SlideError(_sentence(path, "cannot be opened", cause)) from cause
        self.size_px = self.level_sizes_px[0]
        self.level_downsamples = tuple(downsample_of(self.size_px, size) for size in self.level_sizes_px)
        self.mpp, self.mpp_trouble = (
            (given, "")
            if given
            else believed_mpp(self._number(openslide.PROPERTY_NAME_MPP_X), self._number(openslide.PROPERTY_NAME_MPP_Y))
        )
        self.magnification = self._number(openslide.PROPERTY_NAME_OBJECTIVE_POWER)

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether OpenSlide knows the format, by content; the file may be damaged all the same."""
        try:
            return openslide.OpenSlide.detect_format(path) is not None
        except openslide.OpenSlideError:
            return True

    def hold(self, n_bytes: int) -> None:
        self._handle.set_cache(openslide.OpenSlideCache(n_bytes))

    def read(self, x_px: int, y_px: int, level: int, width_px: int, height_px: int) -> UInt8[np.ndarray, "H W 3"]:
        if self._failure:
            raise SlideError(self._failure)
        # OpenSlide divides by the downsample it reports, which is off where a level lost its last row or column
        true, reported = self.level_downsamples[level], self._reported_downsamples[level]
        column, row = (round(at / true) for at in (x_px, y_px))
        if column < 0 or row < 0:  # there OpenSlide moves what it reads by up to a pixel of the level
            return self._read_beyond(column, row, level, width_px, height_px)
        left, top = (round(at * reported) for at in (column, row))
        try:
            pixels = np.asarray(self._handle.read_region((left, top), level, (width_px, height_px)))
        except openslide.OpenSlideError as cause:
            # not closed here: another thread may be reading
            self._failure = _sentence(self.path, "is damaged and cannot be read", cause)
            raise SlideError(self._failure) from cause
        return _on_white(pixels)

    def _read_beyond(
        self, column: int, row: int, level: int, width_px: int, height_px: int
    ) -> UInt8[np.ndarray, "H W 3"]:
        """A region that begins left of the slide or above it, white there."""
        region = np.full((height_px, width_px, 3), 255, np.uint8)
        left, top = max(0, -column), max(0, -row)
        if left < width_px and top < height_px:
            per = self.level_downsamples[level]
            inside = round(max(column, 0) * per), round(max(row, 0) * per)
            region[top:, left:] = self.read(*inside, level, width_px - left, height_px - top)
        return region

    def thumbnail(self, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
        return shrink(self, longest_px)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._failure = self._failure or f"The slide {self.path} was closed. Open it again to read it."
            self._handle.close()  # a second close would be an error

    def __enter__(self) -> "OpenSlideSlide":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _number(self, name: str) -> float | None:
        with suppress(KeyError, ValueError):
            return float(self.properties[name])
        return None


def _on_white(pixels: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "H W 3"]:
    alpha = pixels[..., 3]
    rgb = np.ascontiguousarray(pixels[..., :3])
    if alpha.min(initial=255) < 255:
        # half-clear pixels are no thin tissue: OpenSlide shifts a level by parts of a pixel, which frays its border
        rgb[alpha < 128] = 255
    return rgb


def _sentence(path: Path, what: str, cause: Exception) -> str:
    reason = str(cause).removeprefix(f"Reading {path}: ").rstrip(".")
    # the same file again would be of the same compression
    cure = CONVERT if UNSUPPORTED.search(reason) else "Get the file again"
    return f"The slide {path} {what} (OpenSlide: {reason}). {cure}, or leave it out of the cohort."
