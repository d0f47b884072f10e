"""What the searches of a run chose, fold by fold."""

from collections.abc import Sequence

import pandas as pd

from prognoscope.runs.read import Run
from prognoscope.runs.tables import SETTINGS, TRIALS


def setting_table(run: Run, methods: Sequence[str]) -> pd.DataFrame:
    """A row for each setting of each fold of each method that was searched.

    Returns:
        Columns of `SETTINGS`: value as text, loss (inner) of the chosen trial, how many trials, how many failed.
    """
    rows = []
    for method in methods:
        for fold, trials in sorted(run.method(method).trials.items()):
            chosen = trials[trials["chosen"]].iloc[0]
            about = {"loss": chosen["loss"], "trials": len(trials), "failed": int((trials["failed"] != "").sum())}
            settings = [str(name) for name in trials if name not in TRIALS.columns]
            at = {"method": method, "fold": fold}
            rows += [{**at, "setting": name, "value": chosen[name], **about} for name in settings]
    return pd.DataFrame(rows, columns=list(SETTINGS.columns))
