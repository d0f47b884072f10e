"""Discrimination and error at each time, beside who knows nothing of a patient."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from prognoscope.analysis.over_time import NULL, auc_over_time, brier_over_time, brier_table, null_name
from prognoscope.core.errors import InputError, MetricError
from prognoscope.core.words import listed
from prognoscope.report.number_words import interval, number, optimistic_name
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.runs.read import Run

AUC = "how well the risk parts those who had the event by then from those who had not (AUC), and "
NOTE = (
    "At each time, {auc}how far predicted survival is from what happened (Brier score, 0 is perfect). The dashed line "
    "is the {null} curve of the training patients, the same for everybody: whoever is above it predicts worse than "
    "without knowing the patient."
)


def over_time_content(run: Run) -> dict[str, Any]:
    """How to read the figures, and each method beside the null model."""
    table = brier_table(run)
    rows = [
        (
            optimistic_name(row["method"], row["method"] in run.optimistic),
            *(number(row[key]) for key in ("brier", "null")),
            f"{number(row['difference'], sign=True)} ({interval(row['low'], row['high'], sign=True)})",
            f"{number(100 * row['gained'], 0)} %",
        )
        for row in table.to_dict("records")
    ]
    null = null_name(run)
    header = ("Method", "Integrated Brier", null, "Difference (95 % interval)", "Error removed")
    note = NOTE.format(auc="" if run.has_competing else AUC, null=null)
    return {"note": note, "null": null, "rows": [header, *rows] if rows else [], "said": said_of_null(table, null)}


def said_of_null(table: pd.DataFrame, null: str = NULL) -> str:
    """Which methods predict survival worse than a curve that knows nothing, and which better; "" without methods."""
    worse = table.loc[table["low"] > 0, "method"].tolist()
    above = table.loc[(table["difference"] > 0) & ~(table["low"] > 0), "method"].tolist()
    better = table.loc[table["high"] < 0, "method"].tolist()
    said = []
    if worse:
        said.append(
            f"The Brier score of {listed(worse, 30)} is above that of {null} and its interval leaves 0 out: such "
            "predicted survival is worse than none, though its order may still be right."
        )
    if above:
        said.append(f"The Brier score of {listed(above, 30)} is above that of {null}, within the interval.")
    if better:
        said.append(f"Better than {null}, the interval leaving 0 out: {listed(better, 30)}.")
    elif len(table):
        said.append(f"No method is shown to predict survival better than {null} does.")
    return " ".join(said)


def over_time_plates(run: Run) -> list[Plate | Absence]:
    """One figure of each measure."""
    auc, without = _together(run, auc_over_time, [] if run.has_competing else list(run.methods))
    found: list[Plate | Absence] = []
    if len(auc):
        alt = f"Time-dependent AUC: {_ends(auc, 'auc')}."
        found.append(Plate("auc_over_time", "auc_over_time", auc, "Mean of the folds; their patients held out.", alt))
    brier, more = _together(run, brier_over_time, [*run.methods, NULL])
    if len(brier):
        alt = f"Brier score: {_ends(brier, 'brier')}."
        caption = "Mean of the folds, weighted for censoring by the training patients."
        found.append(Plate("brier_over_time", "brier_over_time", brier, caption, alt))
    return [*found, *(Absence(sentence) for sentence in dict.fromkeys([*without, *more]))]


def _together(
    run: Run, data_of: Callable[[Run, str], pd.DataFrame], names: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    parts, absent = [], []
    for name in names:
        try:
            parts.append(data_of(run, name))
        except (InputError, MetricError) as cause:
            absent.append(f"{name}: no curve over time. {cause}")
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), absent


def _ends(data: pd.DataFrame, column: str) -> str:
    told = [
        f"{name} from {number(rows[column].iloc[0])} at {rows['time'].iloc[0]:.3g} months to "
        f"{number(rows[column].iloc[-1])} at {rows['time'].iloc[-1]:.3g}"
        for name, rows in data.groupby("method", sort=False)
    ]
    return "; ".join(told)


SECTION = Section("overtime", "Over time", over_time_content, over_time_plates)
