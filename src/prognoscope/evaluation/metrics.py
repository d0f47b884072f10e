"""Every metric of the table as a function of a fold, and of all its bootstrap draws at once.

Censoring weights and tau come from the fold's training patients; times to evaluate at are 20 between the 10th and the
80th percentile of its test times, never beyond what training patients were followed for.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.auc import AUCParts, cumulative_dynamic_auc
from prognoscope.evaluation.brier import brier_terms, integrate
from prognoscope.evaluation.calibration import d_calibration
from prognoscope.evaluation.concordance import TIED_TOL, concordance, concordance_ipcw, pairs_of_events, uno_weights
from prognoscope.evaluation.curves import censoring_curve
from prognoscope.evaluation.fold import Fold

BLOCK = 256  # events whose pairs are held in memory together
MOST_PAIRED = 4096  # patients up to which draws share one table of pairs; beyond, each draw is counted by itself


def c_index(fold: Fold) -> float:
    """Harrell's C-index; where other events compete, Wolbers' one, in which those with such an event outlive all."""
    outcome = fold.outcome
    return concordance(fold.prediction.risk, time=outcome.time_free, event=outcome.event).value


def c_index_of_draws(fold: Fold, counts: Int[np.ndarray, "R P"]) -> Float[np.ndarray, " R"]:
    """Harrell's C-index of every draw."""
    return _concordance_of_draws(fold, counts, fold.outcome.event.astype(np.float64))


def c_index_ipcw(fold: Fold) -> float:
    """Uno's C-index up to `default_tau`."""
    outcome = fold.outcome
    tau = default_tau(fold.train)
    return concordance_ipcw(fold.prediction.risk, time=outcome.time, event=outcome.event, train=fold.train, tau=tau)


def c_index_ipcw_of_draws(fold: Fold, counts: Int[np.ndarray, "R P"]) -> Float[np.ndarray, " R"]:
    """Uno's C-index of every draw."""
    outcome = fold.outcome
    return _concordance_of_draws(
        fold, counts, uno_weights(outcome.time, outcome.event, fold.train, default_tau(fold.train))
    )


def integrated_brier(fold: Fold) -> float:
    """The integrated Brier score over `default_times`, survival being straight between the edges of bins."""
    return float(_integrated_terms(fold).mean())


def integrated_brier_of_draws(fold: Fold, counts: Int[np.ndarray, "R P"]) -> Float[np.ndarray, " R"]:
    """The integrated Brier score of every draw."""
    return counts @ _integrated_terms(fold) / counts.sum(axis=1)


def auc(fold: Fold) -> float:
    """The mean cumulative/dynamic AUC of the risk over `default_times` from the first event on."""
    outcome = fold.outcome
    return cumulative_dynamic_auc(
        fold.prediction.risk, _times_of_auc(fold), time=outcome.time, event=outcome.event, train=fold.train
    ).mean


def auc_of_draws(fold: Fold, counts: Int[np.ndarray, "R P"]) -> Float[np.ndarray, " R"]:
    """The mean AUC of every draw, its weights being the fall of the Kaplan-Meier curve of that draw."""
    outcome, times = fold.outcome, _times_of_auc(fold)
    parts = AUCParts.of(fold.prediction.risk, times, time=outcome.time, event=outcome.event, train=fold.train)
    auc = parts.auc(counts.astype(np.float64))
    fall = -np.diff(_survival_of_draws(outcome, times, counts), prepend=1.0, axis=1)
    # an AUC without any event until its time has no weight; one without anybody left leaves the draw undefined
    total = np.where(fall > 0, auc * np.where(fall > 0, fall, 1), 0).sum(axis=1)
    return _divided(total, fall.sum(axis=1))


def d_calibration_p(fold: Fold) -> float:
    """The p-value of D-calibration, ten intervals."""
    return d_calibration_p_of_folds([fold])


def d_calibration_p_of_folds(folds: Sequence[Fold]) -> float:
    """The p-value of D-calibration of all folds, each patient under the model that did not see them."""
    survival = np.concatenate([fold.own_survival() for fold in folds])
    event = np.concatenate([fold.outcome.event for fold in folds])
    return d_calibration(survival, event=event).p


def default_tau(train: Outcome) -> float:
    """The 80th percentile of training times, in months."""
    return min(float(np.percentile(train.time, 80)), _last_weighted(train))


