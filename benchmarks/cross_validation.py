"""The time of a whole cross-validation: every fold trained, every epoch tested, files written, as a study does it."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.data import BINS, blca_like
from benchmarks.measure import highest_mb, settled_mb
from prognoscope.cohort.splits import SplitSpec, make_splits
from prognoscope.evaluation.concordance import concordance
from prognoscope.runs.layout import RunFiles
from prognoscope.training.crossval import run_fold
from prognoscope.training.job import FoldJob
from prognoscope.training.jobs import cross_validate
from prognoscope.training.method import Method
from prognoscope.training.spec import TrainingSpec

FOLDS = 5
HEADER = (
    "| method | precision | patients | patches of each | epochs | minutes | patients a second | peak MB | C-index |"
)


def cross_validation_rows(
    methods: Sequence[str],
    precisions: Sequence[str],
    *,
    patients: int,
    patches: int,
    epochs: int,
    patients_per_step: int,
    device: str,
) -> Iterator[str]:
    """A line of the table for each method and precision. Genes and outcomes are noise, so the C-index is near 0.5."""
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "bench.bags"
        cohort = blca_like(patients, patches, pack)
        splits = make_splits(cohort, SplitSpec(folds=FOLDS, validation=0))
        for name in methods:
            method = Method(name, name, {}, {"epochs": epochs, "patients_per_step": patients_per_step})
            for precision in precisions:
                spec = TrainingSpec(choose="last", device=device, precision=precision)
                at = RunFiles(Path(folder) / f"{name} {precision}")
                jobs = [
                    FoldJob(
                        at.fold(name, split.fold),
                        method,
                        cohort,
                        split,
                        spec,
                        pack,
                        {"n_bins": BINS},
                        c_index,
                    )
                    for split in splits
                ]
                before, start = settled_mb(device), time.perf_counter()
                for job, failure in cross_validate(jobs, run_fold, on_epoch=lambda *_: None):
                    if failure is not None:
                        raise RuntimeError(failure.sentence)
                    print(f"{job.method.name}, {precision}, fold {job.split.fold}: done", file=sys.stderr, flush=True)
                seconds = time.perf_counter() - start
                speed = patients * (FOLDS - 1) * epochs / seconds  # each patient teaches in all folds but one
                yield (
                    f"| {name} | {precision} | {patients} | {patches} | {epochs} | {seconds / 60:.3g} | {speed:.3g} "
                    f"| {highest_mb(device) - before:.0f} | {mean_c_index(jobs):.3f} |"
                )


def mean_c_index(jobs: Sequence[FoldJob]) -> float:
    """Over the folds' test patients."""
    tables = [pd.read_csv(job.files.predictions) for job in jobs]
    parts = [(each["risk"].to_numpy(), each["time"].to_numpy(), each["event"].to_numpy(bool)) for each in tables]
    return sum(c_index(risk, time=time, event=event) for risk, time, event in parts) / len(parts)


def c_index(risk, *, time, event) -> float:
    """Harrell's."""
    return concordance(risk, time=time, event=event).value
