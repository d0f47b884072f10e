"""Nuclei without a network: how many, how large, how dark, how drawn out; from maps of haematoxylin at about 1 um."""

import numpy as np
import scipy  # its parts load at their first use
from jaxtyping import Bool, Float32

from prognoscope.features.encoders.filters import enlarged, opened, peaks, pooled, smoothed

Images = Float32[np.ndarray, "B _ _"]
Values = dict[str, np.ndarray]  # name -> one value a patch

SPOT_STEPS = (1, 2, 4)  # um a pixel; spots of about 5, 10 and 20 um across
SPOT_CONTRASTS = (0.03, 0.08, 0.15)  # optical density
SIZES_UM2 = (15.0, 30.0, 50.0, 80.0, 130.0, 250.0)  # edges between areas of nuclei; a lymphocyte has 30 to 50
DARKNESS = (0.5, 0.8)  # edges between mean optical densities of nuclei
OPENINGS_UM = ((1, (3, 5, 7)), (2, (10, 12, 14, 18, 22, 30, 42)))  # by um a pixel
LINE_PX = 9
BACKGROUND_UM = 8  # what surrounds a nucleus is averaged over a few such squares


def nuclear_features(haematoxylin: Images, um: float) -> Values:
    """Counts, sizes and darkness of nuclei per patch; counts are per 100 um squared and square-rooted.

    Args:
        haematoxylin: Optical density of haematoxylin.
        um: The width of a pixel.
    """
    positive = np.maximum(haematoxylin, 0)
    calm = smoothed(positive)
    around = enlarged(smoothed(pooled(calm, BACKGROUND_UM), 2), BACKGROUND_UM, calm.shape[1:])
    return {
        **_spots(positive, um),
        **_size_spectrum(positive),
        **_objects("plain", calm > 0.3, positive, um),
        **_objects("raised", calm > around + np.maximum(0.06, 0.25 * around), positive, um),
    }


def _spots(positive: Images, um: float) -> Values:
    """Dark spots by scale and contrast, as local maxima of a difference of Gaussians."""
    values = {}
    for step in SPOT_STEPS:
        image = pooled(positive, step)
        narrow = smoothed(image, 2)
        spots = narrow - smoothed(narrow, 4)
        at_peak = peaks(spots)
        area = image[0].size * (step * um / 100) ** 2  # in squares of 100 um
        for contrast in SPOT_CONTRASTS:
            count = _each(at_peak & (spots > contrast)).sum(axis=1)
            values[f"spots/{step}um/{contrast:g}"] = np.sqrt(count / area) / 8
        strong = at_peak & (spots > SPOT_CONTRASTS[0])
        values[f"spots/{step}um/strength"] = 5 * _mean_where(spots, strong)
        values[f"spots/{step}um/darkness"] = _mean_where(narrow, strong)
        values[f"spots/{step}um/energy"] = 10 * _each(np.abs(spots)).mean(axis=1)
    return values


def _size_spectrum(positive: Images) -> Values:
    """How much haematoxylin each width of opening removes: the granulometry of nuclei, which touching ones survive."""
    values = {}
    total = _each(positive).mean(axis=1)
    before = total
    for step, widths in OPENINGS_UM:
        image = pooled(positive, step)
        for width in widths:
            after = _each(opened(image, width // step, width // step)).mean(axis=1)
            values[f"opened/{width}um"] = 5 * np.maximum(before - after, 0)
            values[f"opened/{width}um/left"] = after / (total + 0.05)
            before = after
        lines = np.maximum(opened(image, 1, LINE_PX), opened(image, LINE_PX, 1))
        values[f"opened/line{LINE_PX * step}um"] = _each(lines).mean(axis=1) / (total + 0.05)
    return values


def _objects(name: str, mask: Bool[np.ndarray, "B _ _"], positive: Images, um: float) -> Values:
    """The connected pieces of a mask by area, darkness and elongation."""
    count, height, width = mask.shape
    flat = np.zeros((3, 3, 3), bool)
    flat[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]  # images of the stack do not touch
    labels = np.zeros(mask.shape, np.int32)
    scipy.ndimage.label(mask, flat, output=labels)
    n = int(labels.max(initial=0))
    at = np.flatnonzero(labels)
    label = labels.reshape(-1)[at] - 1
    area_px = np.bincount(label, minlength=n)
    owner = np.zeros(n, np.int64)
    owner[label] = at // (height * width)
    dark = np.bincount(label, positive.reshape(-1)[at], minlength=n) / np.maximum(area_px, 1)
    area = area_px * um**2
    kept = area >= 5  # um2; less is noise
    owner, area, dark, length = owner[kept], area[kept], dark[kept], _elongation(at, label, area_px, mask.shape)[kept]
    square = height * width * (um / 100) ** 2

    def per_patch(weights: np.ndarray | None = None, where: np.ndarray | slice = slice(None)) -> np.ndarray:
        return np.bincount(owner[where], None if weights is None else weights[where], minlength=count)

    size, darkness = np.searchsorted(SIZES_UM2, area), np.searchsorted(DARKNESS, dark)
    number, covered = per_patch(), per_patch(area)
    some, much = np.maximum(number, 1), np.maximum(covered, 1)
    log_area = np.log2(np.maximum(area, 5) / 5)
    mean_log = per_patch(log_area) / some
    values = {
        "area": np.sqrt(covered / (1e4 * square)),
        "number": np.sqrt(number / square) / 8,
        "size": mean_log / 4,
        "size_by_area": per_patch(log_area * area) / much / 6,
        "size_sd": np.sqrt(np.maximum(per_patch(log_area**2) / some - mean_log**2, 0)) / 2,
        "darkness": per_patch(dark) / some,
        "darkness_by_area": per_patch(dark * area) / much,
        "elongation": per_patch(length) / some,
        "elongation_by_area": per_patch(length * area) / much,
        "edge": np.sqrt(_each(mask[:, :, 1:] != mask[:, :, :-1]).mean(axis=1)),
    }
    for i in range(len(SIZES_UM2) + 1):
        values[f"size{i}/number"] = np.sqrt(per_patch(where=size == i) / square) / 4
        values[f"size{i}/area"] = np.sqrt(per_patch(area, size == i) / (1e4 * square))
        values[f"size{i}/darkness"] = per_patch(dark, size == i) / np.maximum(per_patch(where=size == i), 1)
        for j in range(len(DARKNESS) + 1):
            values[f"size{i}/dark{j}"] = np.sqrt(per_patch(where=(size == i) & (darkness == j)) / square) / 4
    return {f"nuclei/{name}/{key}": value for key, value in values.items()}


def _elongation(at: np.ndarray, label: np.ndarray, area: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """0 for round pieces, towards 1 for lines: from the second moments of their pixels."""
    n, area = len(area), np.maximum(area, 1)
    y, x = at // shape[2] % shape[1], at % shape[2]
    mean_x, mean_y = (np.bincount(label, v, minlength=n) / area for v in (x, y))
    dx, dy = x - mean_x[label], y - mean_y[label]
    xx, yy, xy = (np.bincount(label, v, minlength=n) / area for v in (dx * dx, dy * dy, dx * dy))
    return np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (xx + yy + 1 / 6)  # 1 / 6: a pixel's own extent


def _each(images: np.ndarray) -> np.ndarray:
    """Images as rows."""
    return np.ascontiguousarray(images).reshape(len(images), -1)


def _mean_where(images: Images, mask: Bool[np.ndarray, "B _ _"]) -> np.ndarray:
    return _each(images * mask).sum(axis=1) / np.maximum(_each(mask).sum(axis=1), 1)