def default_times(fold: Fold, n: int = 20) -> Float[np.ndarray, " T"]:
    """Equally spaced times from the 10th to the 80th percentile of test times, in months.

    Raises:
        MetricError: The two percentiles are not apart.
    """
    first, last = np.percentile(fold.outcome.time, [10, 80]).astype(np.float64)
    last = min(last, _last_weighted(fold.train))
    if not first < last:
        raise MetricError(
            f"The test times leave no span to integrate over: from the 10th percentile, {first:g} months, to the 80th "
            f"or the end of training follow-up, {last:g} months."
        )
    return np.linspace(first, last, n)


def _last_weighted(train: Outcome) -> float:
    curve = censoring_curve(train)
    return float(curve.time[-1] if curve.probability[-1] > 0 else np.nextafter(curve.time[-1], -np.inf))


def _times_of_auc(fold: Fold) -> Float[np.ndarray, " T"]:
    if not fold.outcome.event.any():
        raise MetricError(f"None of the {len(fold)} patients had an event, so there is no AUC.")
    times = default_times(fold)
    times = times[times >= fold.outcome.time[fold.outcome.event].min()]
    if not len(times):
        raise MetricError("The first event lies after the 80th percentile of test times, so there is no AUC.")
    return times


def _integrated_terms(fold: Fold) -> Float[np.ndarray, " P"]:
    outcome, times = fold.outcome, default_times(fold)
    survival = fold.survival_at(times)
    how = {"time": outcome.time, "event": outcome.event, "train": fold.train, "competing": outcome.competing}
    return integrate(brier_terms(survival, times, **how), times)


def _concordance_of_draws(
    fold: Fold, counts: Int[np.ndarray, "R P"], weight: Float[np.ndarray, " P"]
) -> Float[np.ndarray, " R"]:
    """A C-index of every draw; `weight` is that of pairs by the patient with the event. A quadratic form in counts."""
    time, event = fold.outcome.time_free.astype(np.float64), fold.outcome.event
    risk = fold.prediction.risk.astype(np.float64)
    if len(fold) > MOST_PAIRED:
        return _concordance_one_by_one(risk, time, event, weight, counts)
    drawn = counts.astype(np.float64)
    agreed, comparable = np.zeros(len(counts)), np.zeros(len(counts))
    rows = np.flatnonzero(event & (weight > 0))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        later = (time[block, None] < time) | ((time[block, None] == time) & ~event)
        ahead = risk[block, None] - risk
        score = np.where(np.abs(ahead) <= TIED_TOL, 0.5, ahead > 0) * later  # (E, P)
        weighted = drawn[:, block] * weight[block]
        agreed += (weighted * (drawn @ score.T)).sum(axis=1)
        comparable += (weighted * (drawn @ later.T.astype(np.float64))).sum(axis=1)
    return _divided(agreed, comparable)


def _concordance_one_by_one(
    risk: Float[np.ndarray, " P"],
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    weight: Float[np.ndarray, " P"],
    counts: Int[np.ndarray, "R P"],
) -> Float[np.ndarray, " R"]:
    values = np.full(len(counts), np.nan)
    for i, count in enumerate(counts):
        drawn = np.repeat(np.arange(len(time)), count)
        try:
            pairs = pairs_of_events(risk[drawn], time=time[drawn], event=event[drawn])
        except MetricError:  # no pair in this draw: NaN, as promised
            continue
        each = weight[drawn][pairs.patient]
        if total := (each * pairs.comparable).sum():
            values[i] = (each * (pairs.concordant + 0.5 * pairs.tied_risk)).sum() / total
    return values


def _survival_of_draws(
    outcome: Outcome, times: Float[np.ndarray, " T"], counts: Int[np.ndarray, "R P"]
) -> Float[np.ndarray, "R T"]:
    """Kaplan-Meier survival at `times` of every draw."""
    at, place = np.unique(outcome.time, return_inverse=True)
    total = np.zeros((len(counts), len(at)))
    events = np.zeros_like(total)
    for time_index in range(len(at)):
        here = place == time_index
        total[:, time_index] = counts[:, here].sum(axis=1)
        events[:, time_index] = counts[:, here & outcome.event].sum(axis=1)
    at_risk = np.cumsum(total[:, ::-1], axis=1)[:, ::-1]
    survival = np.cumprod(1 - events / np.maximum(at_risk, 1), axis=1)
    survival = np.concatenate([np.ones((len(counts), 1)), survival], axis=1)
    return survival[:, np.searchsorted(at, times, "right")]


def _divided(numerator: Float[np.ndarray, " R"], denominator: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)
