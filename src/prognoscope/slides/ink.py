"""Where a thumbnail has ink of pens: opaque, even, of colours that stains do not have or not so strongly.

Brown of DAB, blue of haematoxylin, green and blue of trichromes and blood are no ink: they are paler than ink, or have
the grain of tissue, which ink has not.
"""

import math

import numpy as np
import scipy  # its parts load at their first use
from jaxtyping import Bool, Float, UInt8

from prognoscope.slides.colour import extremes, hue_deg, saturation_of

INKS = {  # name: from hue, to hue in degrees; saturation of a core without grain, of any core, and of its pale edge
    "green": (70.0, 180.0, 0.45, 0.60, 0.10),
    "blue": (180.0, 238.0, 0.60, 0.78, 0.15),
    "red": (345.0, 15.0, 0.85, math.inf, 0.50),
}
BLACK = (90, 160, 40)  # brightest channel of a stroke's core and of its edge; most difference between channels
MOST_GRAIN = 2.0  # of 255, of brightness from one pixel to the next; tissue has more, of its cells
GRAIN_PX, AROUND_PX = 2.0, 4.0  # standard deviations: of what is no grain, and of where grain is measured
LEAST_MM2, MARGIN_UM = 0.01, 25.0  # a smaller spot is no stroke; ink bleeds this far beyond what shows
EDGE_UM = 100.0  # how far a pale edge reaches; what goes on is tissue of the same hue


def find_ink(rgb: UInt8[np.ndarray, "h w 3"], um_per_px: float) -> Bool[np.ndarray, "h w"]:
    """Strokes of green, blue, red or black ink: a core of clear colour and the paler edge that touches it."""
    saturation = saturation_of(rgb)
    brightest, darkest = extremes(rgb)
    grey = brightest - darkest < BLACK[2]
    pairs = [(grey & (brightest < BLACK[0]), grey & (brightest < BLACK[1]))]
    coloured = saturation > min(edge for *_, edge in INKS.values())
    hue = np.full(saturation.shape, np.nan, np.float32)  # no ink has it
    hue[coloured] = hue_deg(rgb[coloured])
    for low, high, even, any_grain, edge in INKS.values():
        inked = (hue >= low) & (hue < high) if low < high else (hue >= low) | (hue < high)
        core = inked & (saturation > even)
        if core.any():
            pairs.append(
                (core & ((saturation > any_grain) | (_grain(rgb, core) < MOST_GRAIN)), inked & (saturation > edge))
            )
    ink = np.zeros(saturation.shape, bool)
    reach = math.ceil(EDGE_UM / um_per_px)
    for core, edge in pairs:
        core = _opened(core)
        if core.any():
            ink |= scipy.ndimage.binary_dilation(core, iterations=reach, mask=edge) | core
    ink = large_pieces(ink, LEAST_MM2 * (1000 / um_per_px) ** 2)
    margin = math.ceil(MARGIN_UM / um_per_px)
    return scipy.ndimage.binary_dilation(ink, iterations=margin) if ink.any() else ink


def _opened(core: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Without single pixels, which tissue has of any colour."""
    return scipy.ndimage.binary_opening(core, np.ones((2, 2), bool))


def _grain(rgb: UInt8[np.ndarray, "h w 3"], core: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """The standard deviation of brightness around each pixel of a core, from its core alone; elsewhere infinite.

    What changes slowly is left out of it, as is the rim, where ink ends.
    """
    inside = scipy.ndimage.binary_erosion(core, np.ones((3, 3), bool))
    weight = inside.astype(np.float32)
    bright = rgb.mean(axis=2, dtype=np.float32) * weight

    def mean(values: Float[np.ndarray, "h w"], spread: float) -> Float[np.ndarray, "h w"]:
        return scipy.ndimage.gaussian_filter(values, spread) / np.maximum(
            scipy.ndimage.gaussian_filter(weight, spread), 1e-6
        )

    residual = (bright - mean(bright, GRAIN_PX)) * weight
    return np.where(inside, np.sqrt(np.maximum(mean(residual**2, AROUND_PX), 0)), np.inf).astype(np.float32)


def large_pieces(mask: Bool[np.ndarray, "h w"], least_px: float) -> Bool[np.ndarray, "h w"]:
    """The pieces of a mask that have at least so many pixels."""
    pieces = np.zeros(mask.shape, np.int32)
    scipy.ndimage.label(mask, output=pieces)
    keep = np.bincount(pieces.ravel()) >= least_px
    keep[0] = False
    return keep[pieces]
