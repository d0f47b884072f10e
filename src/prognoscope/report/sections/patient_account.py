"""Who the patients are: followed for how long, left out at which step, in which part of which fold."""

from typing import Any

import numpy as np

from prognoscope.analysis.patient_counts import PARTS, fold_table, follow_up, method_counts
from prognoscope.report.number_words import DASH, is_number, number
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

NAMES_SHOWN = 5


def patient_content(run: Run) -> dict[str, Any]:
    """Follow-up as a sentence, warnings of the inputs, the account's rows; rows of methods and of folds as text."""
    folds = _folds(run) if len(run.splits) else []
    warnings = run.provenance.warnings
    told = {"follow_up": _follow_up(run), "warnings": warnings, "account": _account(run), "folds": folds}
    return told | {"methods": _methods(run)}


def _follow_up(run: Run) -> str:
    seen = follow_up(run)
    months = seen["median_months"]
    median = f"{number(months, 1)} months" if np.isfinite(months) else "not reached"
    share = 100 * seen["events"] / seen["patients"]
    other = 100 * seen["competing"] / seen["patients"]
    competing = f" In {seen['competing']:.0f} ({other:.0f} %) another event came first." if seen["competing"] else ""
    return (
        f"{seen['patients']:.0f} patients were predicted, {seen['events']:.0f} of them ({share:.0f} %) with an event."
        f"{competing} "
        f"Median follow-up (reverse Kaplan-Meier): {median}."
    )


def _account(run: Run) -> list[dict[str, Any]]:
    most = run.account["patients"].max() if len(run.account) else 0
    rows = []
    for row in run.account.to_dict("records"):
        names = [name for name in str(row["who"]).split("; ") if name]
        short = "; ".join(names[:NAMES_SHOWN])
        long = len(names) > NAMES_SHOWN
        share = 100 * row["patients"] / most if is_number(row["patients"]) and most else 0
        rows.append(
            {
                "step": row["step"],
                "share": f"{share:.1f}",
                **{key: number(row[key], 0) for key in ("patients", "events", "dropped")},
                "who": f"{short} and {len(names) - NAMES_SHOWN} more" if long else short,
                "more": "; ".join(names) if long else "",
            }
        )
    return rows


def _methods(run: Run) -> list[tuple[str, ...]]:
    """How many patients each method had, where they differ."""
    rows = [
        (
            row["method"],
            *(number(row[name], 0) for name in ("trained", "tested", "events", "without", "left_out")),
            row["lacks"],
        )
        for row in method_counts(run).to_dict("records")
    ]
    header = ("Method", "Trained on", "Tested on", "Events", "Without it", "Left out", "Lacking")
    return [header, *rows] if rows else []


def _folds(run: Run) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("Fold", "Training", "Validation", "Test")]
    for fold, parts in fold_table(run).groupby("fold"):
        sizes = parts.set_index("part")[["patients", "events"]]
        cells = {part: f"{patients} ({events})" if patients else DASH for part, patients, events in sizes.itertuples()}
        rows.append((str(fold), *(cells[part] for part in PARTS)))
    return rows


SECTION = Section("patients", "Patients", patient_content)
