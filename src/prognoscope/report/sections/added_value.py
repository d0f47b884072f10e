"""What each method's risk is worth beside the clinical covariates, and in which patients."""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from prognoscope.analysis.added_value import added_value, subgroups
from prognoscope.analysis.standings import MAIN, ranking
from prognoscope.core.errors import InputError, MetricError
from prognoscope.core.words import listed
from prognoscope.report.number_words import DASH, interval, number, optimistic_name, p_cell, p_text
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run

HEADER = (
    *("Method", "Hazard ratio (95 % interval)", "Likelihood ratio", "p", "C-index, clinical alone"),
    *("C-index, with the risk", "Added (95 % interval)", "p, bootstrap"),
)
MEANING = (
    "Cox models of the held-out patients: the risk of each method, in standard deviations of its fold, beside {}. "
    "The likelihood-ratio test asks whether the risk tells anything that these do not. The C-indices are of patients "
    "whom neither Cox model was fitted on: for each fold, both were fitted on the patients of the other folds."
)
ALONE = (
    "Cox models of the held-out patients: the risk of each method, in standard deviations of its fold. The run has no "
    "clinical covariates (cohort.clinical.covariates), so nothing is adjusted for, and what the risk adds is not known."
)
FEW = "There are {} events for {} columns of covariates; with fewer than ten a column such models are unsteady."
EXPLORATORY = (
    "Subgroups of {}, the method with the highest C-index: exploratory. They were not planned, none was chosen by its "
    "result, and neither intervals nor p are corrected for their number; read them for gross disagreement only."
)


def added_content(run: Run) -> dict[str, Any]:
    """Sentences and the table as text; nothing where no method has a finite hazard ratio."""
    table, _ = _added(run)
    if table.empty:
        return {}
    covariates = table["covariates"].iloc[0]
    rows = [
        (
            optimistic_name(row["method"], row["optimistic"]),
            f"{number(row['ratio'], 2)} ({interval(row['low'], row['high'], 2)})",
            number(row["statistic"], 2),
            p_cell(row["p"]),
            *(number(row[key]) for key in ("c_clinical", "c_both")),
            _gain(row),
            p_cell(row["added_p"]),
        )
        for row in table.to_dict("records")
    ]
    shown = [HEADER, *rows] if covariates else [HEADER[:4], *(row[:4] for row in rows)]
    meaning = MEANING.format(covariates) if covariates else ALONE
    return {"meaning": meaning, "rows": shown, "note": _note(table), "exploratory": EXPLORATORY.format(_leader(run))}


def added_plates(run: Run) -> list[Plate | Absence]:
    """The forest of all methods, what they add, and the subgroups of the first."""
    table, absent = _added(run)
    found: list[Plate | Absence] = [Absence(sentence) for sentence in absent]
    if table.empty:
        return found
    told = [f"{row['method']} {number(row['ratio'], 2)}, {p_text(row['p'])}" for row in table.to_dict("records")]
    covariates = table["covariates"].iloc[0]
    caption = f"Hazard ratios of the risk{f', adjusted for {covariates}' if covariates else ''}."
    found.append(Plate("hazard_ratios", "hazard_ratios", table, caption, f"{caption} {'; '.join(told)}."))
    measured = table[np.isfinite(table["added"])]
    if len(measured):
        caption = "What each method's risk adds to the C-index of the clinical covariates."
        told = [f"{row['method']} {_gain(row)}" for row in measured.to_dict("records")]
        found.append(Plate("added_value", "added_value", measured, caption, f"{caption} {'; '.join(told)}."))
    return [*found, *_subgroups(run, _leader(run))]


@lru_cache(maxsize=1)  # a page asks for the table twice
def _added(run: Run) -> tuple[pd.DataFrame, tuple[str, ...]]:
    parts, absent = [], []
    for name in run.methods:
        try:
            parts.append(added_value(run, name))
        except (InputError, MetricError) as cause:
            absent.append(f"{name}: no hazard ratio of its risk. {cause}")
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), tuple(absent)


def _leader(run: Run) -> str:
    return next(iter([*ranking(run, MAIN), *run.methods]))


def _subgroups(run: Run, name: str) -> list[Plate | Absence]:
    try:
        data = subgroups(run, name)
    except (InputError, MetricError) as cause:
        return [Absence(f"{name}: no subgroups. {cause}")]
    if len(data) < 2:
        return [Absence("The run knows neither covariates nor sites of its patients, so there are no subgroups.")]
    told = [f"{row['group']}, {row['level']}: {number(row['ratio'], 2)}" for row in data.to_dict("records")]
    caption = "Exploratory: the hazard ratio of the risk in subgroups; numbers are parted at their median."
    return [
        Plate("subgroups", f"subgroups_{stems_of(run.methods)[name]}", data, caption, f"{name}: {'; '.join(told)}.")
    ]


def _gain(row: dict) -> str:
    spread = interval(row["added_low"], row["added_high"], sign=True)
    return f"{number(row['added'], sign=True)} ({spread})" if spread else DASH


def _note(table: pd.DataFrame) -> str:
    covariates, said = table["covariates"].iloc[0], []
    if covariates:
        tells = table.loc[table["p"] < 0.05, "method"].tolist()
        gains = table.loc[table["added_low"] > 0, "method"].tolist()
        said.append(
            f"By the likelihood-ratio test (p below 0.05), {listed(tells, 30)} {_tell(tells)} something beside "
            f"{covariates}."
            if tells
            else f"No method is shown to tell anything beside {covariates} (likelihood-ratio test, p below 0.05)."
        )
        said.append(
            f"The C-index gains by {listed(gains, 30)}: the interval leaves 0 out."
            if gains
            else "No gain of the C-index is supported: every interval includes 0."
        )
        columns, events = int(table["columns"].max()), int(table["events"].min())
        said += [FEW.format(events, columns)] if events < 10 * columns else []
    said.append("Neither p nor intervals are corrected for the number of methods.")
    return " ".join(said)


def _tell(names: list[str]) -> str:
    return "tells" if len(names) == 1 else "tell"


SECTION = Section("added", "Beside covariates", added_content, added_plates, knows_causes=False)
