"""Where a slide has tissue, found on a thumbnail: colour against glass, without pen marks, specks and small holes."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import scipy  # its parts load at their first use
from annotated_types import Ge, Gt, Interval
from jaxtyping import Bool, Float, UInt8

from prognoscope.core.errors import InputError
from prognoscope.core.settings import settle
from prognoscope.slides.colour import saturation_of
from prognoscope.slides.ink import find_ink, large_pieces
from prognoscope.slides.readers.base import Slide, need_mpp

FEWEST_PX = 9  # of a piece that is more than a grain of noise
BLANK = 0.02  # saturation of glass, and of nothing else
LEAST_CONTRAST = 0.03  # of saturation; less is glass beside glass
PRESETS: dict[str, dict[str, Any]] = {
    "prognoscope": {
        "um_per_px": 4.0,
        "smooth_by": "gaussian",
        "smooth_um": 8.0,
        "saturation": 0.0,
        "otsu_between": (0.05, 0.12),
        "close_um": 0.0,
        "min_area_mm2": 0.01,
        "max_hole_mm2": 0.005,
        "remove_pen": True,
    },
    # CLAM's defaults at 40x, 0.25 um per pixel: a level 64 times coarser, a median of 7 pixels, more than 8 of 255,
    # closing by 4 pixels, areas of 100 and 16 squares of 512 pixels of level 0
    "clam": {
        "um_per_px": 16.0,
        "smooth_by": "median",
        "smooth_um": 112.0,
        "saturation": 8 / 255,
        "otsu_between": (0.05, 0.12),
        "close_um": 64.0,
        "min_area_mm2": 1.64,
        "max_hole_mm2": 0.26,
        "remove_pen": False,
    },
}
# the rule of G-HANet: saturation of at least 15 of 255, whatever else; it says no more
PRESETS["saturation15"] = PRESETS["prognoscope"] | {"saturation": 15 / 255, "remove_pen": False}
OF_PRESET: Any = None  # stands for the preset's value, which takes its place as soon as there is a spec


@dataclass(frozen=True, slots=True)
class TissueSpec:
    """How tissue is told from glass: a preset, and what is other than in it."""

    preset: Literal["prognoscope", "clam", "saturation15"] = "prognoscope"  # where the others come from
    um_per_px: Annotated[float, Gt(0)] = OF_PRESET  # of the thumbnail, no finer than level 0; 4 by default
    smooth_by: Literal["gaussian", "median"] = OF_PRESET  # of the picture, or of its saturation as CLAM does
    smooth_um: Annotated[float, Ge(0)] = OF_PRESET  # standard deviation of the blur, or width of the median; 8
    saturation: Annotated[float, Interval(ge=0, le=1)] = OF_PRESET  # of tissue, at least; 0: by Otsu's threshold
    otsu_between: tuple[float, float] = OF_PRESET  # glass is below the first, stained tissue above the second
    close_um: Annotated[float, Ge(0)] = OF_PRESET  # gaps that are closed; 0
    min_area_mm2: Annotated[float, Ge(0)] = OF_PRESET  # smaller pieces are specks; 0.01
    max_hole_mm2: Annotated[float, Ge(0)] = OF_PRESET  # smaller holes, such as vessels, belong to the tissue; 0.005
    remove_pen: bool = OF_PRESET  # whether ink of pens is no tissue; true

    def __post_init__(self):
        for name, value in PRESETS.get(self.preset, PRESETS["prognoscope"]).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        settle(self)
        low, high = self.otsu_between
        object.__setattr__(self, "otsu_between", (float(low), float(high)))
        if not 0 <= low <= high <= 1:
            raise InputError(f"otsu_between must be two saturations such as [0.05, 0.12], not {self.otsu_between}")


@dataclass(frozen=True, slots=True)
class TissueMask:
    """Where tissue is, in pixels of a thumbnail that covers the whole slide."""

    mask: Bool[np.ndarray, "h w"]  # True on tissue
    pen: Bool[np.ndarray, "h w"]  # True on pen marks, never on tissue
    um_per_px: float
    downsample: float  # level-0 pixels that one pixel of the mask spans
    threshold: float  # of saturation, in [0, 1]
    thumbnail: UInt8[np.ndarray, "h w 3"]  # what it was found on
    pale: Bool[np.ndarray, "h w"] | None = None  # True on what is apart from glass and too pale to count as tissue
    why_none: str = ""  # where there is no tissue: why, and which setting would change that

    @property
    def area_mm2(self) -> float:
        """The area of tissue, in square millimetres."""
        return self._mm2(self.mask)

    @property
    def pen_mm2(self) -> float:
        """The area of pen marks, in square millimetres."""
        return self._mm2(self.pen)

    @property
    def pale_mm2(self) -> float:
        """The area of what is apart from glass and too pale to count as tissue, in square millimetres."""
        return 0.0 if self.pale is None else self._mm2(self.pale)

    def _mm2(self, mask: Bool[np.ndarray, "h w"]) -> float:
        return float(mask.sum()) * (self.um_per_px / 1000) ** 2


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
    mask, pen, threshold, pale = tissue_of(thumbnail, um_per_px, spec)
    why = "" if mask.any() else why_none(thumbnail, um_per_px, spec)
    return TissueMask(mask, pen, um_per_px, downsample, threshold, thumbnail, pale, why)


def tissue_of(
    thumbnail: UInt8[np.ndarray, "h w 3"], um_per_px: float, spec: TissueSpec
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"], float, Bool[np.ndarray, "h w"]]:
    """Tissue, pen marks, the saturation from which on there is tissue and no glass, and what is apart from both.

    Unless the spec says it, that is Otsu's threshold, kept between what glass and what stained tissue have: a picture
    of tissue alone, or of glass alone, has no two classes to tell apart.

    Source: Otsu: A threshold selection method from gray-level histograms. IEEE Trans. SMC 9, 1979.
    """
    coloured, pen, threshold, saturation = _coloured(thumbnail, um_per_px, spec)
    px_per_mm2 = (1000 / um_per_px) ** 2
    tissue = coloured & ~pen
    if gap := round(spec.close_um / um_per_px):
        closed = scipy.ndimage.binary_closing(np.pad(tissue, gap), np.ones((gap, gap), bool))
        tissue = np.asarray(closed, bool)[gap:-gap, gap:-gap]
    tissue |= ~large_pieces(~tissue, spec.max_hole_mm2 * px_per_mm2)
    tissue = large_pieces(tissue & ~pen, spec.min_area_mm2 * px_per_mm2)
    pale = _pale(saturation, coloured | pen, spec.smooth_um / um_per_px)
    if spec.saturation > 0 or not coloured.any():  # as was asked; nothing to be pale beside
        pale = np.zeros_like(pale)
    return tissue, pen, threshold, large_pieces(pale, spec.min_area_mm2 * px_per_mm2)


def why_none(thumbnail: UInt8[np.ndarray, "h w 3"], um_per_px: float, spec: TissueSpec) -> str:
    """Why a thumbnail has no tissue, and the setting to change if there is some: half a sentence."""
    coloured, pen, threshold, saturation = _coloured(thumbnail, um_per_px, spec)
    left = coloured & ~pen
    if (coloured & pen).sum() > left.sum():
        return (
            f"what has colour was taken for ink of a pen, {pen.mean():.0%} of the slide; if it is stain, set "
            "features.tissue.remove_pen to false"
        )
    pieces = np.zeros(left.shape, np.int32)
    scipy.ndimage.label(left, output=pieces)
    sizes_px = np.bincount(pieces.ravel())[1:]
    largest_px = sizes_px.max(initial=0)
    if largest_px >= FEWEST_PX:
        largest = largest_px * (um_per_px / 1000) ** 2
        return (
            f"all {len(sizes_px)} coloured pieces are smaller than {spec.min_area_mm2:g} sq mm, the largest has "
            f"{largest:.2g}; if they are tissue, lower features.tissue.min_area_mm2"
        )
    low, high = np.quantile(saturation, [0.05, 0.999])
    if high < BLANK:
        return f"it is blank, with a saturation of {high:.2g} at most; scan it again"
    said = (
        f"it is evenly coloured, with a saturation of {high:.2g}"
        if high - low < LEAST_CONTRAST
        else (f"there is hardly any colour, with a saturation of {high:.2g} at most")
    )
    return (
        f"{said}, where tissue has {threshold:.2g} or more; if there is tissue, set features.tissue.saturation below "
        f"{high:.2g}"
    )


def _coloured(
    thumbnail: UInt8[np.ndarray, "h w 3"], um_per_px: float, spec: TissueSpec
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"], float, Float[np.ndarray, "h w"]]:
    """What has the colour of tissue, what is pen, the saturation that divides, and that of all."""
    saturation = _smooth_saturation(thumbnail, um_per_px, spec)
    pen = find_ink(thumbnail, um_per_px) if spec.remove_pen else np.zeros(thumbnail.shape[:2], bool)
    if spec.saturation > 0:
        return saturation >= spec.saturation, pen, float(spec.saturation), saturation
    seen = saturation[~pen]
    least, most = spec.otsu_between
    threshold = most
    if seen.size and seen.max() - seen.min() >= LEAST_CONTRAST:
        found, apart = _otsu(seen)
        # a split between shades of glass says nothing of tissue, of which there may still be a little
        threshold = float(np.clip(found, least, most)) if apart > LEAST_CONTRAST else most
    return saturation > threshold, pen, threshold, saturation


def _pale(
    saturation: Float[np.ndarray, "h w"], seen: Bool[np.ndarray, "h w"], smooth_px: float
) -> Bool[np.ndarray, "h w"]:
    """What Otsu's threshold divides from glass where nothing has colour yet, such as a pale counterstain beside DAB.

    Args:
        seen: Where tissue or ink is; its blurred edges are neither glass nor pale.
        smooth_px: By how much they are blurred.
    """
    edges = scipy.ndimage.binary_dilation(seen, iterations=max(1, math.ceil(2 * smooth_px)))
    left = ~np.asarray(edges, bool)
    if not left.any():
        return left
    found, apart = _otsu(saturation[left])
    return left & (saturation > found) if apart > LEAST_CONTRAST else np.zeros_like(left)


def _smooth_saturation(
    thumbnail: UInt8[np.ndarray, "h w 3"], um_per_px: float, spec: TissueSpec
) -> Float[np.ndarray, "h w"]:
    width = spec.smooth_um / um_per_px
    if spec.smooth_by == "median":
        levels = np.rint(saturation_of(thumbnail) * 255).astype(np.uint8)
        return scipy.ndimage.median_filter(levels, max(1, round(width))).astype(np.float32) / 255
    return saturation_of(scipy.ndimage.gaussian_filter(thumbnail, (width, width, 0)))


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
