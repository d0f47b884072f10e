"""How far apart a method's two risk groups are, of all held-out patients of a run together: a cell of a comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from prognoscope.analysis.figure_data import risk_hazard_ratio
from prognoscope.analysis.risk_cuts import gray_p, log_rank_p
from prognoscope.analysis.run_columns import Column, Entry
from prognoscope.core.errors import MetricError
from prognoscope.core.words import listed
from prognoscope.runs.read import Run

P_VALUES = {"log_rank_p": log_rank_p, "gray_p": gray_p}


def risk_group_values(
    column: Column, trainings: Mapping[str, Sequence[Entry]], metric: str, notes: list[str]
) -> dict[str, dict[str, float]]:
    """Row -> its log-rank p, Gray's, or its hazard ratio with Wald's 95 % interval, cut as the curves of the run are.

    Of several seeds, the one with the middle value, or the lower of two; a mean of p-values would be none. `notes` is
    told of that, and of what is not defined.

    Args:
        metric: "log_rank_p", "gray_p" or "hazard_ratio".
    """
    opened: dict[Path, Run] = {}
    found, seeds = {}, dict[int, list[str]]()
    for title, entries in trainings.items():
        try:
            values = [_value(opened.setdefault(each.run, Run(each.run)), each.method, metric) for each in entries]
        except MetricError as cause:
            notes.append(f"{metric} of {title} in {column.title} is not defined. {cause}")
            continue
        middle = sorted(values)[(len(values) - 1) // 2]
        numbers = dict(zip(("mean", "low", "high"), middle, strict=True))
        found[title] = {**numbers, "sd": np.nan, "folds": len(entries[0].folds)}
        if len(entries) > 1:
            seeds.setdefault(len(entries), []).append(title)
    for number, of in seeds.items():
        notes.append(f"{column.title}: the middle of {number} seeds, which are not combined, for {listed(of, 12)}.")
    return found


def _value(run: Run, method: str, metric: str) -> tuple[float, float, float]:
    if metric in P_VALUES:
        return P_VALUES[metric](run, method), np.nan, np.nan
    ratio = risk_hazard_ratio(run, method)
    return ratio.value, ratio.low, ratio.high
