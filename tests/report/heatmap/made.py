"""Slides and maps of which every pixel is known."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prognoscope.report.heatmap.patch_map import PatchMap

SIZE = (1237, 911)  # multiples of nothing
SPOT = (313, 217, 103)  # left, top, side of what has colour
PLUM = (150, 40, 150)


@dataclass
class ArraySlide:
    """A slide of one level that lies in memory."""

    pixels: np.ndarray
    mpp: float | None = 0.5
    properties: dict[str, str] = field(default_factory=dict)
    path: Path = Path("made.mrxs")
    mpp_trouble: str = ""
    magnification: float | None = None

    def __post_init__(self):
        self.size_px = (self.pixels.shape[1], self.pixels.shape[0])
        self.level_sizes_px, self.level_downsamples = (self.size_px,), (1.0,)

    def read(self, x_px: int, y_px: int, level: int, width_px: int, height_px: int) -> np.ndarray:
        assert (level, x_px >= 0, y_px >= 0) == (0, True, True)
        part = self.pixels[y_px : y_px + height_px, x_px : x_px + width_px]
        assert part.shape[:2] == (height_px, width_px)
        return part

    def thumbnail(self, longest_px: int) -> np.ndarray:
        raise NotImplementedError

    def hold(self, n_bytes: int) -> None: ...

    def close(self) -> None: ...

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None: ...


def spotted(size=SIZE, spot=SPOT, **said) -> ArraySlide:
    """White, with one square of colour."""
    pixels = np.full((size[1], size[0], 3), 255, np.uint8)
    left, top, side = spot
    pixels[top : top + side, left : left + side] = PLUM
    return ArraySlide(pixels, **said)


def bounds(*said: int) -> dict[str, str]:
    """What OpenSlide says where less was scanned than the plane holds: left, top, width, height."""
    names = ("x", "y", "width", "height")
    return {f"openslide.bounds-{name}": str(at) for name, at in zip(names, said, strict=True)}


def map_of(values, coords, side=100.0, *, is_signed=False, name="attention", **said) -> PatchMap:
    words = {"meaning": "A high value means that the model looks there.", "unit": "share of attention"} | said
    values = np.asarray(values, np.float64)
    return PatchMap(
        name, values, np.asarray(coords, np.int64).reshape(-1, 2), float(side), is_signed=is_signed, **words
    )


def grid(columns, rows, side, *, values=None, seed=0, **said) -> PatchMap:
    """Patches edge to edge, with random values."""
    places = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    values = np.random.default_rng(seed).normal(size=len(places)) if values is None else values
    return map_of(values, np.floor(places * side + 0.5), side, **said)
