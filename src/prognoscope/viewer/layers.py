"""A map of a slide as a picture to lay over it: a pixel a patch, or finer where patches overlap."""

import io
from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

Scale = Literal["rank", "value"]
SIGNED, SEQUENTIAL = "RdBu_r", "viridis"  # colour maps that are told apart with any colour vision
CLIPPED = (1.0, 99.0)  # percentiles beyond which a colour does not change
FINEST = 8  # pixels of the picture along a patch
LONGEST_PX = 4096  # side of a picture
ROUNDED_PX = 1.0  # by which whole coordinates stand off a grid whose pitch is not whole
GRID = 0.02  # of a side: how far patches stand off a grid and are on it still


@dataclass(frozen=True, slots=True)
class Layer:
    """What is drawn of one map of one slide, and where."""

    colours: UInt8[np.ndarray, "h w 4"]
    box_px: tuple[float, float, float, float]  # left, top, right, bottom in level-0 pixels
    low: float  # the value of the colour bar's beginning
    high: float  # and of its end
    shown: int  # patches
    patches: int

    def png(self) -> bytes:
        """A PNG file."""
        stream = io.BytesIO()
        Image.fromarray(self.colours, "RGBA").save(stream, "PNG")
        return stream.getvalue()


def draw_layer(
    values: Float[np.ndarray, " N"],
    coords_px: Float[np.ndarray, "N 2"],
    side_px: float,
    *,
    is_signed: bool,
    scale: Scale = "rank",
    least: float = 0.0,
) -> Layer:
    """Colour patches by their values.

    Args:
        values: NaN where a patch has none; it stays clear.
        coords_px: Top left corners, level 0; patches without any (NaN) are left out.
        scale: By rank among the slide's patches, or by value between the 1st and 99th percentile.
        least: Percentile, by size where the map is signed, below which patches stay clear.
    """
    known = np.isfinite(values) & np.isfinite(coords_px).all(axis=1)
    values, coords = values[known].astype(float), coords_px[known].astype(float)
    if not len(values):
        return Layer(np.zeros((1, 1, 4), np.uint8), (0.0, 0.0, 1.0, 1.0), 0.0, 0.0, 0, len(known))
    share, low, high = _shares(values, is_signed, scale)
    size = np.abs(values) if is_signed else values
    shown = _ranks(size) * 100 >= least
    cells = [_cells(coords[:, axis], side_px) for axis in (0, 1)]
    longest = max(int(cell.start.max()) + cell.per_patch for cell in cells)
    if longest > LONGEST_PX:
        cells = [_cells(coords[:, axis], side_px, coarser=longest / LONGEST_PX) for axis in (0, 1)]
    across, down = cells
    width, height = (int(cell.start.max()) + cell.per_patch for cell in cells)
    total, count = np.zeros((height, width)), np.zeros((height, width), np.int64)
    for dy in range(down.per_patch):
        for dx in range(across.per_patch):
            at = (down.start[shown] + dy, across.start[shown] + dx)
            np.add.at(total, at, share[shown])
            np.add.at(count, at, 1)
    table = matplotlib.colormaps[SIGNED if is_signed else SEQUENTIAL](np.linspace(0, 1, 256), bytes=True)
    mean = total / np.maximum(count, 1)
    colours = table[np.clip(np.rint(mean * 255), 0, 255).astype(np.uint8)].copy()
    colours[..., 3] = np.where(count > 0, 255, 0)
    left, top = across.origin, down.origin
    box = (left, top, left + width * across.pitch, top + height * down.pitch)
    return Layer(colours, box, low, high, int(shown.sum()), len(known))


def bar_colours(is_signed: bool, steps: int = 16) -> list[str]:
    """The colours of a colour bar, from low to high, as a page writes them."""
    table = matplotlib.colormaps[SIGNED if is_signed else SEQUENTIAL](np.linspace(0, 1, steps), bytes=True)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in table.tolist()]


def _shares(
    values: Float[np.ndarray, " N"], is_signed: bool, scale: Scale
) -> tuple[Float[np.ndarray, " N"], float, float]:
    """Where on the colour bar each value stands, 0 to 1, and the values at its ends."""
    if is_signed:
        end = float(np.percentile(np.abs(values), CLIPPED[1])) or 1.0
        if scale == "rank":
            return 0.5 + 0.5 * np.sign(values) * _ranks(np.abs(values)), -end, end
        return 0.5 + 0.5 * np.clip(values / end, -1, 1), -end, end
    if scale == "rank":
        return _ranks(values), float(values.min()), float(values.max())
    low, high = (float(each) for each in np.percentile(values, CLIPPED))
    return np.clip((values - low) / ((high - low) or 1.0), 0, 1), low, high


def _ranks(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The share of values at or below each; of equal ones the mean. 0.5 where all are equal."""
    if len(values) == 1 or values.min() == values.max():
        return np.full(len(values), 0.5)
    ordered = np.sort(values)
    below, up_to = np.searchsorted(ordered, values), np.searchsorted(ordered, values, side="right")
    return (below + up_to - 1) / 2 / (len(values) - 1)


@dataclass(frozen=True, slots=True)
class _Cells:
    origin: float  # level-0 pixels
    pitch: float  # level-0 pixels that a pixel of the picture spans
    per_patch: int
    start: np.ndarray  # first pixel of each patch


def _cells(at: Float[np.ndarray, " N"], side_px: float, coarser: float = 1.0) -> _Cells:
    """The finest grid that patches along one axis need, fitted to where they are: sides need not be whole."""
    places = np.unique(at)
    origin = float(places[0])
    steps = np.diff(places)
    step = float(steps.min()) if len(steps) else side_px
    per_patch = 1
    if step < side_px * (1 - GRID):  # overlap, or no grid at all
        per_patch = min(range(1, FINEST + 1), key=lambda n: (_off(places - origin, side_px / n) > GRID, n))
        if _off(places - origin, side_px / per_patch) > GRID:
            per_patch = FINEST
    per_patch = max(1, round(per_patch / coarser))
    pitch = side_px / per_patch * (coarser if per_patch == 1 else 1.0)
    far = float(places[-1]) - origin
    if far and (whole := round(far / pitch)) and _off(places - origin, far / whole) <= GRID:
        pitch = far / whole
    return _Cells(origin, pitch, per_patch, np.rint((at - origin) / pitch).astype(np.int64))


def _off(offsets: Float[np.ndarray, " n"], pitch: float) -> float:
    """How far the worst place is from a grid of about this pitch, as a share of it; rounding is none."""
    whole = np.rint(offsets[-1] / pitch) or 1.0
    fitted = offsets[-1] / whole if offsets[-1] else pitch
    apart = np.abs(offsets / fitted - np.rint(offsets / fitted)).max(initial=0.0)
    return max(0.0, float(apart) - ROUNDED_PX / fitted)
