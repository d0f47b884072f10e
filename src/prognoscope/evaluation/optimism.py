"""What choosing the best epoch on the reported patients adds, to a method and to risks that know nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.bootstrap import percentile_interval
from prognoscope.evaluation.checks import checked_outcome

CORRELATION = 0.9  # of the risks of noise from one epoch to the next
REPEATS = 200


@dataclass(frozen=True, slots=True)
class EpochChoice:
    """The C-index of one fold at three choices of the epoch."""

    reported: float
    last: float
    best: float
    best_epoch: int  # from 0; the first of equals

    @property
    def added(self) -> float:
        """What the best epoch has over the reported one."""
        return self.best - self.reported


@dataclass(frozen=True, slots=True)
class NoiseChoice:
    """The C-index of risks that know nothing, mean over folds."""

    last: float  # at the last epoch: about 0.5
    best: float  # at the best epoch of each fold
    low: float  # of the best: 95 % of the repeats lie between
    high: float

    @property
    def added(self) -> float:
        """What selection alone adds."""
        return self.best - self.last


def epoch_choice(c_index: Float[np.ndarray, " E"], reported: int) -> EpochChoice:
    """What the epochs of a fold, by their C-index on held-out patients, say of choosing among them.

    Args:
        reported: The epoch whose number is reported, from 0.

    Raises:
        MetricError: The C-index of the reported epoch is not known.
    """
    if not (0 <= reported < len(c_index) and np.isfinite(c_index[reported])):
        raise MetricError(f"The C-index of epoch {reported} is not known, so nothing can be compared with it.")
    best = int(np.nanargmax(c_index))
    return EpochChoice(float(c_index[reported]), float(c_index[-1]), float(c_index[best]), best)


def noise_c_index(
    outcome: Outcome,
    epochs: int,
    *,
    correlation: float = CORRELATION,
    repeats: int = REPEATS,
    seed: int | Sequence[int] = 0,
) -> Float[np.ndarray, "R E"]:
    """Harrell's C-index of random risks of these patients, at every epoch of every repeat. O(R E P) for each event.

    A patient's risk drifts from epoch to epoch as a stationary Gaussian process of order one.

    Args:
        correlation: Of a patient's risks in consecutive epochs, in [0, 1]; 0 draws them afresh.

    Raises:
        MetricError: No pair of patients is comparable.
    """
    if not 0 <= correlation <= 1:
        raise MetricError(f"A correlation of {correlation} is not between 0 and 1.")
    risk = np.random.default_rng(seed).standard_normal((len(outcome), epochs, repeats), dtype=np.float32)
    for epoch in range(1, epochs):
        risk[:, epoch] = correlation * risk[:, epoch - 1] + np.sqrt(1 - correlation**2) * risk[:, epoch]
    return _c_index_of_many(risk.reshape(len(outcome), -1), outcome).reshape(epochs, repeats).T


def noise_choice(by_fold: Sequence[Float[np.ndarray, "R _"]]) -> NoiseChoice:
    """The best and the last epoch of risks that know nothing, from `noise_c_index` of every fold."""
    best = np.mean([fold.max(axis=1) for fold in by_fold], axis=0)  # (R,)
    last = np.mean([fold[:, -1] for fold in by_fold], axis=0)
    return NoiseChoice(float(last.mean()), float(best.mean()), *percentile_interval(best))


def _c_index_of_many(risk: Float[np.ndarray, "P M"], outcome: Outcome) -> Float[np.ndarray, " M"]:
    """Harrell's C-index of M risks without ties; pairs are comparable as in `concordance`."""
    time, event = checked_outcome(outcome.time, outcome.event)
    order = np.lexsort((~event, time))  # by time; at equal times events come first
    time, event, risk = time[order], event[order], risk[order]
    concordant, comparable = np.zeros(risk.shape[1]), 0
    for row in np.flatnonzero(event):
        outlived = row + int((event[row:] & (time[row:] == time[row])).sum())  # all from here on outlived the event
        concordant += (risk[row] > risk[outlived:]).sum(axis=0)
        comparable += len(time) - outlived
    if not comparable:
        raise MetricError(f"No pair among {len(time)} patients is comparable.")
    return concordant / comparable
