"""Made-up patients for the tests of evaluation: any, with ties of every kind, and cohorts whose truth is known."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from prognoscope.core.outcome import Outcome, Prediction, TimeBins
from prognoscope.evaluation.fold import Fold


def outcome(time, event, name="P") -> Outcome:
    time = np.asarray(time, dtype=np.float64)
    return Outcome(tuple(f"{name}{i}" for i in range(len(time))), time, np.asarray(event, dtype=bool))


@dataclass(frozen=True)
class FollowUp:
    """Times and events as a strategy draws them; they become an `Outcome`, whose types are checked, in the test."""

    time: np.ndarray
    event: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    def outcome(self, name="P") -> Outcome:
        return outcome(self.time, self.event, name)


@st.composite
def follow_ups(draw, least=2, most=40) -> FollowUp:
    """Whole or broken months, with ties; at least one event."""
    n = draw(st.integers(least, most))
    # thousandths, because scikit-survival takes times that differ by less than about 1e-8 for equal
    times = st.integers(0, 12).map(float) if draw(st.booleans()) else st.integers(0, 100_000).map(lambda t: t / 1000)
    time = draw(st.lists(times, min_size=n, max_size=n))
    event = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    event[draw(st.integers(0, n - 1))] = True
    return FollowUp(np.array(time, dtype=np.float64), np.array(event))


@st.composite
def risks(draw, n, near_ties=True) -> np.ndarray:
    """Risks with exact ties and, if wished, steps of 0.5e-8, so that some lie on the very edge of a tie."""
    coarse = draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
    scale = draw(st.sampled_from([0.25, 1.0, 0.1]))
    fine = draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n)) if near_ties else [0] * n
    return np.array(coarse) * scale + np.array(fine) * 0.5e-8


def simulated_folds(*, seed: int = 0, noise: float = 1.0, n: int = 150, k: int = 5, truth_seed: int = 0) -> list[Fold]:
    """Exponential times with known log hazard x, predicted as x + noise; the same patients for one `truth_seed`."""
    truth = np.random.default_rng(truth_seed)
    x = truth.normal(size=n)
    died, left = 20 * truth.exponential(np.exp(-x)), truth.exponential(40, size=n)
    everybody = outcome(np.minimum(died, left), died <= left)
    guess = x + noise * np.random.default_rng(seed + 1).normal(size=n)
    folds = []
    for number in range(k):
        held_out = np.arange(number, n, k)
        train = everybody.take(np.setdiff1d(np.arange(n), held_out))
        test = everybody.take(held_out)
        bins = TimeBins.fit(train.time, train.event)
        ends = np.append(bins.edges[1:-1], train.time.max())
        survival = np.exp(-np.outer(np.exp(guess[held_out]), ends / 20))
        prediction = Prediction(test.patients, -survival.sum(axis=1), survival)
        folds.append(Fold(number, prediction, test, train, bins))
    return folds


def without_events(fold: Fold) -> Fold:
    """The same fold, everybody censored."""
    return replace(fold, outcome=replace(fold.outcome, event=np.zeros(len(fold), dtype=bool)))
