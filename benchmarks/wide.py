"""One fold and one epoch of each method on many patients with many genes: processor seconds, memory. In Markdown.

`python -m benchmarks.wide FOLDER`: 2,000 patients, 20,000 genes in six groups, bags of 20 patches of 256-d. Each method
in a process of its own, whose start and reading, measured alone, are the line "nothing". What takes longer than --limit
processor seconds is ended and told so.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.commands import spent_by
from prognoscope.cohort.cohort import Cohort
from prognoscope.cohort.splits import SplitSpec, make_splits
from prognoscope.core.outcome import Outcome
from prognoscope.features.store import Embeddings, pack_embeddings
from prognoscope.models.registry import list_models
from prognoscope.omics.tables import OmicsTable
from prognoscope.runs.layout import RunFiles
from prognoscope.training.crossval import run_fold
from prognoscope.training.job import FoldJob
from prognoscope.training.method import Method
from prognoscope.training.spec import TrainingSpec

DIM, GROUPS = 256, 6
NOTHING = "nothing"
EPOCHS_KEPT = ("coxph", "coxnet", "gpcox", "late")  # which are fitted, not trained in epochs


@dataclass(frozen=True, slots=True)
class Size:
    """Of a cohort."""

    patients: int
    genes: int
    patches: int


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the bags are packed, and deleted")
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--patches", type=int, default=20)
    parser.add_argument("--methods", nargs="+", default=list_models())
    parser.add_argument("--limit", type=int, default=300, help="processor seconds for each")
    parser.add_argument("--fold-of", help=argparse.SUPPRESS)  # a method by itself, in a process of its own
    args = parser.parse_args(arguments)
    size = Size(args.patients, args.genes, args.patches)
    if args.fold_of is not None:
        train_a_fold(args.fold_of, args.folder, size)
        return
    print("| method | processor s | peak MB of its own |\n|---|---|---|")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        pack(Path(folder), size)
        sizes = [f"--{name}={getattr(size, name)}" for name in ("patients", "genes", "patches")]
        for name in (NOTHING, *args.methods):
            command = [sys.executable, "-m", "benchmarks.wide", folder, *sizes, "--fold-of", name]
            spent = spent_by(command, Path(folder) / "said.txt", args.limit)
            told = "" if not spent.code else f", not finished: {last_words(Path(folder) / 'said.txt', spent.code)}"
            print(f"| {name} | {spent.seconds:.3g}{told} | {spent.own_mb:.0f} |", flush=True)


def last_words(said: Path, code: int) -> str:
    """Why a command ended early."""
    lines = said.read_text().splitlines()
    return "ended at the limit" if code < 0 or not lines else lines[-1][:100]


def train_a_fold(name: str, folder: Path, size: Size) -> None:
    """Train a method on half of the patients, one epoch, and predict the others; `NOTHING`: read the cohort."""
    cohort = cohort_of(size)
    split = make_splits(cohort, SplitSpec(folds=2, validation=0))[0]
    if name == NOTHING:
        return
    recipe = {} if name in EPOCHS_KEPT else {"epochs": 1}
    method, spec = Method(name, name, {}, recipe), TrainingSpec(choose="last", device="cpu")
    at = RunFiles(folder / "run").fold(name, split.fold)
    run_fold(FoldJob(at, method, cohort, split, spec, folder / "wide.bags", {"n_bins": 4}))


def pack(folder: Path, size: Size) -> None:
    """Noise as bags."""
    rng = np.random.default_rng(0)
    bags = {}
    for patient in patients_of(size):
        values = rng.standard_normal((size.patches, DIM), np.float32).astype(np.float16)
        bags[patient] = [(patient, lambda p=patient, v=values: Embeddings(p, v))]
    pack_embeddings(bags, folder / "wide.bags", "wide")


def cohort_of(size: Size) -> Cohort:
    """Noise as genes, age and outcomes."""
    rng, patients = np.random.default_rng(1), patients_of(size)
    names = [f"G{i}" for i in range(size.genes)]
    values = rng.standard_normal((size.patients, size.genes), np.float32)
    genes = pd.DataFrame(values, patients, [f"{name}_rnaseq" for name in names])
    time, event = rng.exponential(30, size.patients) + 0.1, rng.random(size.patients) < 0.5
    return Cohort(
        "wide",
        Outcome(patients, time, event),
        covariates=pd.DataFrame({"age": rng.normal(60, 9, size.patients)}, patients),
        slides={patient: (patient,) for patient in patients},
        omics=OmicsTable(genes),
        groups={f"group {i + 1}": tuple(names[i::GROUPS]) for i in range(GROUPS)},
        subtype={patient: "AB"[i % 2] for i, patient in enumerate(patients)},
    )


def patients_of(size: Size) -> tuple[str, ...]:
    """Their ids."""
    return tuple(f"P{i}" for i in range(size.patients))


if __name__ == "__main__":
    main()
