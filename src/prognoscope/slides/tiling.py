"""Tissue -> patch coordinates, exact in um per pixel; patch coordinates -> pixels."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Interval
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from prognoscope.core.errors import InputError
from prognoscope.core.settings import settle
from prognoscope.slides.readers.base import Slide, level_for, need_mpp
from prognoscope.slides.tissue import TissueMask

SHIFTS = 8  # of a grid without patches, each way
REACH = 2  # pixels that bicubic interpolation looks to either side


@dataclass(frozen=True, slots=True)
class TilingSpec:
    """Which squares are cut from a slide."""

    patch_px: Annotated[int, Interval(ge=1, le=4096)] = 256  # side of a patch, in pixels as an encoder gets it
    mpp: Annotated[float, Interval(gt=0, le=10)] = 0.5  # um per pixel of a patch
    overlap_px: Annotated[int, Ge(0)] = 0  # what neighbours share, in pixels of a patch
    min_tissue: Annotated[float, Interval(ge=0, le=1)] = 0.5  # least fraction of tissue; 0 keeps every patch

    def __post_init__(self):
        settle(self)
        if self.overlap_px >= self.patch_px:
            raise InputError(f"overlap_px is {self.overlap_px}, but must be less than patch_px, {self.patch_px}")


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The N patches of a slide, row by row, within the slide; CLAM's and TRIDENT's last ones may reach over its end."""

    coords: Int[np.ndarray, "N 2"]  # x, y of the top left corner, in level-0 pixels
    tissue: Float[np.ndarray, " N"]  # fraction of tissue
    patch_px: int
    overlap_px: int
    mpp: float  # um per pixel of a patch
    level0_mpp: float  # um per level-0 pixel
    slide_size_px: tuple[int, int]
    fullest: float = 1.0  # the most tissue that any square has, kept or not

    def __len__(self) -> int:
        return len(self.coords)

    @property
    def patch_px_level0(self) -> float:
        """The side of a patch in level-0 pixels; a whole number only by chance."""
        return self.patch_px * self.mpp / self.level0_mpp

    @property
    def patch_um(self) -> float:
        """The side of a patch in um."""
        return self.patch_px * self.mpp

    @property
    def coords_um(self) -> Float[np.ndarray, "N 2"]:
        """The top left corners in um from the slide's top left corner."""
        return (self.coords * self.level0_mpp).astype(np.float32)


def tile(slide: Slide, tissue: TissueMask, spec: TilingSpec) -> PatchGrid:
    """The patches of a regular grid from the slide's corner that lie within the slide and hold enough tissue.

    Where that grid has none, as of a needle core that lies across its lines, it is shifted to where most squares do. A
    slide smaller than one patch, or without tissue, gives none.

    Raises:
        SlideError: The slide's um per pixel is not known.
    """
    level0_mpp = need_mpp(slide)
    side = spec.patch_px * spec.mpp / level0_mpp
    stride = (spec.patch_px - spec.overlap_px) * spec.mpp / level0_mpp
    sums = _sums(tissue.mask)
    coords, fraction = _squares(slide.size_px, sums, side, stride, (0.0, 0.0), spec.min_tissue)
    fullest = float(fraction.max(initial=0))
    if not len(coords) and tissue.mask.any():
        steps = np.arange(SHIFTS) * stride / SHIFTS
        shifted = [_squares(slide.size_px, sums, side, stride, (x, y), spec.min_tissue) for y in steps for x in steps]
        fullest = max(fraction.max(initial=0) for _, fraction in shifted)
        coords, fraction = max(shifted, key=lambda each: len(each[0]))
    kept = fraction.ravel()[fraction.ravel() >= spec.min_tissue - 1e-9]
    return PatchGrid(
        coords,
        kept.astype(np.float32),
        spec.patch_px,
        spec.overlap_px,
        float(spec.mpp),
        level0_mpp,
        slide.size_px,
        float(fullest),
    )


def _squares(
    size_px: tuple[int, int],
    sums: Float[np.ndarray, "h w"],
    side: float,
    stride: float,
    origin: tuple[float, float],
    least: float,
) -> tuple[Int[np.ndarray, "N 2"], Float[np.ndarray, "ny nx"]]:
    """The squares of a grid that hold enough tissue, and the share of tissue in all of them."""
    columns, rows = (_starts(length, side, stride, at) for length, at in zip(size_px, origin, strict=True))
    fraction = _tissue_fraction(sums, columns, rows, side, size_px)
    kept_rows, kept_columns = np.nonzero(fraction >= least - 1e-9)
    return np.stack([columns[kept_columns], rows[kept_rows]], axis=1), fraction


