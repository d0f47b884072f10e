"""What the methods of a run cost."""

from collections.abc import Sequence

import pandas as pd

from prognoscope.runs.read import Run
from prognoscope.runs.tables import COSTS

FIXED = ("parameters", "teacher_parameters", "patches", "gflop_training", "gflop_inference", "tflop_training_total")


def cost_table(run: Run, methods: Sequence[str]) -> pd.DataFrame:
    """A row for each method and fold whose cost was kept; columns of `COSTS`."""
    files = [fold.cost for method in methods for fold in run.method(method).files]
    rows = [COSTS.read(path, is_sealed=False) for path in files if path.is_file()]
    return pd.concat(rows, ignore_index=True) if rows else COSTS.empty()


def computed(run: Run) -> pd.DataFrame:
    """Method -> what is learned and computed, mean of its folds: the columns FIXED, which equal runs have in common."""
    return run.costs.groupby("method", sort=False)[list(FIXED)].mean()
