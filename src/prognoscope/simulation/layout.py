"""Where in a slide which tissue lies: smooth fields, cut so that every class gets its share."""

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from prognoscope.simulation.tissue_classes import BACKGROUND, FAT, LYMPHOCYTES, NECROSIS, STROMA


def smooth_field(
    shape: tuple[int, int], cells: float, rng: np.random.Generator, *, octaves: int = 3
) -> Float[np.ndarray, "h w"]:
    """Cloudy noise with mean 0 and deviation 1: `cells` clouds along the longer side, each octave half as large."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        knots = [max(cells * 2**octave * side / max(shape), 1.0) for side in shape]
        coarse = rng.standard_normal([int(np.ceil(knot)) + 3 for knot in knots]).astype(np.float32)
        inner = (1.5, 1.5, 1.5 + knots[1], 1.5 + knots[0])  # away from the edge, where splines flatten
        fine = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=inner)
        total += np.asarray(fine) / 2**octave
    return (total - total.mean()) / max(float(total.std()), 1e-6)


def tissue_outline(shape: tuple[int, int], share: float, rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """How far inside the tissue a place is: positive on the stated share of the area, a blob about the middle."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    bulge = 1 - np.hypot(y[:, None] * rng.uniform(0.95, 1.15), x[None, :] * rng.uniform(0.95, 1.15))
    inside = bulge + 0.16 * smooth_field(shape, 3, rng)
    return (inside - np.quantile(inside, 1 - share)).astype(np.float32)


def place_classes(
    inside: Float[np.ndarray, "h w"], shares: dict[int, float], rng: np.random.Generator, *, roughness: float
) -> Int[np.ndarray, "h w"]:
    """The class of every place: necrosis in the core of the tumour, lymphocytes along its margin, fat apart.

    Args:
        inside: Positive on tissue.
        shares: Of each class in the tissue; met exactly but for rounding to places.
        roughness: How ragged the borders are, in deviations of the smooth fields.
    """
    shape = inside.shape
    tissue = np.flatnonzero(inside.ravel() > 0)
    ragged = [roughness * rng.standard_normal(len(tissue)).astype(np.float32) for _ in range(3)]
    depth = smooth_field(shape, 4, rng).ravel()[tissue]
    fatty = smooth_field(shape, 5, rng).ravel()[tissue] + 0.3 * ragged[0] - 0.8 * depth
    patchy = smooth_field(shape, 9, rng).ravel()[tissue]
    kinds = np.full(len(tissue), STROMA, np.int64)

    def take(kind: int, score: np.ndarray) -> None:
        free = np.flatnonzero(kinds == STROMA)
        count = round(shares.get(kind, 0.0) * len(tissue))
        best = np.argpartition(-score[free], min(count, len(free) - 1))[:count] if count else []
        kinds[free[best]] = kind

    tumour = next(kind for kind in shares if kind not in (LYMPHOCYTES, NECROSIS, FAT, STROMA))
    depth = depth + ragged[1]
    take(NECROSIS, depth + 0.3 * patchy)
    take(tumour, depth)
    take(FAT, fatty)
    margin = np.quantile(depth, 1 - shares[tumour] - shares.get(NECROSIS, 0.0))
    take(LYMPHOCYTES, patchy + ragged[2] - 1.2 * np.abs(depth - margin))
    labels = np.full(inside.size, BACKGROUND, np.int64)
    labels[tissue] = kinds
    return labels.reshape(shape)
