"""What a metric sees of one fold of a cross-validation, and a model's survival between the edges of its bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from prognoscope.core.errors import MetricError, some
from prognoscope.core.outcome import Outcome, Prediction, TimeBins


@dataclass(frozen=True, slots=True)
class Fold:
    """The held-out patients of one fold, what a model says of them, and whom it was trained on."""

    fold: int
    prediction: Prediction
    outcome: Outcome  # of the test patients, in the order of the prediction
    train: Outcome  # of the training patients: censoring weights and time limits come from here alone
    bins: TimeBins

    def __post_init__(self):
        predicted, observed = self.prediction.patients, self.outcome.patients
        if predicted != observed:
            odd = sorted(set(predicted) ^ set(observed)) or [
                p for p, o in zip(predicted, observed, strict=True) if p != o
            ]
            raise MetricError(
                f"Fold {self.fold}: predictions and outcomes are not of the same patients in the same order: "
                f"{some(odd)}."
            )
        if self.prediction.survival.shape != (len(observed), len(self.bins)):
            raise MetricError(
                f"Fold {self.fold}: survival of shape {self.prediction.survival.shape} does not fit "
                f"{len(observed)} patients and {len(self.bins)} time bins."
            )

    def __len__(self) -> int:
        return len(self.outcome)

    def take(self, index: np.ndarray) -> "Fold":
        """The same fold with the test patients at these positions; a position may be drawn again."""
        old = self.prediction
        prediction = Prediction(tuple(old.patients[i] for i in index), old.risk[index], old.survival[index])
        return Fold(self.fold, prediction, self.outcome.take(index), self.train, self.bins)

    def survival_at(
        self, times: Float[np.ndarray, " T"], kind: Literal["linear", "step"] = "linear"
    ) -> Float[np.ndarray, "P T"]:
        """The predicted chance of outliving each time. Infinite outer edges become 0 and the last training time.

        Raises:
            MetricError: The predicted survival is not a falling curve within 0 and 1.
        """
        edges = finite_edges(self.bins, self.train)
        return survival_at(self.prediction.survival, edges, times, kind)

    def own_survival(self) -> Float[np.ndarray, " P"]:
        """Each patient's predicted chance of outliving their own time.

        Raises:
            MetricError: The predicted survival is not a falling curve within 0 and 1.
        """
        times, place = np.unique(self.outcome.time.astype(np.float64), return_inverse=True)
        return self.survival_at(times)[np.arange(len(self)), place]


def finite_edges(bins: TimeBins, train: Outcome) -> Float[np.ndarray, " K_plus_1"]:
    """The edges with infinite outer ones replaced: by 0, where everybody lives, and by the last training time."""
    edges = bins.edges.astype(np.float64)
    if edges[0] == -np.inf:
        edges[0] = min(0.0, edges[1] - 1e-6)
    if edges[-1] == np.inf:
        edges[-1] = max(train.time.max(), edges[-2]) + 1e-6
    return edges


def survival_at(
    survival: Float[np.ndarray, "P K"],
    edges: Float[np.ndarray, " K_plus_1"],
    times: Float[np.ndarray, " T"],
    kind: Literal["linear", "step"] = "linear",
) -> Float[np.ndarray, "P T"]:
    """A curve through S = 1 at the first edge and S_b at the end of bin b: straight between, or stepping at edges.

    Before the first edge it is 1, after the last one its last value.

    Raises:
        MetricError: The survival is not a falling curve within 0 and 1.
    """
    curve = np.column_stack([np.ones(len(survival)), survival.astype(np.float64)])  # (P, K + 1), at the edges
    if not (np.all(np.diff(curve, axis=1) <= 1e-6) and np.all(curve >= 0)):  # false for NaN too
        bad = np.flatnonzero(~((np.diff(curve, axis=1) <= 1e-6).all(axis=1) & (curve >= 0).all(axis=1)))
        raise MetricError(
            f"The predicted survival of {len(bad)} patients is missing or does not fall from 1 towards 0 "
            f"(positions {some(bad)}). Only methods that predict survival can be measured here."
        )
    times = np.asarray(times, dtype=np.float64)
    bin_ = np.clip(np.searchsorted(edges, times, "right") - 1, 0, len(edges) - 1)
    if kind == "step":
        return curve[:, bin_]
    start = np.minimum(bin_, len(edges) - 2)
    share = np.clip((times - edges[start]) / (edges[start + 1] - edges[start]), 0, 1)
    return curve[:, start] + share * (curve[:, start + 1] - curve[:, start])


def pool(folds: Sequence[Fold]) -> tuple[Prediction, Outcome]:
    """The held-out patients of all folds together, in the order of the folds.

    Raises:
        MetricError: A patient is held out twice, or folds differ in their number of time bins.
    """
    patients = tuple(patient for fold in folds for patient in fold.outcome.patients)
    if len(set(patients)) < len(patients):
        twice = sorted({p for p in patients if patients.count(p) > 1})
        raise MetricError(f"{len(twice)} patients are held out more than once: {some(twice)}. Pool one round of folds.")
    if len({len(fold.bins) for fold in folds}) != 1:
        raise MetricError(
            f"Folds have {some(len(fold.bins) for fold in folds)} time bins; only equal numbers can be pooled."
        )
    risk = np.concatenate([fold.prediction.risk for fold in folds])
    survival = np.concatenate([fold.prediction.survival for fold in folds])
    return Prediction(patients, risk, survival), Outcome.joined([fold.outcome for fold in folds])
