"""Draws of patients with replacement within folds, shared by all metrics and methods of one comparison."""

import numpy as np
from jaxtyping import Float, Int

from prognoscope.evaluation.fold import Fold


def draw_counts(fold: Fold, draws: int, seed: int) -> Int[np.ndarray, "R P"]:
    """How often each patient of a fold is drawn. It depends on the seed, the fold's number and its size alone."""
    generator = np.random.default_rng((seed, fold.fold))
    return generator.multinomial(len(fold), np.full(len(fold), 1 / len(fold)), size=draws)


def percentile_interval(values: Float[np.ndarray, " R"], confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of the defined draws; NaN if there are none."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
