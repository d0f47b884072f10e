"""Where a slide has tissue, found on a thumbnail: colour against glass, without pen marks, specks and small holes."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from prognoscope.core.settings import settle
from prognoscope.slides.readers.base import Slide, need_mpp

LEAST_SATURATION, MOST_SATURATION = 0.05, 0.12  # glass is below the first, stained tissue above the second
LEAST_CONTRAST = 0.03  # of saturation; less is glass beside glass
INKS = {  # name: from hue, to hue in degrees; saturation of a stroke's core and of its pale edge
    "green": (70.0, 180.0, 0.25, 0.10),
    "blue": (180.0, 238.0, 0.40, 0.15),
    "red": (352.0, 30.0, 0.80, 0.50),
}  # stained tissue lies between 240 and 350; red beyond it may be blood, so only the purest red is ink
BLACK = (90, 160, 40)  # brightest channel of a stroke's core and of its edge; most difference between channels
PEN_LEAST_MM2, PEN_MARGIN_UM = 0.01, 25.0  # a smaller spot is no stroke; ink bleeds this far beyond what shows


@dataclass(frozen=True, slots=True)
class TissueSpec:
    """How tissue is told from glass."""

    um_per_px: Annotated[float, Gt(0)] = 4.0  # of the thumbnail; no finer than level 0
    smooth_um: Annotated[float, Ge(0)] = 8.0  # blur before the threshold, as a standard deviation
    min_area_mm2: Annotated[float, Ge(0)] = 0.01  # smaller pieces are specks
    max_hole_mm2: Annotated[float, Ge(0)] = 0.005  # smaller holes belong to the tissue: vessels, clefts, not lumina
    remove_pen: bool = True

    def __post_init__(self):
        settle(self)


@dataclass(frozen=True, slots=True)
class TissueMask:
    """Where tissue is, in pixels of a thumbnail that covers the whole slide."""

    mask: Bool[np.ndarray, "h w"]  # True on tissue
    pen: Bool[np.ndarray, "h w"]  # True on pen marks, never on tissue
    um_per_px: float
    downsample: float  # level-0 pixels that one pixel of the mask spans
    threshold: float  # of saturation, in [0, 1]

    @property
    def area_mm2(self) -> float:
        """The area of tissue, in square millimetres."""
        return float(self.mask.sum()) * (self.um_per_px / 1000) ** 2


def segment_tissue(slide: Slide, spec: TissueSpec) -> TissueMask:
    """The tissue of a slide; an empty mask where there is none.

    Raises:
        SlideError: The slide's um per pixel is not known, or it is damaged.
    """
    mpp = need_mpp(slide)
    longest = max(slide.size_px)
    thumbnail = slide.thumbnail(max(1, math.ceil(longest * mpp / max(spec.um_per_px, mpp))))
    downsample = longest / max(thumbnail.shape[:2])
    um_per_px = mpp * downsample
    mask, pen, threshold = tissue_of(thumbnail, um_per_px, spec)
    return TissueMask(mask, pen, um_per_px, downsample, threshold)


def tissue_of(
    thumbnail: UInt8[np.ndarray, "h w 3"], um_per_px: float, spec: TissueSpec
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"], float]:
    """Tissue, pen marks, and the threshold of saturation between tissue and glass.

    The threshold of saturation is Otsu's, kept between what glass and what stained tissue have: a picture of tissue
    alone, or of glass alone, has no two classes to tell apart.

    Source: Otsu: A threshold selection method from gray-level histograms. IEEE Trans. SMC 9, 1979.
    """
    saturation = _saturation(ndimage.gaussian_filter(thumbnail, (*[spec.smooth_um / um_per_px] * 2, 0)))
    pen = _pen(thumbnail, um_per_px) if spec.remove_pen else np.zeros(thumbnail.shape[:2], bool)
    seen = saturation[~pen]
    if not seen.size or seen.max() - seen.min() < LEAST_CONTRAST:
        return np.zeros_like(pen), pen, MOST_SATURATION
    threshold, apart = _otsu(seen)
    # a split between shades of glass says nothing of tissue, of which there may still be a little
    threshold = (
        float(np.clip(threshold, LEAST_SATURATION, MOST_SATURATION)) if apart > LEAST_CONTRAST else MOST_SATURATION
    )
    px_per_mm2 = (1000 / um_per_px) ** 2
    tissue = (saturation > threshold) & ~pen
    tissue |= ~_large(~tissue, spec.max_hole_mm2 * px_per_mm2)
    tissue = _large(tissue & ~pen, spec.min_area_mm2 * px_per_mm2)
    return tissue, pen, threshold


def _extremes(rgb: UInt8[np.ndarray, "*s 3"]) -> tuple[UInt8[np.ndarray, "*s"], UInt8[np.ndarray, "*s"]]:
    """The largest and the smallest channel; reductions over so short an axis are many times slower."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)


