"""What choosing the best epoch adds: by hand, against the C-index itself, and against noise on real follow-up."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from prognoscope.core.errors import MetricError
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.optimism import _c_index_of_many, epoch_choice, noise_c_index, noise_choice
from tests.evaluation.cohorts import follow_ups, outcome


def test_the_best_epoch_is_the_first_of_equals():
    choice = epoch_choice(np.array([0.5, 0.7, np.nan, 0.7, 0.6]), reported=4)
    assert (choice.reported, choice.last, choice.best, choice.best_epoch) == (0.6, 0.6, 0.7, 1)
    assert choice.added == pytest.approx(0.1)
    assert epoch_choice(np.array([0.6, 0.5]), reported=0).added == 0
    for reported in (2, 3):
        with pytest.raises(MetricError, match=f"epoch {reported} is not known"):
            epoch_choice(np.array([0.5, 0.7, np.nan]), reported=reported)


def test_folds_choose_their_epochs_apart_and_are_then_averaged():
    one, other = np.array([[0.5, 0.7], [0.6, 0.4]]), np.array([[0.4, 0.5, 0.3], [0.9, 0.1, 0.2]])
    choice = noise_choice([one, other])  # best of the repeats: (0.7 + 0.5) / 2 and (0.6 + 0.9) / 2
    assert choice.best == pytest.approx((0.6 + 0.75) / 2)
    assert choice.last == pytest.approx((0.7 + 0.3 + 0.4 + 0.2) / 4)
    assert (choice.low, choice.high) == pytest.approx((0.6 + 0.025 * 0.15, 0.75 - 0.025 * 0.15))


@given(follow_ups())
def test_many_risks_at_once_give_the_c_index_of_each(follow_up):
    patients = follow_up.outcome()
    risk = np.random.default_rng(0).normal(size=(len(patients), 3))
    try:
        alone = [concordance(r, time=patients.time, event=patients.event).value for r in risk.T]
    except MetricError:
        with pytest.raises(MetricError, match="comparable"):
            _c_index_of_many(risk, patients)
    else:
        assert _c_index_of_many(risk, patients) == pytest.approx(alone, abs=1e-12)


def test_noise_knows_nothing_drifts_as_told_and_repeats():
    rng = np.random.default_rng(1)
    patients = outcome(rng.exponential(30, 60) + 1, rng.random(60) < 0.5)
    c_index = noise_c_index(patients, 12, correlation=0.9, repeats=2000, seed=3)
    assert c_index.shape == (2000, 12)
    assert c_index.mean(axis=0) == pytest.approx(np.full(12, 0.5), abs=0.01)
    assert np.ptp(c_index.std(axis=0)) < 0.01  # the first epochs are as wild as the last ones
    lags = np.corrcoef(c_index.T)[0]  # with the first epoch
    assert lags == pytest.approx(0.9 ** np.arange(12), abs=0.08)
    assert [np.corrcoef(c_index[:, e], c_index[:, e + 1])[0, 1] for e in (0, 5)] == pytest.approx([0.89] * 2, abs=0.03)
    assert (c_index == noise_c_index(patients, 12, correlation=0.9, repeats=2000, seed=3)).all()
    with pytest.raises(MetricError, match="not between 0 and 1"):
        noise_c_index(patients, 12, correlation=1.2)


def test_noise_may_stand_still_or_be_drawn_afresh_and_drifts_as_the_report_says_by_default():
    patients = outcome(np.arange(1.0, 41), np.arange(40) % 3 > 0)
    still = noise_c_index(patients, 4, correlation=1.0, repeats=50)
    assert (still == still[:, :1]).all() and np.ptp(still) > 0
    afresh = noise_c_index(patients, 2, correlation=0.0, repeats=2000)
    assert np.corrcoef(afresh.T)[0, 1] == pytest.approx(0, abs=0.08)
    told = noise_c_index(patients, 4, correlation=0.9, repeats=200, seed=0)
    assert np.array_equal(noise_c_index(patients, 4), told)


def test_selection_adds_nothing_to_one_epoch_and_more_to_many():
    patients = outcome(np.arange(1.0, 51), np.arange(50) % 2 == 0)
    c_index = noise_c_index(patients, 30)
    added = [noise_choice([c_index[:, :epochs]]).added for epochs in (1, 5, 30)]
    assert added[0] == 0 < added[1] < added[2]


@pytest.mark.parametrize(
    ("cohort", "correlation", "mean_of_the_best"),
    [("blca", 0.0, 0.617), ("blca", 0.9, 0.584), ("gbmlgg", 0.0, 0.617), ("ucec", 0.0, 0.668)],
)
def test_noise_on_real_follow_up_reaches_what_the_specification_found(data_pack, cohort, correlation, mean_of_the_best):
    table = pd.read_csv(data_pack / "tcga_predictions" / f"{cohort}_patients.csv")
    folds = [outcome(part["survival_months"], part["censorship"] == 0) for _, part in table.groupby("fold")]
    found = noise_choice([noise_c_index(fold, 30, correlation=correlation, seed=i) for i, fold in enumerate(folds)])
    assert found.best == pytest.approx(mean_of_the_best, abs=0.015)  # theirs are six repeats
    assert found.low < mean_of_the_best < found.high
    assert found.last == pytest.approx(0.5, abs=0.01)
