"""A fold's own checks, and survival between the edges of bins."""

from dataclasses import replace

import numpy as np
import pytest

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import TimeBins
from prognoscope.evaluation.fold import Fold, finite_edges, pool, survival_at

from .cohorts import outcome, simulated_folds

EDGES = np.array([0.0, 10.0, 20.0, 40.0])
SURVIVAL = np.array([[0.8, 0.6, 0.2]])


def test_survival_is_a_step_or_a_line_between_edges():
    times = np.array([-1.0, 0.0, 5.0, 10.0, 30.0, 40.0, 99.0])
    assert survival_at(SURVIVAL, EDGES, times)[0] == pytest.approx([1, 1, 0.9, 0.8, 0.4, 0.2, 0.2])
    assert survival_at(SURVIVAL, EDGES, times, "step")[0] == pytest.approx([1, 1, 1, 0.8, 0.6, 0.2, 0.2])


def test_infinite_edges_become_zero_and_the_last_training_time():
    train = outcome([3.0, 50.0], [True, True])
    edges = finite_edges(TimeBins(np.array([-np.inf, 10.0, np.inf])), train)
    assert edges == pytest.approx([0, 10, 50], abs=1e-5)
    assert finite_edges(TimeBins(np.array([1.0, 10.0, 20.0])), train).tolist() == [1, 10, 20]


def test_survival_that_is_missing_or_rises_is_an_error():
    for bad in ([0.8, np.nan, 0.2], [0.8, 0.9, 0.2], [1.2, 0.9, 0.2], [0.8, 0.6, -0.1]):
        with pytest.raises(MetricError, match="survival of 1 patients is missing or does not fall"):
            survival_at(np.array([bad]), EDGES, np.array([1.0]))


def test_predictions_and_outcomes_must_be_of_the_same_patients():
    fold = simulated_folds()[1]
    other = fold.outcome.take(np.arange(len(fold))[::-1])
    with pytest.raises(MetricError, match="Fold 1: predictions and outcomes are not of the same patients"):
        Fold(1, fold.prediction, other, fold.train, fold.bins)
    with pytest.raises(MetricError, match=r"does not fit 30 patients and 2 time bins"):
        Fold(1, fold.prediction, fold.outcome, fold.train, TimeBins(np.array([0.0, 1.0, 2.0])))


def test_pooling_keeps_everybody_once():
    folds = simulated_folds()
    prediction, everybody = pool(folds)
    assert prediction.patients == everybody.patients
    assert len(set(everybody.patients)) == len(everybody) == 150
    with pytest.raises(MetricError, match="held out more than once"):
        pool([folds[0], replace(folds[0], fold=7)])
