"""How well probabilities of classes fit known labels: what multi-task methods say of the subtype."""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

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
        ranks = rankdata(probability[:, c])
        n, rest = is_c.sum(), (~is_c).sum()
        areas.append((ranks[is_c].sum() - n * (n + 1) / 2) / (n * rest))
    return float(np.mean(areas))
