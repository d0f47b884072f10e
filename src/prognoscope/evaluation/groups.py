"""Risk groups: who is at high risk, by the rules of the papers or by a cut learned in training."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.errors import MetricError, nearest
from prognoscope.evaluation.checks import checked_values
from prognoscope.evaluation.fold import Fold, pool


def split_by_risk(risk: Float[np.ndarray, " P"], *, cut: float | None = None) -> Bool[np.ndarray, " P"]:
    """True for high risk: at or above the cut, by default the median of these risks (linear interpolation).

    Raises:
        MetricError: One of the groups is empty, for example because all risks are equal.
    """
    risk = checked_values(risk, len(risk), "risk")
    cut = _median(risk) if cut is None else cut
    return _both(risk >= cut, f"risk, from {_range(risk)}, against the cut {cut:g}")


def split_by_survival_mid(survival: Float[np.ndarray, "P K"], *, cut: float | None = None) -> Bool[np.ndarray, " P"]:
    """True for high risk: survival of the middle bin (the second of four) at or below the cut, by default its median.

    Raises:
        MetricError: One of the groups is empty.
    """
    middle = checked_values(survival_mid(survival), len(survival), "survival of the middle bin")
    cut = _median(middle) if cut is None else cut
    return _both(middle <= cut, f"survival of the middle bin, from {_range(middle)}, against the cut {cut:g}")


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
        cut = _median(checked_values(values, len(values), f"training values of fold {fold.fold}"))
        prediction = fold.prediction
        labels.append(
            prediction.risk.astype(np.float64) >= cut if by_risk else survival_mid(prediction.survival) <= cut
        )
    return _both(np.concatenate(labels), "prediction against the cuts of training")


def _median(values: Float[np.ndarray, " P"]) -> float:
    if not len(values):
        raise MetricError("There are no patients to take a median of.")
    return float(np.percentile(values, 50))


def _range(values: Float[np.ndarray, " P"]) -> str:
    return f"{values.min():g} to {values.max():g}"


def _both(high: Bool[np.ndarray, " P"], by: str) -> Bool[np.ndarray, " P"]:
    if high.all() or not high.any():
        group = "high" if high.all() else "low"
        raise MetricError(f"All {len(high)} patients are at {group} risk by their {by}: there is only one group.")
    return high
