"""Who the patients of a run are: the first table of a paper."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from prognoscope.analysis.clinical_words import groups_of, spoken
from prognoscope.evaluation.curves import kaplan_meier, median_survival
from prognoscope.runs.read import Run

COLUMNS = ["variable", "level", "group", "kind", "value", "low", "high"]
UNKNOWN = "not known"


def characteristics(run: Run) -> pd.DataFrame:
    """The patients whom at least one method was tested on: all, those with an event, with another one, the censored.

    Returns:
        variable, level ("" for a number), group (all, event, other where other events compete, censored), kind and
        value, low, high: of `count` the patients and their share of the group; of `quartiles` the median and the
        quartiles; of `median` a median time by Kaplan-Meier with its 95 % interval, infinite where it is not reached;
        of `total` a sum.
    """
    outcome = run.held_out
    patients = list(outcome.patients)
    groups = {"all": np.ones(len(patients), bool), "event": outcome.event}
    groups |= {} if outcome.competing is None else {"other": outcome.competing}  # they came first
    groups |= {"censored": ~outcome.any_event}
    rows: list[tuple] = []
    for group, members in groups.items():
        rows.append(("patients", "", group, "count", int(members.sum()), members.mean(), np.nan))
    ends = {"follow-up in months": ~outcome.any_event}
    ends |= {} if run.has_competing else {"survival in months": outcome.event}
    for variable, event in ends.items():
        median = median_survival(kaplan_meier(time=outcome.time, event=event))
        rows.append((variable, "", "all", "median", median.value, median.low, median.high))
    about = run.patients.reindex(patients)
    table = run.covariates.reindex(patients).copy()
    for name in ("site", "subtype"):
        if name not in table and about.loc[about[name] != "", name].nunique() > 1:
            table[name] = about[name]
    for name in table:
        rows += _variable(table[name], groups)
    if about["slides"].fillna(0).sum() > 0:
        rows += [
            ("slides", "", g, "total", about["slides"][members].sum(), np.nan, np.nan) for g, members in groups.items()
        ]
        rows += _quartiles("slides a patient", about["slides"], groups)
    if about["patches"].notna().any():
        rows += _quartiles("patches a patient", about["patches"], groups)
    return pd.DataFrame(rows, columns=COLUMNS)


def _variable(column: pd.Series, groups: Mapping[str, np.ndarray]) -> list[tuple]:
    name, group = spoken(str(column.name)), groups_of(column, halves=False)
    unknown = column.isna() | (column == "")
    is_number = pd.api.types.is_numeric_dtype(column) and group.isna().all()
    rows = _quartiles(name, column, groups) if is_number else []
    levels = [] if is_number else list(group.cat.categories)
    for level in [*levels, *([UNKNOWN] if unknown.any() else [])]:
        having = unknown if level == UNKNOWN else group == level
        for of, members in groups.items():
            count = int(having.to_numpy()[members].sum())
            share = count / members.sum() if members.any() else np.nan
            rows.append((name, level, of, "count", count, share, np.nan))
    return rows


def _quartiles(name: str, column: pd.Series, groups: Mapping[str, np.ndarray]) -> list[tuple]:
    rows = []
    for group, members in groups.items():
        known = column[members].dropna().to_numpy(float)
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (np.nan,) * 3
        rows.append((name, "", group, "quartiles", middle, low, high))
    return rows
