"""How many patients a run has, in each part of each fold, and how long they were followed."""

import numpy as np
import pandas as pd

from prognoscope.evaluation.curves import kaplan_meier, median_survival
from prognoscope.runs.read import Run

PARTS = ("train", "validation", "test")


def fold_table(run: Run) -> pd.DataFrame:
    """Patients of each part of each fold: fold, part, patients, and events among those whom a method was tested on."""
    outcome = run.held_out
    with_event = set(np.array(outcome.patients)[outcome.event])
    rows = []
    for fold in run.fold_numbers:
        for part in PARTS:
            patients = run.part(fold, part)
            rows.append((fold, part, len(patients), len(with_event.intersection(patients))))
    return pd.DataFrame(rows, columns=["fold", "part", "patients", "events"])


def follow_up(run: Run) -> dict[str, float]:
    """patients, events, and median_months of follow-up by the reverse Kaplan-Meier method (inf where not reached)."""
    outcome = run.held_out
    reverse = median_survival(kaplan_meier(time=outcome.time, event=~outcome.event)).value
    return {"patients": float(len(outcome)), "events": float(outcome.event.sum()), "median_months": reverse}
