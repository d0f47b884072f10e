"""Seconds to draw one map of a slide of 100,000 patches in each of its forms, as a table in Markdown.

`python -m benchmarks.heat_map`; measures processor seconds, so that other work on the machine counts little.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import machine
from prognoscope.report.heatmap.files import ENDINGS, write_pictures
from prognoscope.report.heatmap.patch_map import PatchMap
from prognoscope.simulation.slide_files import MPP, write_slide
from prognoscope.slides.readers import open_slide

PATCHES, SIDE_PX = 100_000, 32.37
TISSUE, GLASS = (214, 140, 186), 243


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heat_map", description=__doc__)
    parser.add_argument("--patches", type=int, default=PATCHES)
    args = parser.parse_args(arguments)
    print(f"{machine('cpu')}\n\n| form | processor s | MB |\n|---|---|---|")
    rng = np.random.default_rng(0)
    across = int(np.ceil(np.sqrt(args.patches)))
    places = np.stack(np.meshgrid(np.arange(across), np.arange(across)), axis=-1).reshape(-1, 2)[: args.patches]
    coords = np.floor(places * SIDE_PX + 0.5).astype(np.int64)
    weights = np.exp(2 * np.sin(places / across * 9).sum(axis=1) + rng.normal(size=len(places)) / 3)
    patch_map = PatchMap(
        "attention", weights / weights.sum(), coords, SIDE_PX, "How much a patch counts.", "share", is_signed=False
    )
    total = 0.0
    with tempfile.TemporaryDirectory() as folder, open_slide(_slide(Path(folder), across)) as slide:
        for kind in ENDINGS:
            start = time.process_time()
            (path,) = write_pictures(folder, "slide", slide, patch_map, mpp=None, size_px=None, kinds=(kind,))
            total += (took := time.process_time() - start)
            print(f"| {kind} | {took:.3g} | {path.stat().st_size / 1e6:.3g} |")
    print(f"| all | {total:.3g} | |")


def _slide(folder: Path, across: int) -> Path:
    """A pyramid of speckled tissue with a rim of glass."""
    side = int(np.ceil((across + 8) * SIDE_PX / 256) * 256)
    picture = np.full((side, side, 3), GLASS, np.uint8)
    speckles = np.random.default_rng(1).integers(-30, 30, (256, 256, 1))
    piece = np.clip(speckles + TISSUE, 0, 255).astype(np.uint8)
    for y in range(0, side - 512, 256):
        for x in range(0, side - 512, 256):
            picture[y : y + 256, x : x + 256] = piece
    write_slide(folder / "slide.tiff", picture, MPP)
    return folder / "slide.tiff"


if __name__ == "__main__":
    main()
