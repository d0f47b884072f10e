"""Run folders as a comparison reads them, written without any training; what a method knows is said."""

from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.files import write_json, write_table
from prognoscope.study.results import metrics_table

KINDS = {"best": "mcti", "good": "snn", "poor": "meanmil", "told": "ghanet", "clinical": "coxph"}


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
    truth = np.random.default_rng(cohort)
    hazard = truth.normal(size=patients)
    time, stop = 30 * truth.weibull(1.2, patients) * np.exp(-hazard), truth.exponential(60, patients)
    event, time = time <= stop, np.round(np.minimum(time, stop), 2) + 0.1
    ids = np.array([f"P{i:03d}" for i in range(patients)])
    part_of = np.random.default_rng(drawn).permutation(patients) % folds
    write_table(folder / "outcomes.csv", pd.DataFrame({"patient_id": ids, "time": time, "event": event.astype(int)}))
    parts = [
        pd.DataFrame({"patient_id": ids, "fold": k, "part": np.where(part_of == k, "test", "train")})
        for k in range(folds)
    ]
    write_table(folder / "splits.csv", pd.concat(parts))
    noise = np.random.default_rng((seed, 7))
    for method, share in knows.items():
        risk = share * hazard + (1 - share) * noise.normal(size=patients)
        for k in range(folds):
            at, here = folder / method / f"fold_{k}", part_of == k
            survival = np.array([0.8, 0.6, 0.4, 0.2]) ** np.exp(risk[here] - risk.mean())[:, None]
            table = {"patient_id": ids[here], "fold": k, "risk": risk[here], "time": time[here]}
            table |= {"event": event[here].astype(int)} | {f"S_{i}": survival[:, i] for i in range(4)}
            write_table(at / "predictions.csv", pd.DataFrame(table))
            card = {"name": KINDS.get(method, method), "options": {}, "recipe": {"epochs": epochs}, "choose": "last"}
            card |= {"bins": [None, 10.0, 20.0, 40.0, None], "sizes": {"group_sizes": genes, "n_clinical": 2}}
            write_json(at / "model.json", card)
    about = {"name": name, "protocol": protocol, "methods": list(knows), "seed": seed, "optimistic": optimistic or {}}
    write_json(folder / "provenance.json", about)
    write_table(folder / "metrics.csv", metrics_table(folder, list(knows), draws=20, seed=0)[0])
    return folder
