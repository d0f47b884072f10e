"""What every reader gives: a slide with its levels, its resolution, and its pixels on white."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from prognoscope.core.errors import SlideError
from prognoscope.core.resolution import LARGEST_MPP, LEAST_MPP, is_plausible

MOST_APART = 0.01  # of the um per pixel across and down; patches would be distorted
PIXELS_AT_ONCE = 2**24  # how much of a level is held in memory while a thumbnail is made
# One row of tiles of a wide slide: neighbouring rows of patches share tiles, which are then decoded once.
CACHE_BYTES = 128 * 2**20
IN_MANY_FILES = frozenset({".mrxs", ".vms", ".vmu", ".dcm", ".zarr", ""})  # whose own size says nothing
MANY_PIXELS, MOST_PER_BYTE = 2**30, 500  # of a level that a thumbnail is made of; deflated white has 350 a byte


@runtime_checkable
class Slide(Protocol):
    """An open slide. A context manager; reading is safe from several threads, closing while reading is not."""

    path: Path
    size_px: tuple[int, int]  # width, height at level 0
    level_sizes_px: tuple[tuple[int, int], ...]  # from fine to coarse
    level_downsamples: tuple[float, ...]  # level-0 pixels that one pixel of the level spans
    mpp: float | None  # um per level-0 pixel; None where the slide does not say, or says nonsense
    mpp_trouble: str  # why that is None, as the end of a sentence; "" where it is known
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

    def hold(self, n_bytes: int) -> None:
        """Keep no more than so many bytes of decoded tiles."""
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
        raise SlideError(f"The slide {slide.path} {slide.mpp_trouble}")
    return slide.mpp


def believed_mpp(across: float | None, down: float | None) -> tuple[float | None, str]:
    """The um per pixel that a slide says, if a microscope can have it, and otherwise why not.

    Args:
        across: Width of a pixel in um; None where the slide does not say.
        down: Height, likewise.
    """
    said = [each for each in (across, down) if each is not None]
    give = (
        "Give it for all slides as `cohort.slides.mpp` in the study, or slide by slide in a column `mpp` of the slide "
        "table; without a study, as --slide-mpp."
    )
    if not said:
        return None, f"does not say its um per pixel. {give}"
    for each in said:
        if not is_plausible(each):
            range_said = f"{LEAST_MPP:g} to {LARGEST_MPP:g}"
            return None, f"says {each:.6g} um per pixel, which no scanner has ({range_said} is possible). {give}"
    if max(said) > min(said) * (1 + MOST_APART):
        return None, (
            f"says {said[0]:.6g} um per pixel across and {said[1]:.6g} down, so patches would be distorted. Save it "
            "with square pixels; if it has them, correct what it says, or give it as `cohort.slides.mpp` in the study "
            "or in a column `mpp` of the slide table."
        )
    return sum(said) / len(said), ""


def checked_mpp(mpp: float | None, path: Path) -> float | None:
    """The um per pixel that the user gave.

    Raises:
        SlideError: No microscope has it.
    """
    if mpp is not None and not is_plausible(mpp):
        raise SlideError(
            f"{mpp:g} um per pixel was given for the slide {path}, but {LEAST_MPP:g} to {LARGEST_MPP:g} "
            "is possible (0.25 at 40x, 0.5 at 20x). Correct `cohort.slides.mpp` or the column `mpp` of the slide table."
        )
    return None if mpp is None else float(mpp)


def downsample_of(full: tuple[int, int], level: tuple[int, int]) -> float:
    """Level-0 pixels per pixel of a level: a whole number wherever the sizes allow one.

    Scanners halve and drop the odd last row: 250 rows become 62, each of them 4 high and not 4.03.
    """
    whole = whole_downsample(full, level)
    return float(whole) if whole else (full[0] / level[0] + full[1] / level[1]) / 2


def whole_downsample(full: tuple[int, int], level: tuple[int, int]) -> int | None:
    """The whole number of level-0 pixels that a pixel of a level may span by the sizes of both; None if none does."""
    whole = max(1, round((full[0] / level[0] + full[1] / level[1]) / 2))
    fits = all(abs(small * whole - large) < whole for large, small in zip(full, level, strict=True))
    return whole if fits else None


def level_for(slide: Slide, downsample: float) -> int:
    """The coarsest level that is at least as fine as a downsample, give or take 1 %; level 0 if none is."""
    fine = [i for i, each in enumerate(slide.level_downsamples) if each <= downsample * 1.01]
    return max(fine, key=lambda i: slide.level_downsamples[i], default=0)


def shrink(slide: Slide, longest_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """The thumbnail of a slide by averaging over the pixels of its best level, a few rows at a time.

    Slides may have one level of 10^10 pixels, which must not lie in memory at once.

    Raises:
        SlideError: The slide declares far more pixels than its file can hold, or is damaged.
    """
    width, height = slide.size_px
    factor = max(1.0, max(width, height) / longest_px)
    return shrink_region(slide, (0, 0, width, height), (max(1, round(width / factor)), max(1, round(height / factor))))


def shrink_region(
    slide: Slide, box: tuple[float, float, float, float], size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """A part of a slide, drawn at any size, with its edges exactly where they are asked for.

    Args:
        box: Left, top, right and bottom in level-0 pixels, which need not be whole; within the slide.
        size: Width and height of the picture.

    Raises:
        SlideError: The slide declares far more pixels than its file can hold, or is damaged.
    """
    across, down = box[2] - box[0], box[3] - box[1]
    level = level_for(slide, max(1.0, across / size[0] if across >= down else down / size[1]))
    _need_held(slide, level)
    return np.concatenate(list(_shrunk_rows(slide, level, box, size)))


def stated_bounds(slide: Slide) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the part that was scanned, in level-0 pixels; None where the slide does not say.

    The plane of MRXS and some other slides is much larger than what was scanned. Coordinates count from the corner of
    the plane; QuPath counts from the corner of this part.
    """
    try:
        x, y, width, height = (
            int(slide.properties[f"openslide.bounds-{each}"]) for each in ("x", "y", "width", "height")
        )
    except (KeyError, ValueError):
        return None
    right, bottom = min(x + width, slide.size_px[0]), min(y + height, slide.size_px[1])
    return (x, y, right, bottom) if 0 <= x < right and 0 <= y < bottom else None


