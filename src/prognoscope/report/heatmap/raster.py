"""A patch map as pixels: each is the mean of the patches over it, by how much of the pixel each covers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.report.heatmap.window import Window

AT_ONCE = 2**22  # pairs of a patch and a pixel that are held in memory
SLIVER = 1e-9  # of a pixel; less is rounding


@dataclass(frozen=True, slots=True)
class Raster:
    """The pixels of a map within a window."""

    values: Float[np.ndarray, "h w"]  # NaN: no patch with a value touches the pixel
    coverage: Float[np.ndarray, "h w"]  # how much of the pixel patches cover, 0 to 1


def rasterise(patch_map: PatchMap, window: Window) -> Raster:
    """The map as pixels of a window, exactly where the patches lie, whatever the scale.

    A pixel that an edge cuts is covered in part. Where patches overlap, each counts by its area within the pixel. No
    differences of sums are taken, so that small values keep their digits beside large ones. Coverage is the sum of the
    areas, at most 1: too much only in a pixel that two overlapping patches share and neither fills.
    """
    known = patch_map.has_value
    values = patch_map.values[known].astype(np.float64)
    width, height = window.size
    columns, across = _shares(patch_map.coords_px[known, 0], patch_map.side_px, window.box[0], window.scale[0], width)
    rows, down = _shares(patch_map.coords_px[known, 1], patch_map.side_px, window.box[1], window.scale[1], height)
    area, total = np.zeros(height * width), np.zeros(height * width)
    step = max(1, AT_ONCE // (columns.shape[1] * rows.shape[1]))
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        pixels = (rows[part, :, None] * width + columns[part, None, :]).ravel()
        shares = down[part, :, None] * across[part, None, :]
        area += np.bincount(pixels, shares.ravel(), minlength=height * width)
        total += np.bincount(pixels, (shares * values[part, None, None]).ravel(), minlength=height * width)
    covered = area > SLIVER
    mean = np.full(height * width, np.nan)
    mean[covered] = total[covered] / area[covered]
    coverage = np.where(covered, np.minimum(area, 1.0), 0.0)
    return Raster(mean.reshape(height, width), coverage.reshape(height, width))


def _shares(
    corners: np.ndarray, side: float, origin: float, scale: float, length: int
) -> tuple[np.ndarray, Float[np.ndarray, "N k"]]:
    """Along one axis: the k pixels that each patch may touch, and how much of each it covers."""
    start = (corners - origin) * scale
    stop = start + side * scale
    reach = min(int(np.ceil(side * scale)) + 1, length + 1)
    first = np.floor(np.maximum(start, 0.0)).astype(np.int64)
    pixels = first[:, None] + np.arange(reach)
    shares = np.minimum(pixels + 1, stop[:, None]) - np.maximum(pixels, start[:, None])
    shares = np.where(pixels < length, np.maximum(shares, 0.0), 0.0)
    return np.minimum(pixels, length - 1), shares
