"""Run folders as a comparison reads them, written without any training; what a method knows is said."""

from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.analysis.metric_table import metric_table
from prognoscope.runs.card import ModelCard, write_card
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.provenance import Provenance, write_provenance
from prognoscope.runs.read import Run
from prognoscope.runs.tables import METRICS, OUTCOMES, PREDICTIONS, SPLITS

KINDS = {"best": "mcti", "good": "snn", "poor": "meanmil", "told": "ghanet", "clinical": "coxph", "sum": "gpcox"}


def write_run(
    folder: Path,
    *,
    knows: dict[str, float],
    name: str = "blca",
    cohort: int = 0,
    patients: int = 120,
    folds: int = 3,
    drawn: int = 0,
    seed: int = 0,
    protocol: str = "honest",
    epochs: int = 20,
    genes: tuple[int, ...] = (),
    optimistic: dict[str, str] | None = None,
) -> Path:
    """Write a run whose methods, title -> share of the truth in their risk, have seen none of the patients.

    Args:
        cohort: Seed of the patients' truth.
        drawn: Seed of the folds.
    """
    files = RunFiles(folder)
    truth = np.random.default_rng(cohort)
    hazard = truth.normal(size=patients)
    time, stop = 30 * truth.weibull(1.2, patients) * np.exp(-hazard), truth.exponential(60, patients)
    event, time = time <= stop, np.round(np.minimum(time, stop), 2) + 0.1
    ids = np.array([f"P{i:03d}" for i in range(patients)])
    part_of = np.random.default_rng(drawn).permutation(patients) % folds
    OUTCOMES.write(files.outcomes, pd.DataFrame({"patient_id": ids, "time": time, "event": event}))
    parts = [
        pd.DataFrame({"patient_id": ids, "fold": k, "part": np.where(part_of == k, "test", "train")})
        for k in range(folds)
    ]
    SPLITS.write(files.splits, pd.concat(parts))
    noise = np.random.default_rng((seed, 7))
    for method, share in knows.items():
        risk = share * hazard + (1 - share) * noise.normal(size=patients)
        for k in range(folds):
            at, here = files.fold(method, k), part_of == k
            survival = np.array([0.8, 0.6, 0.4, 0.2]) ** np.exp(risk[here] - risk.mean())[:, None]
            table = {"patient_id": ids[here], "fold": k, "risk": risk[here], "time": time[here], "event": event[here]}
            table |= {f"S_{i}": survival[:, i] for i in range(4)}
            PREDICTIONS.write(at.predictions, pd.DataFrame(table))
            name_of, sizes = (
                KINDS.get(method.split("-")[0], method),
                {"group_sizes": genes, "n_clinical": 2, "embedding_dim": 8},
            )
            bins = (None, 10.0, 20.0, 40.0, None)
            card = ModelCard(name_of, method, {}, sizes, k, bins, {}, recipe={"epochs": epochs}, choose="last")
            write_card(at.card, card)
    write_provenance(
        files.provenance,
        Provenance(name=name, protocol=protocol, methods=tuple(knows), seed=seed, optimistic=optimistic or {}),
    )
    run = Run(folder)
    METRICS.write(files.metrics, metric_table(run, {each: run.folds(each) for each in knows}, draws=20, seed=0)[0])
    return folder