def _need_held(slide: Slide, level: int) -> None:
    """Refuse to spend minutes on a file of a few kilobytes that declares thousands of millions of pixels."""
    width, height = slide.level_sizes_px[level]
    is_whole_file = slide.path.suffix.lower() not in IN_MANY_FILES
    if is_whole_file and width * height > max(MANY_PIXELS, MOST_PER_BYTE * slide.path.stat().st_size):
        raise SlideError(
            f"The slide {slide.path} declares {width} x {height} pixels in {slide.path.stat().st_size:,} bytes, which "
            "can hold no such picture. Get the file again, or leave it out of the cohort."
        )


def _shrunk_rows(
    slide: Slide, level: int, box: tuple[float, float, float, float], small: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "rows w 3"]]:
    width, height = slide.level_sizes_px[level]
    downsample = slide.level_downsamples[level]
    left, up, right, down = (at / downsample for at in box)
    scale_x, scale_y = (right - left) / small[0], (down - up) / small[1]
    margin_x, margin_y = (math.ceil(max(1.0, each)) for each in (scale_x, scale_y))  # how far interpolation looks
    x0, x1 = max(0, math.floor(left) - margin_x), min(math.ceil(right) + margin_x, width)
    rows = max(1, int(PIXELS_AT_ONCE / (x1 - x0) / scale_y))
    for start in range(0, small[1], rows):
        stop = min(start + rows, small[1])
        top, bottom = up + start * scale_y, up + stop * scale_y
        first, last = max(0, math.floor(top) - margin_y), min(math.ceil(bottom) + margin_y, height)
        pixels = slide.read(round(x0 * downsample), round(first * downsample), level, x1 - x0, last - first)
        # the box lies on level 0; a level that lost its last row or column ends a part of its pixel before
        lost = max(0, math.ceil(bottom) - last), max(0, math.ceil(right) - x1)
        pixels = np.pad(pixels, ((0, lost[0]), (0, lost[1]), (0, 0)), mode="edge") if any(lost) else pixels
        part = (left - x0, top - first, right - x0, bottom - first)
        yield np.asarray(Image.fromarray(pixels).resize((small[0], stop - start), Image.Resampling.BILINEAR, box=part))
