"""Whether trainings learned anything, by their own loss."""

import numpy as np
import pandas as pd

from prognoscope.runs.read import Run

LEAST_FALL = 0.01  # of the first epoch's loss; less is no learning


def learning_table(run: Run) -> pd.DataFrame:
    """A row for each method and fold that kept the losses of two epochs or more.

    Returns:
        method, fold, epochs, fell (by which share of its first value the training loss fell, at its lowest), learned,
        best_is_first (whether the validation loss is lowest at the first epoch; False where there is none).
    """
    rows = []
    for name, method in run.methods.items():
        for fold, history in method.history.groupby("fold", sort=True):
            loss = history["train_loss"].to_numpy(float)
            if len(loss) < 2 or not np.isfinite(loss[0]) or not np.isfinite(loss[1:]).any():
                continue
            fell = float(loss[0] - np.nanmin(loss[1:])) / max(abs(float(loss[0])), 1e-12)
            validation = history["validation_loss"].to_numpy(float)
            is_first = bool(np.isfinite(validation).all() and validation.argmin() == 0)
            rows.append((name, int(str(fold)), len(loss), fell, fell >= LEAST_FALL, is_first))
    return pd.DataFrame(rows, columns=["method", "fold", "epochs", "fell", "learned", "best_is_first"])
