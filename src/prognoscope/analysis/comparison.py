"""The comparison of methods over cohorts, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from prognoscope.evaluation.paired import Measured

RISK_GROUP_METRICS = {"log_rank_p": False, "gray_p": False, "hazard_ratio": True}  # of two groups; is higher better
Kind = Literal["methods", "ablations", "sweeps"]
OVERALL = "Mean"  # the column of the mean over cohorts
CELL_COLUMNS = (
    *("group", "row", "kind", "method", "column", "cohort", "protocol", "optimistic", "metric"),
    *("mean", "sd", "sd_seeds", "ddof", "low", "high", "folds", "seeds", "mark", "source", "label"),
)
PAIR_COLUMNS = ["column", "method_a", "method_b", "difference", "low", "high", "p_bootstrap", "p_t"]
RUN_COLUMNS = ["run", "column", "endpoint", "protocol", "seed", "folds", "patients", "events"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of methods on the same patients, cohort by cohort."""

    metric: str
    ddof: int  # of the standard deviation over folds
    table: (
        pd.DataFrame
    )  # CELL_COLUMNS: a row a cell; rows and columns in the order of their first cells; label: if not row
    pairs: pd.DataFrame  # PAIR_COLUMNS
    figures: dict[str, pd.DataFrame]  # column -> the data of the figure "comparison"
    notes: tuple[str, ...]
    runs: pd.DataFrame  # RUN_COLUMNS
    at: str = ""  # the choice of the epoch, where it is not each run's own
    kind: Kind = "methods"  # what the rows are
    titles: Mapping[tuple[Path, str], str] = field(default_factory=dict)  # run, method in it -> row
    measured: Mapping[str, Mapping[str, Measured]] = field(default_factory=dict, repr=False)  # column -> row

    @property
    def is_over_folds(self) -> bool:
        """Whether its numbers are means over folds; else each is of the held-out patients of all folds together."""
        return self.metric not in RISK_GROUP_METRICS

    @property
    def is_by_endpoint(self) -> bool:
        """Whether its columns are endpoints of one cohort."""
        runs = self.runs.drop_duplicates("column")
        cohorts = self.table.loc[self.table["column"].isin(runs["column"]), "cohort"]
        return runs["endpoint"].nunique() > 1 and cohorts.nunique() == 1

    @property
    def columns(self) -> list[str]:
        """The cohorts, then the means over them."""
        found = list(dict.fromkeys([*self.runs["column"], *self.table["column"]]))
        means = [name for name in found if name not in set(self.runs["column"])]
        return [name for name in found if name not in means] + means

    @property
    def optimistic(self) -> frozenset[str]:
        """Columns in which every number of ours flatters."""
        ours = self.table[self.table["kind"] == "method"]
        return frozenset(str(name) for name, each in ours.groupby("column")["optimistic"] if (each != "").all())
