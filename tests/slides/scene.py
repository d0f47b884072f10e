"""A scene whose colour is known at every point, and slides of it."""

from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Float, UInt8

PERIOD_PX = np.array([[97.0, 143.0], [121.0, 89.0], [151.0, 109.0]])  # per channel, across and down


def scene(x: Float[np.ndarray, " w"], y: Float[np.ndarray, " h"]) -> UInt8[np.ndarray, "h w 3"]:
    """The colour at points given in level-0 pixels, where pixel i covers i to i + 1."""
    waves = [np.sin(2 * np.pi * x[None] / across) * np.cos(2 * np.pi * y[:, None] / down) for across, down in PERIOD_PX]
    return np.rint(150 + 90 * np.stack(waves, axis=2)).astype(np.uint8)


def pixels(width: int, height: int, downsample: int = 1) -> UInt8[np.ndarray, "h w 3"]:
    """A level of the scene: the odd last rows and columns are lost, as scanners lose them."""
    x, y = (np.arange(n // downsample) * downsample + downsample / 2 for n in (width, height))
    return scene(x, y)


def write_slide(path: Path, levels: list[UInt8[np.ndarray, "h w 3"]], mpp: float | None = 0.5) -> Path:
    """A tiled pyramidal TIFF that OpenSlide opens."""
    with tifffile.TiffWriter(path) as file:
        for i, level in enumerate(levels):
            tags = {}
            if mpp is not None:
                per_cm = 1e4 / (mpp * levels[0].shape[1] / level.shape[1])
                tags = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
            file.write(
                level,
                tile=(256, 256),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                subfiletype=int(i > 0),
                **tags,
            )
    return path


def write_scene(path: Path, width: int, height: int, mpp: float | None = 0.5, downsamples=(1, 2, 4, 8)) -> Path:
    return write_slide(path, [pixels(width, height, each) for each in downsamples], mpp)
