"""AUC and Brier score at each time, and the Brier score of whoever knows nothing of a patient."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.analysis.risk_cuts import need_two_states
from prognoscope.core.errors import InputError, MetricError
from prognoscope.evaluation.auc import cumulative_dynamic_auc
from prognoscope.evaluation.bootstrap import draw_counts, percentile_interval
from prognoscope.evaluation.brier import brier_terms, integrate
from prognoscope.evaluation.competing import event_free, event_free_name
from prognoscope.evaluation.fold import Fold
from prognoscope.evaluation.metrics import default_times
from prognoscope.runs.read import Run

NULL, NULL_OF_CAUSES = "Kaplan-Meier", "Aalen-Johansen"  # of the training patients: the same survival for everybody
STEPS = 25


def auc_over_time(run: Run, method: str) -> pd.DataFrame:
    """The AUC of a method's risk, the mean of its folds, at times that all folds share.

    Returns:
        method, optimistic, time, auc.

    Raises:
        InputError: The method's bins or training patients are not known.
        MetricError: The folds share no span of time, or a fold has no events in it.
    """
    need_two_states(run)
    folds = _folds(run, method)
    first = max(float(fold.outcome.time[fold.outcome.event].min(initial=np.inf)) for fold in folds)
    times = _shared(folds, first)
    values = [
        cumulative_dynamic_auc(
            fold.prediction.risk, times, time=fold.outcome.time, event=fold.outcome.event, train=fold.train
        ).auc
        for fold in folds
    ]
    return _told(run, method, times, auc=np.mean(values, axis=0))


def brier_over_time(run: Run, method: str) -> pd.DataFrame:
    """The Brier score of a method's predicted survival, the mean of its folds, at times that all folds share.

    Args:
        method: A method, or `NULL` beside the first one of the run that has folds; see `null_name`.

    Returns:
        method, optimistic, time, brier.

    Raises:
        InputError: The method's bins or training patients are not known.
        MetricError: The folds share no span of time, or the predictions are no survival.
    """
    folds = _folds(run, next(iter(run.methods)) if method == NULL else method)
    times = _shared(folds)
    values = [_terms(fold, times, is_null=method == NULL).mean(axis=0) for fold in folds]
    name = null_name(run) if method == NULL else method
    return _told(run, name, times, brier=np.mean(values, axis=0))


def null_name(run: Run) -> str:
    """Whose curve the null model of a run is."""
    return event_free_name(run.held_out)


@lru_cache(maxsize=1)  # a figure and the card ask for it
def brier_table(run: Run) -> pd.DataFrame:
    """The integrated Brier score of each method beside that of the null model.

    Returns:
        method, brier, null, difference, low, high (paired bootstrap over patients within folds), gained (1 - brier /
        null: the share of the null's error that is gone); methods whose predictions are no survival are left out.
    """
    rows, seed = [], run.provenance.seed or 0
    for name in run.methods:
        try:
            folds = _folds(run, name)
            spans = [default_times(fold) for fold in folds]
            ours, null = (
                [integrate(_terms(f, t, is_null=flag), t) for f, t in zip(folds, spans, strict=True)]
                for flag in (False, True)
            )
        except (InputError, MetricError):  # said where the figure is not
            continue
        drawn = [
            (counts @ (a - b)) / counts.sum(axis=1)
            for fold, a, b in zip(folds, ours, null, strict=True)
            for counts in (draw_counts(fold, run.draws, seed),)
        ]
        brier, nothing = (float(np.mean([each.mean() for each in terms])) for terms in (ours, null))
        low, high = percentile_interval(np.mean(drawn, axis=0))
        rows.append((name, brier, nothing, brier - nothing, low, high, 1 - brier / nothing))
    return pd.DataFrame(rows, columns=["method", "brier", "null", "difference", "low", "high", "gained"])


def _folds(run: Run, method: str) -> list[Fold]:
    return [run.fold(method, number) for number in run.methods[method].tested]


def _shared(folds: Sequence[Fold], first: float = 0.0) -> Float[np.ndarray, " T"]:
    spans = [default_times(fold) for fold in folds]
    low, high = max(first, *(float(span[0]) for span in spans)), min(float(span[-1]) for span in spans)
    if not low < high:
        raise MetricError("The folds share no span of time in which patients of all of them were followed.")
    return np.linspace(low, high, STEPS)


def _terms(fold: Fold, times: Float[np.ndarray, " T"], *, is_null: bool) -> Float[np.ndarray, "P T"]:
    survival = np.tile(event_free(fold.train).at(times), (len(fold), 1)) if is_null else fold.survival_at(times)
    outcome = fold.outcome
    told = {"time": outcome.time, "event": outcome.event, "competing": outcome.competing, "train": fold.train}
    return brier_terms(survival, times, **told)


def _told(run: Run, method: str, times: np.ndarray, **values: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"time": times, **values})
    table.insert(0, "method", method)
    table.insert(1, "optimistic", method in run.optimistic)
    return table
