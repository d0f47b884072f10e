"""The embedded default encoder: colour deconvolution, texture and nuclei over several scales. No weights, no network.

Ruifrok, Johnston: Quantification of histochemical staining by color deconvolution. Anal Quant Cytol Histol 2001.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from prognoscope.core.errors import FeatureError
from prognoscope.core.files import digest
from prognoscope.features.encoders.filters import (
    binary_patterns,
    gradients,
    laplacian,
    opened,
    pooled,
    smoothed,
)
from prognoscope.features.encoders.nuclei import nuclear_features

VERSION = 1  # to be raised when the same pixels give other numbers
STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))  # optical density of H, E and a residual, in RGB
WORKING_UM = 1.0  # patches are pooled to pixels of about this width
SMALLEST_PX = 64  # smaller maps are continued by their borders
TOGETHER = 8  # patches at a time: what stays in a processor's cache
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
OCTAVES_UM = (1, 2, 4, 8, 16)
JOINT_EDGES = (0.05, 0.15, 0.3, 0.5, 0.8)  # optical density
HOLES_UM = (5, 9, 17, 33, 57)

Images = Float32[np.ndarray, "B _ _"]
Values = dict[str, np.ndarray]


class StainEncoder:
    """Some 400 measurements of a patch of haematoxylin and eosin, scaled to lie mostly between -2 and 2.

    Amounts of each stain (quantiles, joint histogram), texture by octave, orientation (fibres), holes (fat, lumina)
    and nuclei (number, size, darkness). `feature_names` says which value is which. Deterministic, and a patch is
    encoded among others exactly as alone.
    """

    name = "stain"

    def __init__(self, *, weights: Path | str | None = None, device: str = "cpu"):
        if weights is not None:
            raise FeatureError(f"The encoder 'stain' has no weights. Leave out weights: {weights}.")
        self.feature_names = tuple(_measure(np.full((1, 128, 128, 3), 255, np.uint8), 0.5))
        self.embedding_dim = len(self.feature_names)
        self.weights_hash = digest({"stain": VERSION, "features": self.feature_names})

    def encode(self, patches: UInt8[np.ndarray, "B H W 3"], mpp: float) -> Float32[np.ndarray, "B D"]:
        """The embeddings of RGB patches whose pixels are `mpp` um wide."""
        parts = [patches[i : i + TOGETHER] for i in range(0, len(patches), TOGETHER)]
        rows = [np.stack(list(_measure(part, mpp).values()), axis=1) for part in parts]
        return np.concatenate([np.zeros((0, self.embedding_dim)), *rows]).astype(np.float32)


def _measure(patches: UInt8[np.ndarray, "B H W 3"], mpp: float) -> Values:
    factor = max(1, min(round(WORKING_UM / mpp), *patches.shape[1:3]))
    um = mpp * factor
    fine = [_density(patches[..., c]) for c in range(3)]
    density = [_continued(pooled(plane, factor)) for plane in fine]
    unmixed = np.linalg.inv(np.asarray(STAINS) / np.linalg.norm(STAINS, axis=1, keepdims=True)).astype(np.float32)
    h, e, r = (unmixed[0, s] * density[0] + unmixed[1, s] * density[1] + unmixed[2, s] * density[2] for s in range(3))
    total = (density[0] + density[1] + density[2]) * np.float32(1 / 3)
    colour = np.maximum.reduce(density) - np.minimum.reduce(density)
    maps = {"haematoxylin": h, "eosin": e, "residual": r, "density": total, "colour": colour}
    return {
        **_amounts(maps),
        **_joint_amounts(h, e),
        **_octaves({"haematoxylin": h, "eosin": e, "density": total}),
        **_grain((fine[0] + fine[1] + fine[2]) * np.float32(1 / 3)),
        **_fibres({"eosin": e, "density": total}),
        **_patterns(h, total),
        **_holes(total),
        **_unevenness({"haematoxylin": h, "eosin": e, "density": total}),
        **nuclear_features(h, um),
    }


def _density(intensity: np.ndarray) -> Images:
    """Optical density, 0 for white and 2.4 for black."""
    return np.log10(np.float32(256) / (intensity.astype(np.float32) + np.float32(1)))


def _continued(images: Images) -> Images:
    short = [max(0, SMALLEST_PX - side) for side in images.shape[1:]]
    frame = ((0, 0), (0, short[0]), (0, short[1]))
    return np.ascontiguousarray(np.pad(images, frame, mode="edge") if any(short) else images)


def _rows(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images).reshape(len(images), -1)


def _amounts(maps: dict[str, Images]) -> Values:
    values = {}
    for name, image in maps.items():
        ordered = np.sort(_rows(image), axis=1)
        values[f"{name}/mean"] = ordered.mean(axis=1)
        values[f"{name}/sd"] = 2 * ordered.std(axis=1)
        for q in QUANTILES:
            values[f"{name}/q{q:g}"] = ordered[:, round(q * (ordered.shape[1] - 1))]
    return values


def _joint_amounts(h: Images, e: Images) -> Values:
    """The square roots of the shares of pixels with so much haematoxylin and so much eosin."""
    n = len(JOINT_EDGES) + 1
    level_h, level_e = (
        sum(
            ((image > np.float32(edge)).astype(np.int64) for edge in JOINT_EDGES), start=np.zeros(image.shape, np.int64)
        )
        for image in (h, e)
    )
    cell = _rows(level_h * n + level_e) + np.arange(len(h))[:, None] * n**2
    share = np.bincount(cell.reshape(-1), minlength=len(h) * n**2).reshape(len(h), -1) / h[0].size
    return {f"joint/h{i // n}e{i % n}": np.sqrt(share[:, i]) for i in range(n**2)}


def _octaves(maps: dict[str, Images]) -> Values:
    """Spread, slope and roughness of each map at coarser and coarser pixels."""
    values = {}
    for name, image in maps.items():
        for step in OCTAVES_UM:
            image = pooled(image, 2) if step > 1 else image
            across, down = gradients(image)
            rough = np.abs(_rows(laplacian(image)))
            mean_rough = rough.mean(axis=1)
            values[f"{name}/{step}um/sd"] = 2 * _rows(image).std(axis=1)
            values[f"{name}/{step}um/slope"] = 5 * _rows(np.abs(across) + np.abs(down)).mean(axis=1)
            values[f"{name}/{step}um/rough"] = 8 * mean_rough
            values[f"{name}/{step}um/peaked"] = np.sqrt((rough**2).mean(axis=1)) / (mean_rough + 0.01) / 2
    return values


def _grain(fine: Images) -> Values:
    """Texture at the patch's own pixels, which the working maps have lost."""
    across, down = fine[:, :, 1:] - fine[:, :, :-1], fine[:, 1:] - fine[:, :-1]
    return {
        "grain/slope": 5 * (_mean_size(across) + _mean_size(down)),
        "grain/rough": 5 * (_mean_size(across[:, :, 1:] - across[:, :, :-1]) + _mean_size(down[:, 1:] - down[:, :-1])),
        "grain/sd": 2 * _rows(fine).std(axis=1),
    }


