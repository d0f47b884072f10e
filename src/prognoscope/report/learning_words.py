"""What is said of trainings that did not learn."""

import pandas as pd

from prognoscope.analysis.learning import LEAST_FALL, learning_table
from prognoscope.core.words import listed
from prognoscope.runs.read import Run


def learning_sentences(run: Run) -> list[str]:
    """A sentence on methods whose training loss did not fall, and one on those whose first epoch was their best."""
    table, said = learning_table(run), []
    if table.empty:
        return []
    if stuck := _told(table, ~table["learned"]):
        said.append(
            f"Training that did not learn: {stuck}. Its loss never fell by {100 * LEAST_FALL:.0f} % below that of the "
            "first epoch, so these numbers say nothing of the method; try another learning rate, or more epochs."
        )
    if spoilt := _told(table, table["best_is_first"]):
        said.append(
            f"The validation loss was lowest at the first epoch: {spoilt}. What came after was learned by heart, or "
            "with steps too large."
        )
    return said


def _told(table: pd.DataFrame, having: pd.Series) -> str:
    counts = table.assign(having=having).groupby("method", sort=False)["having"].agg(["sum", "count"])
    rows = counts[counts["sum"] * 2 > counts["count"]]  # one odd fold is no news
    return listed([f"{name} in {n} of {folds} folds" for name, n, folds in rows.itertuples()], 30)
