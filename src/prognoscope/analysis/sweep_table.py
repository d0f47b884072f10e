"""Sweeps in a run's numbers: a method at several values of its settings."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from prognoscope.analysis.ablation_table import beside_the_whole
from prognoscope.runs.tables import SWEEPS


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One point of a sweep, and which method of the run it is."""

    sweep_of: str  # the title of the method itself
    sweep: str  # its label
    setting: str
    line: str  # the values of all other settings of a grid
    value: str
    row: str  # what the paper calls it, or all its values
    method: str


def sweep_table(rows: Sequence[SweepRow], metrics: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The points with their numbers, in the order given.

    Args:
        metrics, pairs: The tables of metrics and of paired differences of the run.

    Returns:
        Columns of `SWEEPS`, as those of `ABLATIONS`: each point's difference is to the method's own values.
    """
    told = [(e.sweep_of, e.sweep, e.setting, e.line, e.value, e.row, e.method) for e in rows]
    numbers = beside_the_whole([(each.method, each.sweep_of) for each in rows], metrics, pairs)
    return pd.DataFrame([(*a, *b) for a, b in zip(told, numbers, strict=True)], columns=list(SWEEPS.columns))