def _mean_size(images: Images) -> np.ndarray:
    """The mean absolute value; 0 for images too narrow to have any."""
    return _rows(np.abs(images)).mean(axis=1) if images.size else np.zeros(len(images), np.float32)


def _fibres(maps: dict[str, Images]) -> Values:
    """How much slopes agree in direction, within 16 pixels and over the patch: stroma is drawn out, tumour is not."""
    values = {}
    for name, image in maps.items():
        image = smoothed(image)
        for step in (1, 2, 4):
            image = pooled(image, 2) if step > 1 else image
            across, down = gradients(image)
            xx, yy, xy = (pooled(product, 16) for product in (across * across, down * down, across * down))
            energy = _rows(xx + yy)
            agreement = _rows(np.sqrt((xx - yy) ** 2 + 4 * xy**2))
            whole = np.sqrt((_rows(xx) - _rows(yy)).mean(axis=1) ** 2 + 4 * _rows(xy).mean(axis=1) ** 2)
            values[f"fibres/{name}/{step}um/local"] = agreement.mean(axis=1) / (energy.mean(axis=1) + 1e-5)
            values[f"fibres/{name}/{step}um/whole"] = whole / (energy.mean(axis=1) + 1e-5)
    return values


def _patterns(h: Images, total: Images) -> Values:
    values = {}
    for name, image, step in (("density", total, 1), ("density", total, 2), ("haematoxylin", h, 2)):
        shares = binary_patterns(pooled(image, step), 0.02)
        values |= {f"patterns/{name}/{step}um/{i}": np.sqrt(shares[:, i]) for i in range(10)}
    return values


def _holes(total: Images) -> Values:
    """White by the size of what is white: cracks, lumina, fat cells, background."""
    white = np.clip(1 - smoothed(total) * np.float32(1 / 0.15), 0, 1)
    values = {"holes/all": np.sqrt(_rows(white).mean(axis=1))}
    for width in HOLES_UM:
        step = 1 if width < 16 else 4
        values[f"holes/{width}um"] = np.sqrt(
            _rows(opened(pooled(white, step), width // step, width // step)).mean(axis=1)
        )
    return values


def _unevenness(maps: dict[str, Images]) -> Values:
    """How areas of 16 um differ, how the stains go together, and how far apart pixels still resemble each other."""
    values = {}
    for name, image in maps.items():
        area = _rows(pooled(image, 16))
        values[f"{name}/areas/sd"] = 4 * area.std(axis=1)
        values[f"{name}/areas/least"] = area.min(axis=1)
        values[f"{name}/areas/most"] = area.max(axis=1)
        image = pooled(smoothed(image), 2)
        image = image - _rows(image).mean(axis=1)[:, None, None]
        variance = _rows(image * image).mean(axis=1) + 1e-4
        for lag in (2, 4, 8, 16):
            across = _rows(image[:, :, lag:] * image[:, :, :-lag]).mean(axis=1)
            down = _rows(image[:, lag:] * image[:, :-lag]).mean(axis=1)
            values[f"{name}/lag{2 * lag}um"] = (across + down) / 2 / variance
    for step in (1, 4, 16):
        pair = pooled(maps["haematoxylin"], step), pooled(maps["eosin"], step)
        values[f"together/{step}um"] = _resemblance(*pair)
    return values


def _resemblance(a: Images, b: Images) -> np.ndarray:
    """The correlation of two images, shrunk to 0 where they are flat."""
    a, b = _rows(a), _rows(b)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return (a * b).mean(axis=1) / (np.sqrt((a * a).mean(axis=1) * (b * b).mean(axis=1)) + 1e-4)
