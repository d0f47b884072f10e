"""What every reader gives: a slide with its levels, its resolution, and its pixels on white."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from prognoscope.core.errors import SlideError

LARGEST_MPP = 10.0  # um; more is a default of software that knew no scanner (72 dpi gives 352.8)
PIXELS_AT_ONCE = 2**24  # how much of a level is held in memory while a thumbnail is made


@runtime_checkable
class Slide(Protocol):
    """An open slide. A context manager; reading is safe from several threads, closing while reading is not."""

    path: Path
    size_px: tuple[int, int]  # width, height at level 0
    level_sizes_px: tuple[tuple[int, int], ...]  # from fine to coarse
    level_downsamples: tuple[float, ...]  # level-0 pixels that one pixel of the level spans
    mpp: float | None  # um per level-0 pixel; None where the slide does not say, or says nonsense
    magnification: float | None  # of the objective; None where the slide does not say
    properties: Mapping[str, str]

    def read(self, x_px: int, y_px: int, level: int, width_px: int, height_px: int) -> UInt8[np.ndarray, "H W 3"]:
        """A region of a level, white where the slide has nothing.

        Args:
            x_px: Left edge in level-0 pixels. The region starts at the nearest pixel of the level, exactly.
            y_px: Top edge, likewise.
            level: 0 is the finest.
            width_px: Width in pixels of the level.
            height_px: Height, likewise.

        Raises:
            SlideError: The file is damaged, or the slide was closed.
        """
        ...

    def thumbnail(self, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
        """The whole slide, its longer side `longest_px` long, or as long as level 0 if that is shorter."""
        ...

    def close(self) -> None:
        """Let go of the file; a closed slide cannot be read."""
        ...

    def __enter__(self) -> "Slide": ...

    def __exit__(self, *error: object) -> None: ...


def need_mpp(slide: Slide) -> float:
    """The um per level-0 pixel of a slide.

    Raises:
        SlideError: Nobody said it; it is never guessed.
    """
    if slide.mpp is None:
        said = slide.properties.get("openslide.mpp-x")
        why = f"says {said} um per pixel, which no scanner has" if said else "does not say its um per pixel"
        raise SlideError(
            f"The slide {slide.path} {why}. Give it for all slides as `cohort.slides.mpp` in the study, "
            "or slide by slide in a column `mpp` of the slide table."
        )
    return slide.mpp


def plausible_mpp(mpp: float | None) -> float | None:
    """The um per pixel if a microscope can have it, otherwise None."""
    return mpp if mpp is not None and math.isfinite(mpp) and 0 < mpp <= LARGEST_MPP else None


def checked_mpp(mpp: float | None, path: Path) -> float | None:
    """The um per pixel that the user gave.

    Raises:
        SlideError: No microscope has it.
    """
    if mpp is not None and plausible_mpp(mpp) is None:
        raise SlideError(
            f"{mpp:g} um per pixel was given for the slide {path}, but a value above 0 and up to {LARGEST_MPP:g} "
            "is needed (0.25 at 40x, 0.5 at 20x). Correct `cohort.slides.mpp` or the column `mpp` of the slide table."
        )
    return None if mpp is None else float(mpp)


def level_for(slide: Slide, downsample: float) -> int:
    """The coarsest level that is at least as fine as a downsample, give or take 1 %; level 0 if none is."""
    fine = [i for i, each in enumerate(slide.level_downsamples) if each <= downsample * 1.01]
    return max(fine, key=lambda i: slide.level_downsamples[i], default=0)


def shrink(slide: Slide, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """The thumbnail of a slide by averaging over the pixels of its best level, a few rows at a time.

    Slides may have one level of 10^10 pixels, which must not lie in memory at once.
    """
    width, height = slide.size_px
    factor = max(1.0, max(width, height) / longest_px)
    level = level_for(slide, factor)
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    return np.concatenate(list(_shrunk_rows(slide, level, small)))


def _shrunk_rows(slide: Slide, level: int, small: tuple[int, int]) -> Iterator[UInt8[np.ndarray, "rows w 3"]]:
    width, height = slide.level_sizes_px[level]
    # the thumbnail covers level 0; a level that lost its last row or column covers a little less
    across, down = (side / slide.level_downsamples[level] for side in slide.size_px)
    scale_x, scale_y = min(across, width) / small[0], min(down, height) / small[1]
    rows = max(1, int(PIXELS_AT_ONCE / width / scale_y))
    margin = math.ceil(max(1.0, scale_y))  # how far bilinear interpolation looks beyond a strip
    for start in range(0, small[1], rows):
        stop = min(start + rows, small[1])
        top, bottom = start * scale_y, stop * scale_y
        first, last = max(0, math.floor(top) - margin), min(math.ceil(bottom) + margin, height)
        pixels = slide.read(0, round(first * slide.level_downsamples[level]), level, width, last - first)
        box = (0, top - first, small[0] * scale_x, min(bottom - first, last - first))
        yield np.asarray(Image.fromarray(pixels).resize((small[0], stop - start), Image.Resampling.BILINEAR, box=box))
