"""The patches of a grid, read while earlier ones are encoded: by several encoders at once, recoloured if asked."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float16, UInt8
from PIL import Image

from prognoscope.core.files import digest, written_whole
from prognoscope.features.encoders import Encoder
from prognoscope.features.stain_norm import Recolour, StainNorm, fit_stains
from prognoscope.slides.readers import Slide
from prognoscope.slides.tiling import PatchGrid, read_patches

ON_CPU, ON_GPU = (64, 1), (256, 4)  # patches encoded at once, threads that read meanwhile
AHEAD = 2  # batches that wait, read, besides those being read
FIT_ON = 64  # patches, evenly spaced, whose pixels say how a slide is stained
EVERY_PX = 7  # of which each so-manieth pixel is looked at
PATCHES = "patches"  # the folder of pictures


@dataclass(frozen=True, slots=True)
class Spent:
    """How many patches there were, and the seconds that reading and encoding them took, which go on at once."""

    patches: int = 0
    read_s: float = 0.0  # of all threads that read together
    encode_s: float = 0.0
    wall_s: float = 0.0  # with opening, looking for tissue and writing

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def told(self) -> str:
        """How fast that was in each process, beside what reading and encoding would give alone; "" of no patches."""
        if not self.patches or not min(self.read_s, self.encode_s, self.wall_s):
            return ""
        limit = "encoding" if self.encode_s > self.read_s else "reading"
        return (
            f"{self.patches:,} patches, {self.patches / self.wall_s:.3g} a second in each process. Reading alone gives "
            f"{self.patches / self.read_s:.3g} in each thread, encoding alone {self.patches / self.encode_s:.3g}: "
            f"{limit} is the limit."
        )


def encode_patches(
    slide: Slide, grid: PatchGrid, encoders: Sequence[Encoder], device: str, recolour: Recolour | None = None
) -> tuple[list[Float16[np.ndarray, "N _"]], Spent]:
    """The embeddings of all patches of a grid, (N, D) of each encoder, each patch being read once."""
    found = [np.empty((len(grid.coords), each.embedding_dim), np.float16) for each in encoders]
    size, threads = ON_CPU if device == "cpu" else ON_GPU
    spent = Spent(len(grid.coords))

    def read(start: int) -> tuple[int, UInt8[np.ndarray, "B H W 3"], float]:
        began = time.perf_counter()
        patches = read_patches(slide, grid, slice(start, start + size))
        patches = patches if recolour is None else recolour(patches)
        return start, patches, time.perf_counter() - began

    def encode_next(waiting: deque) -> Spent:
        start, patches, read_s = waiting.popleft().result()
        began = time.perf_counter()
        for encoder, features in zip(encoders, found, strict=True):
            with np.errstate(over="ignore"):  # what does not fit half precision becomes infinite, and is refused
                features[start : start + len(patches)] = encoder.encode(patches, grid.mpp)
        return Spent(0, read_s, time.perf_counter() - began)

    with ThreadPoolExecutor(threads, "reader") as pool:
        waiting = deque()
        for start in range(0, len(grid.coords), size):
            waiting.append(pool.submit(read, start))
            if len(waiting) >= threads + AHEAD:
                spent += encode_next(waiting)
        while waiting:
            spent += encode_next(waiting)
    return found, spent


def recoloured(slide: Slide, grid: PatchGrid, kind: StainNorm | None) -> Recolour | None:
    """How patches of a slide are brought to the target of a normalisation, fitted on some of them; None if not asked.

    Raises:
        FeatureError: Too little of them is stained.
    """
    if kind is None:
        return None
    rows = np.unique(np.linspace(0, len(grid) - 1, FIT_ON).round().astype(np.int64))
    return fit_stains(read_patches(slide, grid, rows).reshape(-1, 3)[::EVERY_PX], kind)


def saved_patches(folder: Path, name: str) -> int:
    """How many patches of a slide are there as PNG files."""
    return len(list((folder / PATCHES / name).glob("*.png")))


def save_patches(folder: Path, name: str, slide: Slide, grid: PatchGrid, most: int, recolour: Recolour | None) -> None:
    """Write some patches of a slide as PNG files to look at, `patches/<slide>/<x>_<y>.png`; the same ones each time."""
    if not most:
        return
    drawn = np.random.default_rng(int(digest(name), 16)).permutation(len(grid))[:most]
    rows = np.sort(drawn)
    patches = read_patches(slide, grid, rows)
    for (x, y), patch in zip(grid.coords[rows], patches if recolour is None else recolour(patches), strict=True):
        with written_whole(folder / PATCHES / name / f"{x}_{y}.png") as beside:
            Image.fromarray(patch).save(beside, "PNG")