def _saturation(rgb: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    largest, smallest = _extremes(rgb)
    return (largest - smallest) / np.maximum(largest, 1).astype(np.float32)


def _otsu(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """The threshold in [0, 1] with the least variance within its two classes, and how far apart their means are."""
    counts = np.histogram(values, bins=256, range=(0, 1))[0].astype(np.float64)
    centres = (np.arange(256) + 0.5) / 256
    below = counts.cumsum()[:-1]
    above = counts.sum() - below
    sums = (counts * centres).cumsum()
    apart = (sums[-1] - sums[:-1]) / np.maximum(above, 1) - sums[:-1] / np.maximum(below, 1)
    between = below * above * apart**2
    best = np.flatnonzero(between == between.max())
    # the middle of an empty stretch between the classes
    return float((best.mean() + 1) / 256), float(apart[best[0]])


def _pen(rgb: UInt8[np.ndarray, "h w 3"], um_per_px: float) -> Bool[np.ndarray, "h w"]:
    """Strokes of green, blue, red or black ink: a core of clear colour and the paler edge that touches it."""
    saturation = _saturation(rgb)
    brightest, darkest = _extremes(rgb)
    grey = brightest - darkest < BLACK[2]
    pairs = [(grey & (brightest < BLACK[0]), grey & (brightest < BLACK[1]))]
    coloured = saturation > min(edge for *_, edge in INKS.values())
    hue = np.full(saturation.shape, np.nan, np.float32)  # no ink has it
    hue[coloured] = _hue_deg(rgb[coloured])
    for low, high, core, edge in INKS.values():
        inked = (hue >= low) & (hue < high) if low < high else (hue >= low) | (hue < high)
        pairs.append((inked & (saturation > core), inked & (saturation > edge)))
    pen = np.zeros(saturation.shape, bool)
    for core, edge in pairs:
        if core.any():
            pen |= ndimage.binary_propagation(core, mask=edge)
    pen = _large(pen, PEN_LEAST_MM2 * (1000 / um_per_px) ** 2)
    margin = math.ceil(PEN_MARGIN_UM / um_per_px)
    return ndimage.binary_dilation(pen, iterations=margin) if pen.any() else pen


def _hue_deg(rgb: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Hue in [0, 360), 0 is red, 120 green, 240 blue; 0 for grey."""
    red, green, blue = rgb.T.astype(np.float32)
    largest, smallest = _extremes(rgb)
    chroma = np.maximum(largest - smallest, 1).astype(np.float32)
    sixth = np.where(
        largest == rgb[:, 0],
        (green - blue) / chroma,
        np.where(largest == rgb[:, 1], 2 + (blue - red) / chroma, 4 + (red - green) / chroma),
    )
    return (sixth * 60) % 360


def _large(mask: Bool[np.ndarray, "h w"], least_px: float) -> Bool[np.ndarray, "h w"]:
    """The pieces of a mask that have at least so many pixels."""
    pieces = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=pieces)
    keep = np.bincount(pieces.ravel()) >= least_px
    keep[0] = False
    return keep[pieces]
