"""The comparison of methods over cohorts, as one value."""

from dataclasses import dataclass

import pandas as pd

OVERALL = "Mean"  # the column of the mean over cohorts
CELL_COLUMNS = (
    *("group", "row", "kind", "method", "column", "cohort", "protocol", "optimistic", "metric"),
    *("mean", "sd", "ddof", "low", "high", "folds", "seeds", "mark", "source"),
)
PAIR_COLUMNS = ["column", "method_a", "method_b", "difference", "low", "high", "p_bootstrap", "p_t"]
RUN_COLUMNS = ["run", "column", "protocol", "seed", "folds", "patients", "events"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of methods on the same patients, cohort by cohort."""

    metric: str
    ddof: int  # of the standard deviation over folds
    table: pd.DataFrame  # CELL_COLUMNS: a row a cell; rows and columns in the order of their first cells
    pairs: pd.DataFrame  # PAIR_COLUMNS
    figures: dict[str, pd.DataFrame]  # column -> the data of the figure "comparison"
    notes: tuple[str, ...]
    runs: pd.DataFrame  # RUN_COLUMNS
    at: str = ""  # the choice of the epoch, where it is not each run's own

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
