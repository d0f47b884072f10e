"""Evaluation as papers and released codes do it, to mirror their numbers in tests and for nothing else.

Each differs from the clean form in ways that its docstring names. Where a metric is not defined, the SurvPath code
returns 0 without a word; here it is a `MetricError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.errors import MetricError, nearest
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.auc import cumulative_dynamic_auc
from prognoscope.evaluation.brier import brier_terms, integrate
from prognoscope.evaluation.concordance import concordance_ipcw
from prognoscope.evaluation.fold import Fold, pool
from prognoscope.evaluation.risk_groups import split_by_risk


def brier_score(survival, times, *, time, event, train: Outcome) -> Float[np.ndarray, " T"]:
    """The Brier score at each time."""
    return brier_terms(survival, times, time=time, event=event, train=train).mean(axis=0)


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


def split_by_survival_mid(survival: Float[np.ndarray, "P K"], *, cut: float | None = None) -> Bool[np.ndarray, " P"]:
    """True for high risk: survival of the middle bin (the second of four) at or below the cut, by default its median.

    Raises:
        MetricError: One of the groups is empty.
    """
    middle = survival_mid(survival)
    return split_by_risk(-middle, cut=None if cut is None else -cut)


def survival_mid(survival: Float[np.ndarray, "P K"]) -> Float[np.ndarray, " P"]:
    """The survival of the middle bin, the second of four."""
    return survival[:, (survival.shape[1] - 1) // 2].astype(np.float64)


def risk_groups(
    folds: Sequence[Fold],
    *,
    split: Literal["median_risk", "median_survival_mid"] = "median_risk",
    cut_from: Literal["test", "train"] = "test",
    train: Mapping[int, Float[np.ndarray, " Q"]] | None = None,
) -> Bool[np.ndarray, " P"]:
    """True for high risk, of the held-out patients of all folds in the order that `pool` gives them.

    Args:
        split: By the risk (CMTA, MCTI, MCAT), or by the predicted survival of the middle bin (G-HANet).
        cut_from: "test" cuts all held-out predictions at their common median, as the papers do; "train" cuts each
            fold's at the median of its training patients, which is not optimistic and needs no common scale.
        train: For "train", by fold, each training patient's risk, or survival of the middle bin.

    Raises:
        MetricError: A group is empty, a fold has no training values, or an option is unknown.
    """
    if split not in ("median_risk", "median_survival_mid"):
        raise MetricError(f"There is no rule {split!r}; {nearest(split, ['median_risk', 'median_survival_mid'])}")
    by_risk = split == "median_risk"
    if cut_from == "test":
        prediction, _ = pool(folds)
        return split_by_risk(prediction.risk) if by_risk else split_by_survival_mid(prediction.survival)
    if cut_from != "train":
        raise MetricError(f"A cut is taken from 'test' or 'train', not from {cut_from!r}.")
    labels = []
    for fold in folds:
        if train is None or fold.fold not in train:
            raise MetricError(f"Fold {fold.fold} has no predictions of its training patients to take a cut from.")
        values = np.asarray(train[fold.fold])
        cut = float(np.percentile(values, 50))
        prediction = fold.prediction
        labels.append(
            prediction.risk.astype(np.float64) >= cut if by_risk else survival_mid(prediction.survival) <= cut
        )
    return np.concatenate(labels)
