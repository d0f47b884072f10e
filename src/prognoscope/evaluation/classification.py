"""How well probabilities of classes fit known labels: what multi-task methods say of the subtype."""

import numpy as np
from jaxtyping import Float, Int

from prognoscope.core.distributions import ranks_of
from prognoscope.core.errors import MetricError


def accuracy(probability: Float[np.ndarray, "P C"], *, label: Int[np.ndarray, " P"]) -> float:
    """The share of patients whose likeliest class is theirs. Patients with label -1 are passed over.

    Raises:
        MetricError: No label is known.
    """
    known = label >= 0
    if not known.any():
        raise MetricError("No subtype is known, so accuracy is not defined.")
    return float((probability[known].argmax(axis=1) == label[known]).mean())


def auroc(probability: Float[np.ndarray, "P C"], *, label: Int[np.ndarray, " P"]) -> float:
    """The area under the ROC curve: each class against the rest, averaged over the classes that are there; ties half.

    Raises:
        MetricError: Fewer than two classes are present.
    """
    known = label >= 0
    probability, label = probability[known], label[known]
    present = np.unique(label)
    if len(present) < 2:
        raise MetricError(f"An AUROC needs patients of two classes; there are {len(present)}.")
    areas = []
    for c in present:
        is_c = label == c
        ranks = ranks_of(probability[:, c])
        n, rest = is_c.sum(), (~is_c).sum()
        areas.append((ranks[is_c].sum() - n * (n + 1) / 2) / (n * rest))
    return float(np.mean(areas))


def accuracy_of_draws(
    probability: Float[np.ndarray, "P C"], counts: Int[np.ndarray, "R P"], *, label: Int[np.ndarray, " P"]
) -> Float[np.ndarray, " R"]:
    """The accuracy of bootstrap draws, patients counting as often as drawn; NaN in a draw without a known label."""
    known = label >= 0
    drawn = counts[:, known].astype(np.float64)
    return _divided(drawn @ (probability[known].argmax(axis=1) == label[known]), drawn.sum(axis=1))


def auroc_of_draws(
    probability: Float[np.ndarray, "P C"], counts: Int[np.ndarray, "R P"], *, label: Int[np.ndarray, " P"]
) -> Float[np.ndarray, " R"]:
    """The AUROC of bootstrap draws, over the classes that each draw has; NaN in a draw of one class."""
    drawn = counts.astype(np.float64)
    areas = np.full((probability.shape[1], len(counts)), np.nan)
    for c in range(probability.shape[1]):
        ours, rest = label == c, (label >= 0) & (label != c)
        above = probability[ours, c][:, None] - probability[rest, c]
        wins = (above > 0) + 0.5 * (above == 0)
        pairs = drawn[:, ours].sum(axis=1) * drawn[:, rest].sum(axis=1)
        areas[c] = _divided(((drawn[:, ours] @ wins) * drawn[:, rest]).sum(axis=1), pairs)
    is_there = np.isfinite(areas)
    return _divided(np.where(is_there, areas, 0).sum(axis=0), is_there.sum(axis=0))


def _divided(above: np.ndarray, below: np.ndarray) -> Float[np.ndarray, " R"]:
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
