"""What every metric of the table owes its callers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Prediction
from prognoscope.evaluation import METRICS, metrics
from prognoscope.evaluation.auc import cumulative_dynamic_auc
from prognoscope.evaluation.bootstrap import draw_counts
from prognoscope.evaluation.brier import brier_terms, integrate
from prognoscope.evaluation.fold import Fold

from .evaluation.cohorts import simulated_folds

FOLD = simulated_folds(n=200, k=4)[1]
WITH_DRAWS = [name for name, metric in METRICS.items() if metric.pooled is None]


@pytest.fixture(params=METRICS)
def metric(request):
    return METRICS[request.param]


def test_a_metric_is_a_number_of_a_fold(metric):
    value = metric(FOLD)
    assert isinstance(value, float)
    assert math.isfinite(value)


def test_a_metric_does_not_depend_on_the_order_of_patients(metric):
    mixed = FOLD.take(np.random.default_rng(0).permutation(len(FOLD)))
    assert metric(mixed) == pytest.approx(metric(FOLD), abs=1e-12)


def test_a_metric_prefers_the_truth_to_its_opposite(metric):
    truth = simulated_folds(n=400, k=4, noise=0.0)[1]
    upside_down = Prediction(
        truth.prediction.patients,
        -truth.prediction.risk,
        truth.prediction.survival[np.argsort(np.argsort(truth.prediction.risk))[::-1].argsort()],
    )
    false = replace(truth, prediction=upside_down)
    assert (metric(truth) > metric(false)) == metric.higher_is_better


def test_a_metric_of_a_fold_without_events_is_an_error_that_names_it(metric):
    calm = replace(FOLD, outcome=replace(FOLD.outcome, event=np.zeros(len(FOLD), dtype=bool)))
    if metric is METRICS["integrated_brier"]:  # who lives longer than predicted counts, even if nobody dies
        assert math.isfinite(metric(calm))
        return
    with pytest.raises(MetricError, match="^Fold 1: "):
        metric(calm)


@pytest.mark.parametrize("name", WITH_DRAWS)
def test_drawing_everybody_once_gives_the_number_itself(name):
    once = np.ones((1, len(FOLD)), dtype=np.int64)
    assert METRICS[name].of_draws(FOLD, once)[0] == pytest.approx(METRICS[name](FOLD), abs=1e-12)


@pytest.mark.parametrize("name", WITH_DRAWS)
def test_draws_are_the_numbers_of_the_drawn_patients(name):
    counts = draw_counts(FOLD, 20, seed=3)
    all_at_once = METRICS[name].of_draws(FOLD, counts)
    one_by_one = [by_hand(name, FOLD, FOLD.take(np.repeat(np.arange(len(FOLD)), count))) for count in counts]
    assert all_at_once == pytest.approx(one_by_one, abs=1e-10)


def test_many_patients_are_drawn_as_few_are(monkeypatch):
    counts = draw_counts(FOLD, 10, seed=3)
    few = [METRICS[name].of_draws(FOLD, counts) for name in ("c_index", "c_index_ipcw")]
    monkeypatch.setattr(metrics, "MOST_PAIRED", 1)
    many = [METRICS[name].of_draws(FOLD, counts) for name in ("c_index", "c_index_ipcw")]
    assert np.array(many) == pytest.approx(np.array(few), abs=1e-12)


def test_a_metric_without_draws_of_its_own_is_drawn_one_by_one():
    counts = draw_counts(FOLD, 5, seed=3)
    plain = replace(METRICS["c_index"], draws=None)
    assert plain.of_draws(FOLD, counts) == pytest.approx(METRICS["c_index"].of_draws(FOLD, counts), abs=1e-12)
    nobody = replace(FOLD, outcome=replace(FOLD.outcome, event=np.zeros(len(FOLD), dtype=bool)))
    assert np.isnan(plain.of_draws(nobody, counts)).all()


def by_hand(name: str, fold: Fold, drawn: Fold) -> float:
    """The metric of drawn patients at the times of the fold they were drawn from."""
    known = {"time": drawn.outcome.time, "event": drawn.outcome.event, "train": drawn.train}
    times = metrics.default_times(fold)
    if name == "integrated_brier":
        return float(integrate(brier_terms(drawn.survival_at(times), times, **known).mean(axis=0), times))
    if name == "auc":
        times = times[times >= fold.outcome.time[fold.outcome.event].min()]
        times = times[times >= drawn.outcome.time[drawn.outcome.event].min()]  # before, its weight is zero
        return cumulative_dynamic_auc(drawn.prediction.risk, times, **known).mean
    return METRICS[name](drawn)
