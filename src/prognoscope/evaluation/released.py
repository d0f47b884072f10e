"""Evaluation as some released codes do it, to mirror their published numbers and for nothing else.

Each differs from the clean form in ways that its docstring names. Where a metric is not defined, the SurvPath code
returns 0 without a word; here it is a `MetricError`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.auc import cumulative_dynamic_auc
from prognoscope.evaluation.brier import brier_score, integrate
from prognoscope.evaluation.concordance import concordance_ipcw
from prognoscope.evaluation.fold import Fold


@dataclass(frozen=True, slots=True)
class SurvPathMetrics:
    """What SurvPath's evaluation reports beside the C-index."""

    times: Float[np.ndarray, " K"]  # where its four survival values are taken to lie
    brier: Float[np.ndarray, " K"]
    integrated_brier: float
    auc: float
    c_index_ipcw: float


def survpath_metrics(fold: Fold) -> SurvPathMetrics:
    """Brier scores, mean AUC and Uno's C-index as SurvPath's released code computes them.

    Oddities: censoring weights from training and test patients together; the survival of bin b is taken to be that
    at the bin's start (first test time + 1e-4, inner edges but the last, last test time - 1e-4), one bin early.

    Raises:
        MetricError: The times do not ascend within the test times, or weights are not defined.
    """
    outcome, prediction = fold.outcome, fold.prediction
    both = Outcome(
        (*fold.train.patients, *outcome.patients),
        np.concatenate([fold.train.time, outcome.time]).astype(np.float64),
        np.concatenate([fold.train.event, outcome.event]),
    )
    known = {"time": outcome.time, "event": outcome.event, "train": both}
    times = np.concatenate([[outcome.time.min() + 1e-4], fold.bins.edges[1:-2], [outcome.time.max() - 1e-4]])
    survival = prediction.survival.astype(np.float64)
    brier = brier_score(survival, times, **known)
    auc = cumulative_dynamic_auc(1 - survival[:, 1:], times[1:], **known).mean
    return SurvPathMetrics(
        times, brier, float(integrate(brier, times)), auc, concordance_ipcw(prediction.risk, **known)
    )


def mcat_notebook_auc(
    risk: Float[np.ndarray, " P"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    train: Outcome,
    train_rows: Int[np.ndarray, " Q"],
) -> float:
    """The "I-AUC" of MCAT's evaluation notebook: mean AUC of the risk at 15 percentiles, 20 to 81, of test times.

    Oddities: months are cut to integers, but the percentiles are of uncut months; a training patient counts once for
    each row (slide) of the clinical table.

    Args:
        train_rows: Rows of each training patient.

    Raises:
        MetricError: The percentiles lie outside the cut test times, or weights are not defined.
    """
    if len(train_rows) != len(train):
        raise MetricError(f"There are row counts of {len(train_rows)} patients for {len(train)} training patients.")
    times = np.percentile(time, np.linspace(20, 81, 15))
    rows = train.take(np.repeat(np.arange(len(train)), train_rows))
    rows = Outcome(rows.patients, np.trunc(rows.time), rows.event)
    return cumulative_dynamic_auc(risk, times, time=np.trunc(time), event=event, train=rows).mean
