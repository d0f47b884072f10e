"""How well points of one group keep together and apart from those of others."""

import numpy as np
from jaxtyping import Float, Shaped
from scipy.spatial.distance import cdist

from prognoscope.core.errors import MetricError


def silhouettes(points: Float[np.ndarray, "n d"], group: Shaped[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The silhouette of each point, from -1 (nearer to another group) to 1 (far from all others); Euclidean.

    (b - a) / max(a, b), with a the mean distance to the other points of the group and b the least mean distance to the
    points of another group; 0 for a point alone in its group.

    Raises:
        MetricError: There is one group only.

    Source: Rousseeuw: Silhouettes. Journal of Computational and Applied Mathematics 1987.
    """
    names, member = np.unique(group, return_inverse=True)
    if len(names) < 2:
        raise MetricError(f"All {len(points)} points are of one group, so there is nothing to be apart from.")
    points = points.astype(np.float64)
    is_of = np.eye(len(names))[member]  # (n, G)
    total, size = cdist(points, points) @ is_of, is_of.sum(axis=0)
    at = np.arange(len(points))
    own = total[at, member] / np.maximum(size[member] - 1, 1)
    others = np.where(is_of > 0, np.inf, total / size).min(axis=1)
    largest = np.maximum(own, others)
    apart = np.divide(others - own, largest, out=np.zeros(len(points)), where=largest > 0)
    return np.where(size[member] > 1, apart, 0.0)