def read_patches(
    slide: Slide,
    grid: PatchGrid,
    rows: slice | Int[np.ndarray, " B"] | None = None,
    *,
    level: int | None = None,
) -> UInt8[np.ndarray, "B H W 3"]:
    """The pixels of some patches of a grid, `patch_px` on a side, resampled to exactly `mpp`.

    A patch has the same pixels whichever others are read with it. One read a patch: OpenSlide keeps decoded tiles,
    so reading neighbours as one region was measured to be no faster.

    Args:
        rows: Which patches; all by default.
        level: The level to read from, instead of the coarsest that is fine enough.

    Raises:
        SlideError: The slide is damaged.
    """
    coords = grid.coords if rows is None else grid.coords[rows]
    if level is None:
        level = level_for(slide, grid.mpp / grid.level0_mpp)
    patches = np.empty((len(coords), grid.patch_px, grid.patch_px, 3), np.uint8)
    for patch, (x, y) in zip(patches, coords.tolist(), strict=True):
        patch[:] = _read_patch(slide, x, y, grid, level)
    return patches


def _read_patch(slide: Slide, x: int, y: int, grid: PatchGrid, level: int) -> UInt8[np.ndarray, "H W 3"]:
    downsample = slide.level_downsamples[level]
    side = grid.patch_px_level0 / downsample  # in pixels of the level
    left, top = x / downsample, y / downsample
    if left.is_integer() and top.is_integer() and abs(side - grid.patch_px) < 1e-6:
        return slide.read(x, y, level, grid.patch_px, grid.patch_px)
    margin = math.ceil(REACH * max(1.0, side / grid.patch_px))
    x0, y0 = (max(0, math.floor(start) - margin) for start in (left, top))
    x1, y1 = (math.ceil(start + side) + margin for start in (left, top))
    # no margin beyond the border, where white would bleed in, but of a patch that reaches over it itself
    over_x, over_y = (at + grid.patch_px_level0 > most + 1 for at, most in zip((x, y), slide.size_px, strict=True))
    width, height = slide.level_sizes_px[level]
    x1, y1 = x1 if over_x else min(width, x1), y1 if over_y else min(height, y1)
    pixels = slide.read(round(x0 * downsample), round(y0 * downsample), level, x1 - x0, y1 - y0)
    # a level that lost its last row or column may end a fraction of a pixel before the patch does
    box = (left - x0, top - y0, min(left + side, x1) - x0, min(top + side, y1) - y0)
    size = (grid.patch_px, grid.patch_px)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box=box))


def _starts(length_px: int, side: float, stride: float, origin: float) -> Int[np.ndarray, " n"]:
    count = max(0, math.floor((length_px - origin - side) / stride + 1e-9) + 1)
    starts = np.floor(np.arange(count) * stride + origin + 0.5).astype(np.int64)
    return np.minimum(starts, max(0, math.floor(length_px - side + 1e-9)))


def _sums(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h1 w1"]:
    """How much of a mask lies above and to the left of the corner of each pixel."""
    total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    total[1:, 1:] = mask.cumsum(0, dtype=np.float64).cumsum(1)
    return total


def _tissue_fraction(
    total: Float[np.ndarray, "h1 w1"],
    columns: Int[np.ndarray, " nx"],
    rows: Int[np.ndarray, " ny"],
    side: float,
    size_px: tuple[int, int],
) -> Float[np.ndarray, "ny nx"]:
    """The exact share of tissue in every square of a grid, though its edges cut through pixels of the mask."""
    scale_x, scale_y = (total.shape[1] - 1) / size_px[0], (total.shape[0] - 1) / size_px[1]

    def up_to(at: Float[np.ndarray, " n"], sums: Float[np.ndarray, "m rest"]) -> Float[np.ndarray, "n rest"]:
        at = np.clip(at, 0, len(sums) - 1)
        below = np.minimum(at.astype(np.int64), len(sums) - 2)
        part = (at - below)[:, None]
        return sums[below] * (1 - part) + sums[below + 1] * part  # linear within a pixel, so nothing is rounded

    across = up_to((rows + side) * scale_y, total) - up_to(rows * scale_y, total)  # (ny, w + 1)
    area = up_to((columns + side) * scale_x, across.T) - up_to(columns * scale_x, across.T)  # (nx, ny)
    return np.clip(area.T / (side * side * scale_x * scale_y), 0, 1)
