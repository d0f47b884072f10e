"""Ablations, or sweeps of settings, of finished runs by cohort: the paper's rows and order, each beside its whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prognoscope.analysis.comparison import CELL_COLUMNS, PAIR_COLUMNS, Comparison
from prognoscope.analysis.part_rows import Part, PartRow, is_part, part_rows
from prognoscope.analysis.published import CHOSEN_LIKE_IT, as_cells, check_metric, published_of
from prognoscope.analysis.run_columns import Uses
from prognoscope.analysis.run_comparison import set_side_by_side
from prognoscope.core.errors import InputError
from prognoscope.evaluation.paired import Measured, difference
from prognoscope.runs.card import ModelCard
from prognoscope.runs.read import open_finished

CURES = {
    "ablations": "Give `ablations: all` to a method of the study and run it again, or leave out --ablations.",
    "sweeps": "Give `vary` to a method of the study and run it again, or leave out --sweeps.",
}


def set_parts_side_by_side(
    part: Part,
    runs: Sequence[Path | str],
    uses_of: Callable[[ModelCard], Uses],
    *,
    published: bool = False,
    cohort: str | None = None,
    **how: Any,
) -> Comparison:
    """The rows of the runs' ablation tables, or the points of their sweeps, by cohort, each beside its whole method.

    Pairs are of every row with its whole method. Nothing is marked as best: rows are no rivals.

    Args:
        published: Set below each row what its paper printed.
        cohort: Which cohort the published values are of, where the study's name does not tell.
        how: As for `set_side_by_side`: metric, ddof, draws, mixed.

    Raises:
        MetricError, InputError: As `set_side_by_side`; or no run has such rows.
    """
    if published:
        check_metric(how.get("metric", "c_index"), part)
    runs = [Path(run) for run in runs]
    if not any(is_part(part, run, method) for run in runs for method in open_finished(run).provenance.methods):
        raise InputError(f"None of these runs has {part}. {CURES[part]}")
    found = set_side_by_side(runs, uses_of, wanted=lambda run, method: is_part(part, run, method), **how)
    rows = part_rows(part, found.titles)
    table = _cells(rows, found)
    if published:
        table = _with_published(table, rows, found, part, cohort)
    draw = _ablation_figures if part == "ablations" else _sweep_figures
    return replace(
        found,
        kind=part,
        table=table,
        pairs=_pairs(rows, found),
        figures=draw(rows, found),
        notes=(*found.notes, *((CHOSEN_LIKE_IT,) if published else ())),
    )


def _cells(rows: Sequence[PartRow], found: Comparison) -> pd.DataFrame:
    """The cells of the comparison in the place of each row that they are of, row by row."""
    ours = found.table[found.table["kind"] == "method"]
    parts = [
        ours[ours["row"] == row.title].assign(group=row.group, row=row.key, label=row.label, mark="") for row in rows
    ]
    return pd.concat(parts, ignore_index=True).reindex(columns=CELL_COLUMNS)


def _with_published(
    table: pd.DataFrame, rows: Sequence[PartRow], found: Comparison, part: Part, cohort: str | None
) -> pd.DataFrame:
    cohorts = dict(found.table[["column", "cohort"]].drop_duplicates().to_numpy().tolist())
    columns = list(found.runs["column"].drop_duplicates())
    known = published_of(
        list(dict.fromkeys(cohorts[column] for column in columns)), cohort, table=part, metric=found.metric
    )
    names = dict(found.table[["row", "method"]].drop_duplicates().to_numpy().tolist())
    parts = []
    for row in rows:
        parts.append(table[table["row"] == row.key])
        cells = []
        for column in columns:
            values = known.get(cohorts[column])
            if values is not None:
                values = values[(values["method"] == names[row.whole]) & (values["row"] == row.label)]
                label = "published by " + values["source"]
                own = as_cells(values).assign(group=row.group, row=f"{row.key}, " + label, label=label)
                cells.append(own.assign(column=column, cohort=cohorts[column]))
        if cells:
            of_row = pd.concat(cells).reindex(columns=CELL_COLUMNS)
            means = [name for name in found.columns if name not in columns] if len(of_row) == len(columns) else []
            overall = of_row[:1].assign(mean=of_row["mean"].mean(), sd=np.nan, folds=np.nan)
            parts += [of_row, *(overall.assign(column=name, cohort=name) for name in means)]
    return pd.concat(parts, ignore_index=True)


def _pairs(rows: Sequence[PartRow], found: Comparison) -> pd.DataFrame:
    """Every row minus its whole method."""
    several, wholes = len({row.group for row in rows}) > 1, {row.group: row for row in rows if row.is_whole}
    pairs = []
    for column, measured in found.measured.items():
        for row in rows:
            if not row.is_whole and {row.title, row.whole} <= set(measured):
                one = difference(measured[row.title], measured[row.whole])
                other = wholes[row.group].label if row.group in wholes else row.whole
                name = row.key if several else row.label
                pairs.append((column, name, other, one.difference, one.low, one.high, one.p_bootstrap, one.p_t))
    return pd.DataFrame(pairs, columns=PAIR_COLUMNS)


def _ablation_figures(rows: Sequence[PartRow], found: Comparison) -> dict[str, pd.DataFrame]:
    """A figure a method: its rows beside it, on the mean over cohorts where there is one, else cohort by cohort."""
    overall = [name for name in found.measured if name not in set(found.runs["column"])]
    figures = {}
    for group in dict.fromkeys(row.group for row in rows):
        for column in overall or list(found.measured):
            of_group = [row for row in rows if row.group == group and row.title in found.measured[column]]
            ordered = sorted(of_group, key=lambda row: not row.is_whole)
            if len(ordered) > 1 and ordered[0].is_whole:
                told = [_apart(row, column, found) for row in ordered]
                figures[f"{group}, {column}"] = pd.DataFrame(told).assign(reference="the whole method")
    return figures


def _apart(row: PartRow, column: str, found: Comparison) -> dict[str, Any]:
    own, whole = found.measured[column][row.title], found.measured[column][row.whole]
    one = difference(own, whole)
    told = {"column": f"{row.group}, {column}", "metric": found.metric, "method": row.label}
    told |= {"optimistic": _is_optimistic(row, column, found), "value": own.mean, "difference": one.difference}
    told |= {"low": one.low, "high": one.high}
    return told | {f"part_{i}": value for i, value in enumerate(own.values - whole.values)}


def _sweep_figures(rows: Sequence[PartRow], found: Comparison) -> dict[str, pd.DataFrame]:
    """A figure a sweep: cohorts side by side, then the mean over them."""
    figures = {}
    for group in dict.fromkeys(row.group for row in rows):
        of_group = [row for row in rows if row.group == group]
        points = [
            _point(row, column, found, several=len(found.measured) > 1)
            for column, measured in found.measured.items()
            for row in of_group
            if {row.title, row.whole} <= set(measured)
        ]
        if len(points) > 1:
            figures[group] = pd.DataFrame(points)
    return figures


def _point(row: PartRow, column: str, found: Comparison, *, several: bool) -> dict[str, Any]:
    measured: Mapping[str, Measured] = found.measured[column]
    one = difference(measured[row.title], measured[row.whole])
    told = {"column": column if several else "", "metric": found.metric, "method": row.whole}
    told |= {"optimistic": _is_optimistic(row, column, found), "setting": row.setting, "line": row.line}
    told |= {"value": row.value, "row": row.label, "is_own": row.is_whole, "mean": measured[row.title].mean}
    return told | {"difference": one.difference, "low": one.low, "high": one.high}


def _is_optimistic(row: PartRow, column: str, found: Comparison) -> bool:
    cells = found.table[(found.table["row"] == row.title) & (found.table["column"] == column)]
    return bool((cells["optimistic"] != "").any())
