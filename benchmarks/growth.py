"""How a whole run grows with patients, patches, genes and methods: processor seconds, memory, exponents. In Markdown.

`python -m benchmarks.growth FOLDER`: `prognoscope run` of made-up studies in FOLDER, which are deleted, two folds and
one epoch of each method, evaluation and report included. One measure is doubled at a time, the others stay as they are
in the first line. An exponent is of what a step adds: (third - second) / (second - first) = 2 ** exponent.
"""

import argparse
import math
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.commands import Spent, spent_by
from prognoscope.features.store import Embeddings, write_embeddings

DIM, GROUPS = 256, 6
METHODS = ("coxph", "abmil", "mcat", "snn", "meanmil", "clam_sb", "porpoise", "survpath")


@dataclass(frozen=True, slots=True)
class Size:
    """Of a study."""

    patients: int
    patches: int
    genes: int
    methods: int


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, usual in asdict(Size(patients=250, patches=200, genes=2000, methods=2)).items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    args = parser.parse_args(arguments)
    least = Size(args.patients, args.patches, args.genes, args.methods)
    print("| patients | patches | genes | methods | processor s | peak MB of its own |\n|---|---|---|---|---|---|")
    first = measured(args.folder, least, args.draws)
    lines = ["\n| measure | exponent of seconds | exponent of memory |", "|---|---|---|"]
    for name, usual in asdict(least).items():
        larger = [measured(args.folder, replace(least, **{name: times * usual}), args.draws) for times in (2, 4)]
        seconds, memory = (
            exponent(*(getattr(each, what) for each in (first, *larger))) for what in ("seconds", "own_mb")
        )
        lines.append(f"| {name} | {seconds} | {memory} |")
    print("\n".join(lines))


def measured(folder: Path, size: Size, draws: int) -> Spent:
    """A line of the table."""
    here = folder / "growth"
    try:
        make_study(here, size, draws)
        command = [sys.executable, "-m", "prognoscope", "run", str(here / "study.yaml"), "--jobs", "1"]
        spent = spent_by(command, here / "said.txt")
        if spent.code:
            raise RuntimeError((here / "said.txt").read_text()[-2000:])
    finally:
        shutil.rmtree(here, ignore_errors=True)
    print(
        f"| {size.patients} | {size.patches} | {size.genes} | {size.methods} | {spent.seconds:.3g} "
        f"| {spent.own_mb:.0f} |",
        flush=True,
    )
    return spent


def exponent(first: float, second: float, third: float) -> str:
    """Of what a doubling adds; - where a step adds less than a tenth, which is no growth to speak of."""
    if second - first < 0.1 * first or third <= second:
        return "-"
    return f"{math.log2((third - second) / (second - first)):.2f}"


def make_study(folder: Path, size: Size, draws: int) -> None:
    """Noise as bags, genes, ages and outcomes."""
    rng = np.random.default_rng(0)
    (folder / "features").mkdir(parents=True)
    patients, genes = [f"P{i:05d}" for i in range(size.patients)], [f"G{i}" for i in range(size.genes)]
    for patient in patients:
        values = rng.standard_normal((size.patches, DIM), np.float32).astype(np.float16)
        write_embeddings(folder / "features" / f"{patient}.h5", Embeddings(patient, values, encoder="drawn"))
    n = size.patients
    told = {"time": rng.exponential(30, n) + 0.1, "event": np.arange(n) % 2, "age": rng.normal(60, 9, n)}
    pd.DataFrame(told, pd.Index(patients, name="patient_id")).to_csv(folder / "clinical.csv")
    values = pd.DataFrame(
        rng.standard_normal((n, size.genes), np.float32), pd.Index(patients, name="patient_id"), genes
    )
    values.to_csv(folder / "genes.csv", float_format="%.4f")
    pd.DataFrame({f"group {i + 1}": pd.Series(genes[i::GROUPS]) for i in range(GROUPS)}).to_csv(
        folder / "groups.csv", index=False
    )
    clinical = {"table": "clinical.csv", "time": "time", "time_unit": "months", "event": "event", "covariates": ["age"]}
    study = {
        "name": "growth",
        "cohort": {
            "clinical": clinical,
            "features": {"folder": "features", "layout": "prognoscope"},
            "omics": {"table": "genes.csv", "groups": "groups.csv"},
        },
        "splits": {"folds": 2},
        "methods": list(METHODS[: size.methods]),
        "training": {"epochs": 1, "device": "cpu"},
        "evaluation": {"draws": draws, "surgery": False},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


if __name__ == "__main__":
    main()
