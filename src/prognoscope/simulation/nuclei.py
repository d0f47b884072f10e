"""Nuclei: pictures of single ones, drawn once a slide and stamped where they belong."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

VARIETIES = 32  # pictures of a kind
MARGIN_PX = 20  # around the slide while it is painted, so that no stamp is cut


@dataclass(frozen=True, slots=True)
class NucleusKind:
    """What nuclei of one kind look like, and how densely they lie."""

    spacing_px: float  # of neighbours, on average
    radius_px: float
    elongation: float  # long over short axis
    density: float  # of haematoxylin
    chromatin: float = 0.25  # how uneven it is inside
    nucleolus: float = 0.0  # how much darker the spot in the middle is


def draw_sprites(kind: NucleusKind, rng: np.random.Generator) -> Float32[np.ndarray, "V s s"]:
    """Haematoxylin of `VARIETIES` nuclei in squares of odd side: ellipses of varied size, turn and chromatin."""
    half = min(int(np.ceil(kind.radius_px * np.sqrt(kind.elongation) * 1.35)) + 1, MARGIN_PX)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    turn, size, stretch, weight = (
        draw.astype(np.float32)[:, None, None]
        for draw in (
            rng.uniform(0, np.pi, VARIETIES),
            kind.radius_px * np.exp(0.13 * rng.standard_normal(VARIETIES)).clip(0.7, 1.3),
            np.sqrt(kind.elongation * rng.uniform(0.9, 1.15, VARIETIES)),
            kind.density * rng.uniform(0.8, 1.15, VARIETIES),
        )
    )
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    wobble = 1 + 0.07 * np.sin(3 * np.arctan2(across, along) + 7 * turn)
    depth = size * (wobble - np.hypot(along / (size * stretch), across * stretch / size))  # px inside the rim
    grain = rng.standard_normal((VARIETIES, *x.shape)).astype(np.float32)
    grain = (grain + np.roll(grain, 1, axis=1) + np.roll(grain, 1, axis=2) + np.roll(grain, (1, 1), axis=(1, 2))) / 2
    rim = np.exp(-((depth - 1.2) ** 2) / 2.5)
    inside = weight * (0.85 + 0.25 * rim + kind.chromatin * grain)
    if kind.nucleolus:
        at = (0.35 * size * rng.uniform(-1, 1, (2, VARIETIES, 1, 1))).astype(np.float32)
        inside += kind.nucleolus * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 4)
    soft_edge = np.clip(depth / 1.6 + 0.5, 0, 1)
    return (soft_edge * inside.clip(0.1 * weight, None)).astype(np.float32)


def scatter(side_px: int, spacing_px: float, rng: np.random.Generator) -> Int64[np.ndarray, "M 2"]:
    """Places (x, y) all over a slide, about `spacing_px` apart: a grid with alternating rows, shaken."""
    columns, rows = int(side_px / spacing_px) + 2, int(side_px / (spacing_px * 0.87)) + 2
    row, column = np.divmod(np.arange(rows * columns), columns)
    shaken = rng.uniform(-0.36, 0.36, (2, rows * columns))
    x = (column + 0.5 * (row % 2) + shaken[0]) * spacing_px
    y = (row + shaken[1]) * spacing_px * 0.87
    places = np.stack([x, y], axis=1).astype(np.int64)
    return places[((places >= 0) & (places < side_px)).all(axis=1)]


def keep_some(
    places: Int64[np.ndarray, "M 2"], chance: Float32[np.ndarray, "h w"], cell_px: int, rng: np.random.Generator
) -> Int64[np.ndarray, "L 2"]:
    """Each place with the chance that a map with cells of `cell_px` gives it."""
    kept: Bool[np.ndarray, " M"] = rng.random(len(places)) < chance[places[:, 1] // cell_px, places[:, 0] // cell_px]
    return places[kept]


def stamp(
    onto: Float32[np.ndarray, "H W"],
    places: Int64[np.ndarray, "L 2"],
    sprites: Float32[np.ndarray, "V s s"],
    rng: np.random.Generator,
) -> None:
    """Paint a nucleus at every place, in place; where two overlap the denser one shows.

    Args:
        onto: The slide's haematoxylin with `MARGIN_PX` around it; places are the slide's.
    """
    side = sprites.shape[1]
    which = rng.integers(len(sprites), size=len(places)).tolist()
    corners = (places + MARGIN_PX - side // 2).tolist()
    pictures = list(sprites)
    for (x, y), one in zip(corners, which, strict=True):
        view = onto[y : y + side, x : x + side]
        np.maximum(view, pictures[one], out=view)
