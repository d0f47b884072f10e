"""Thousands of slides, then as many embedding files, through check, extract, pack and run; a table in Markdown.

`python -m benchmarks.many_slides FOLDER --slides 100 1000 10000` makes small real files in FOLDER, which it deletes
after each size. Processor seconds, so that other work counts little. A slide of 10,000 is as small as one of 100.
"""

import argparse
import math
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.commands import Spent, spent_by
from prognoscope.features.store import Embeddings, write_embeddings
from prognoscope.simulation.slide_files import MPP, write_slide
from prognoscope.study.gather import gather
from prognoscope.study.study import Study

DIM, FEWEST, MOST = 256, 40, 160  # of the embedding files: length, patches
SIDE_PX, PAINTED = 288, 4
A_PATIENT = 2  # slides
MORE = 0.01  # of the patients come later
COMMAND = [sys.executable, "-m", "prognoscope"]
STUDY = {
    "name": "many",
    "splits": {"folds": 2},
    "methods": ["meanmil"],
    "training": {"epochs": 1, "device": "cpu"},
    "evaluation": {"draws": 20, "surgery": False},
}


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and what it took with so many slides."""

    name: str
    slides: int
    spent: Spent
    packed_mb: float  # of packs, written anew


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_slides", description=__doc__)
    parser.add_argument("folder", type=Path, help="where files are made and deleted: 60 KB a slide, twice while packed")
    parser.add_argument("--slides", type=int, nargs="+", default=[100, 1000, 10000], help="how many, ascending")
    parser.add_argument("--only-embeddings", action="store_true", help="without slides and their extraction")
    parser.add_argument("--pack", type=Path, help=argparse.SUPPRESS)  # a step by itself, in a process of its own
    args = parser.parse_args(arguments)
    if args.pack is not None:
        gather(Study.load(args.pack).plan())
        return
    print("| step | slides | processor s | ms a slide | peak MB | of them read from files | open files | MB packed |")
    print("|---|---|---|---|---|---|---|---|")
    steps: list[Step] = []
    for slides in args.slides:
        folder = args.folder / f"many-{slides}"
        try:
            for step in steps_of(folder, slides, with_slides=not args.only_embeddings):
                steps.append(step)
                print(row_of(step), flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print("\n| step | ms of one more slide | exponent | KB of one more slide |\n|---|---|---|---|")
    for name in dict.fromkeys(step.name for step in steps):
        if len(same := [step for step in steps if step.name == name]) > 1:
            print(growth_row(same))


def steps_of(folder: Path, slides: int, *, with_slides: bool) -> Iterator[Step]:
    """Each command on so many slides in turn."""
    make_files(folder, slides, with_slides=with_slides)
    here, pack = folder / "slides.yaml", [sys.executable, "-m", "benchmarks.many_slides", str(folder), "--pack"]
    if with_slides:
        yield step(folder, slides, "check, slides", [*COMMAND, "check", str(here)])
        yield step(folder, slides, "extract", [*COMMAND, "extract", str(here), "--jobs", "1"])
        yield step(folder, slides, "extract, all there", [*COMMAND, "extract", str(here), "--jobs", "1"])
        yield step(folder, slides, "check, all extracted", [*COMMAND, "check", str(here)])
    here = folder / "features.yaml"
    yield step(folder, slides, "check, embeddings", [*COMMAND, "check", str(here)])
    yield step(folder, slides, "pack", [*pack, str(here)])
    yield step(folder, slides, "pack, all there", [*pack, str(here)])
    write_bag(folder, 0, seed=slides)
    yield step(folder, slides, "pack, one file changed", [*pack, str(here)])
    patients = math.ceil(slides / A_PATIENT)
    make_patients(folder, patients + math.ceil(MORE * patients))
    for slide in range(slides, slides + A_PATIENT * math.ceil(MORE * patients)):
        write_bag(folder, slide)
    yield step(folder, slides, f"pack, {MORE:.0%} more patients", [*pack, str(here)])
    yield step(folder, slides, "run, one epoch in two folds", [*COMMAND, "run", str(here), "--jobs", "1"])


def step(folder: Path, slides: int, name: str, command: list[str]) -> Step:
    """Run a command, and see which packs it wrote.

    Raises:
        RuntimeError: It failed; tells what it said last.
    """
    before = packs_in(folder)
    spent = spent_by(command, folder / "said.txt")
    if spent.code:
        raise RuntimeError(f"{name}: {(folder / 'said.txt').read_text()[-2000:]}")
    now = packs_in(folder)
    return Step(name, slides, spent, sum(size for file, size in now.items() if file not in before) / 1e6)


def packs_in(folder: Path) -> dict[tuple[str, int, int], int]:
    """Each file of packs, by name, inode and time, with its bytes."""
    there = {path: path.stat() for kind in ("*.bags", "*.shard") for path in (folder / "embeddings").glob(kind)}
    return {(path.name, stat.st_ino, stat.st_mtime_ns): stat.st_size for path, stat in there.items()}


def row_of(step: Step) -> str:
    """A line of the first table."""
    spent = step.spent
    return (
        f"| {step.name} | {step.slides} | {spent.seconds:.3g} | {1e3 * spent.seconds / step.slides:.3g} "
        f"| {spent.peak_mb:.0f} | {spent.mapped_mb:.0f} | {spent.open_files} | {step.packed_mb:.3g} |"
    )


def growth_row(steps: list[Step]) -> str:
    """How seconds and memory grow from the second largest to the largest; what the smallest took is taken off."""
    first, before, last = steps[0], steps[-2], steps[-1]
    more = last.slides - before.slides
    seconds = 1e3 * (last.spent.seconds - before.spent.seconds) / more
    memory = 1e3 * (last.spent.own_mb - before.spent.own_mb) / more
    exponent = "-"
    low, high = (each.spent.seconds - first.spent.seconds for each in (before, last))
    if len(steps) > 2 and low > 0 and high > 0:
        grown = math.log(high / low) / math.log((last.slides - first.slides) / (before.slides - first.slides))
        exponent = f"{grown:.2f}"
    return f"| {last.name} | {seconds:.3g} | {exponent} | {memory:.3g} |"


def make_files(folder: Path, slides: int, *, with_slides: bool) -> None:
    """So many small slides, which share the content of a few, as many embedding files of their own, and two studies."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "features").mkdir(parents=True)
    make_patients(folder, math.ceil(slides / A_PATIENT))
    for slide in range(slides):
        write_bag(folder, slide)
    if with_slides:
        (folder / "slides").mkdir()
        for i in range(PAINTED):
            write_slide(folder / "painted" / f"{i}.tiff", tissue(i), MPP)
        for slide in range(slides):
            painted = folder / "painted" / f"{slide % PAINTED}.tiff"
            os.link(painted, folder / "slides" / f"{name_of(slide)}.tiff")
    clinical = {"table": "clinical.csv", "time": "time", "time_unit": "months", "event": "event"}
    for name, of in (
        ("slides", {"slides": {"folder": "slides"}}),
        ("features", {"features": {"folder": "features", "layout": "trident"}}),
    ):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(STUDY | {"cohort": {"clinical": clinical, **of}}))


