"""Tables of metrics with intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Prediction
from prognoscope.evaluation import METRICS
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.summary import evaluate

from .cohorts import simulated_folds, without_events


def test_the_table_has_a_row_for_each_metric_and_fold_and_all():
    folds = simulated_folds()
    table = evaluate(folds, draws=50)
    assert list(table.columns) == ["metric", "fold", "value", "low", "high", "sd"]
    assert table["fold"].tolist() == ["0", "1", "2", "3", "4", "all"] * len(METRICS)
    assert table["metric"].unique().tolist() == list(METRICS)
    assert table.attrs["notes"] == []
    c = table[table["metric"] == "c_index"].set_index("fold")
    each = [concordance(f.prediction.risk, time=f.outcome.time, event=f.outcome.event).value for f in folds]
    assert c.loc[["0", "1", "2", "3", "4"], "value"].tolist() == each
    assert c.loc["all", "value"] == pytest.approx(np.mean(each))
    assert c.loc["all", "sd"] == pytest.approx(np.std(each, ddof=0))


def test_predictions_that_tell_nothing_are_told():
    folds = simulated_folds()
    flat = replace(folds[1], prediction=_predicted(folds[1], risk=0.0))
    certain = replace(folds[2], prediction=_predicted(folds[2], survival=0.0))
    notes = evaluate([folds[0], flat, certain], metrics=["c_index"], draws=0).attrs["notes"]
    assert notes[0].startswith("All patients tested in fold 1 have one risk")
    assert notes[1].startswith("Every chance of survival in fold 2 is exactly 0 or 1")
    assert all("lower training.learning_rate" in note for note in notes[:2])


def _predicted(fold, **values: float) -> Prediction:
    old = fold.prediction
    risk, survival = (
        np.full_like(getattr(old, name), values[name]) if name in values else getattr(old, name)
        for name in ("risk", "survival")
    )
    return Prediction(old.patients, risk, survival)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.pooled is None])
def test_values_lie_in_their_intervals_and_seeds_repeat(name):
    folds = simulated_folds()
    table = evaluate(folds, metrics=[name], draws=200)
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
    assert table.equals(evaluate(folds, metrics=[name], draws=200))
    assert not table.equals(evaluate(folds, metrics=[name], draws=200, seed=1))
    turned = evaluate(folds[::-1], metrics=[name], draws=200).iloc[[4, 3, 2, 1, 0, 5]].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, turned)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    n, runs, held = 120, 80, 0
    # two independent exponential lives with hazards exp(x): the one with the higher hazard ends first with
    # probability sigmoid(|difference|); the expected C-index of x is the mean of that
    x = np.random.default_rng(99).normal(size=(2, 400_000))
    true_c = (1 / (1 + np.exp(-np.abs(x[0] - x[1])))).mean()
    for run in range(runs):
        folds = simulated_folds(noise=0.0, n=n, k=3, truth_seed=run)
        uncensored = []
        for fold in folds:
            generator = np.random.default_rng((run, fold.fold))
            hazard = np.log(-np.log(fold.prediction.survival[:, 0]))  # x up to a constant
            time = generator.exponential(np.exp(-hazard))
            uncensored.append(
                replace(fold, outcome=replace(fold.outcome, time=time, event=np.ones(len(fold), dtype=bool)))
            )
        row = evaluate(uncensored, metrics=["c_index"], draws=300).query("fold == 'all'").iloc[0]
        held += row["low"] <= true_c <= row["high"]
    assert 0.85 <= held / runs <= 1.0


def test_what_is_not_defined_is_empty_and_its_reason_is_listed():
    folds = simulated_folds()
    broken = Prediction(folds[2].prediction.patients, folds[2].prediction.risk, np.full((30, 4), np.nan))
    folds[2] = replace(folds[2], prediction=broken)
    table = evaluate(folds, metrics=["c_index", "integrated_brier"], draws=20)
    brier = table[table["metric"] == "integrated_brier"].set_index("fold")
    assert np.isnan(brier.loc["2", ["value", "low", "high"]].astype(float)).all()
    defined = brier.loc[["0", "1", "3", "4"], "value"]
    assert brier.loc["all", "value"] == pytest.approx(defined.mean())
    first, second = table.attrs["notes"]
    assert "integrated_brier is not defined. Fold 2: The predicted survival of 30 patients is missing" in first
    assert "over 4 of 5 folds" in second


def test_a_fold_without_events_has_no_c_index_and_says_which():
    folds = simulated_folds()
    folds[3] = without_events(folds[3])
    with pytest.raises(MetricError, match="Fold 3: None of the 30 patients had an event"):
        evaluate(folds)
    table = evaluate(folds, metrics=["auc", "d_calibration_p"], draws=5)
    assert table.set_index(["metric", "fold"])["value"].isna().sum() == 2
    assert any("auc is not defined. Fold 3" in note for note in table.attrs["notes"])


def test_draws_without_an_event_are_counted():
    fold = simulated_folds()[0]
    event = np.zeros(len(fold), dtype=bool)
    event[np.argmin(fold.outcome.time)] = True
    fold = replace(fold, outcome=replace(fold.outcome, event=event))
    table = evaluate([fold], metrics=["c_index"], draws=100)
    (note,) = table.attrs["notes"]
    assert "c_index is not defined in" in note and note.endswith("bootstrap draws of each fold.")
    assert np.isfinite(table["low"]).all()


def test_metrics_and_folds_are_named_right():
    folds = simulated_folds()
    with pytest.raises(MetricError, match="did you mean 'c_index'"):
        evaluate(folds, metrics=["cindex"])
    with pytest.raises(MetricError, match="no folds"):
        evaluate([])
    with pytest.raises(MetricError, match="appears twice"):
        evaluate([folds[0], folds[0]])


def test_draws_may_be_left_out():
    table = evaluate(simulated_folds(), metrics=["c_index"], draws=0)
    assert table["low"].isna().all()
    assert table["value"].notna().all()


def test_patients_held_out_twice_are_noted():
    fold = simulated_folds()[0]
    (note,) = evaluate([fold, replace(fold, fold=9)], metrics=["c_index"], draws=5).attrs["notes"]
    assert "held out in several folds" in note
