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


def method_counts(run: Run) -> pd.DataFrame:
    """How many patients each method had, where some lack what it predicts or learns from; else no rows.

    Returns:
        method, trained (in the median fold, validation part included), tested, events (of those tested), without (who
        lack something that it can do without), left_out, lacks (what those two lack).
    """
    rows = []
    for method, each in run.methods.items() if len(run.lacking) else ():
        own = run.lacking[run.lacking["method"] == method]
        trained = [
            len(run.part(fold, "train", method)) + len(run.part(fold, "validation", method)) for fold in each.tested
        ]
        tested = each.predictions.drop_duplicates("patient_id")
        numbers = (float(np.median(trained)), len(tested), int(tested["event"].sum()))
        alone = int((~own["left_out"]).sum())
        rows.append((method, *numbers, alone, len(own) - alone, ", ".join(sorted(set(own["lacks"])))))
    columns = ["method", "trained", "tested", "events", "without", "left_out", "lacks"]
    return pd.DataFrame(rows, columns=columns)


def follow_up(run: Run) -> dict[str, float]:
    """patients, events, competing (those events), and median_months of follow-up.

    The median is by the reverse Kaplan-Meier method, infinite where it is not reached.
    """
    outcome = run.held_out
    reverse = median_survival(kaplan_meier(time=outcome.time, event=~outcome.any_event)).value
    competing = 0.0 if outcome.competing is None else float(outcome.competing.sum())
    events = {"events": float(outcome.event.sum()), "competing": competing}
    return {"patients": float(len(outcome)), **events, "median_months": reverse}