def make_patients(folder: Path, patients: int) -> None:
    """The clinical table; the same patients again have the same rows."""
    rng = np.random.default_rng(0)
    time, event = rng.exponential(30, 2 * patients)[::2] + 0.1, np.arange(patients) % 2
    names = [name_of(A_PATIENT * i)[:-2] for i in range(patients)]
    pd.DataFrame({"patient_id": names, "time": time, "event": event}).to_csv(folder / "clinical.csv", index=False)


def name_of(slide: int) -> str:
    """Such as P000012-1, of patient P000012."""
    return f"P{slide // A_PATIENT:06d}-{slide % A_PATIENT}"


def write_bag(folder: Path, slide: int, seed: int = 0) -> None:
    """The embedding file of a slide."""
    rng = np.random.default_rng((seed, slide))
    patches = int(rng.integers(FEWEST, MOST))
    values = rng.standard_normal((patches, DIM), np.float32).astype(np.float16)
    places = np.stack(np.divmod(np.arange(patches), 12), axis=1) * 256
    told = Embeddings(
        name_of(slide), values, coords_px=places, patch_px=256, patch_px_level0=256, mpp=MPP, encoder="drawn"
    )
    write_embeddings(folder / "features" / f"{name_of(slide)}.h5", told)


def tissue(seed: int) -> np.ndarray:
    """A picture of speckled tissue in glass."""
    picture = np.full((SIDE_PX, SIDE_PX, 3), 243, np.uint8)
    speckles = np.random.default_rng(seed).integers(-30, 30, (SIDE_PX - 32, SIDE_PX - 32, 1))
    picture[16:-16, 16:-16] = np.clip(np.array([200 - 8 * seed, 140, 186]) + speckles, 0, 255)
    return picture


if __name__ == "__main__":
    main()
