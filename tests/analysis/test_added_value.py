"""What a risk adds to covariates: against lifelines, against counting by hand, and on cohorts whose answer is known."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from scipy.stats import chi2

from prognoscope.analysis.added_value import EVERYBODY, HeldOut, added_value, clinical_chances, subgroups
from prognoscope.analysis.clinical_words import groups_of
from prognoscope.analysis.decision_data import ALL, CLINICAL, NONE, decision_data, useful_range
from prognoscope.analysis.figure_data import calibration_horizon
from prognoscope.analysis.over_time import NULL, auc_over_time, brier_over_time, brier_table
from prognoscope.core.errors import MetricError
from prognoscope.evaluation.brier import brier_terms
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.curves import kaplan_meier
from prognoscope.evaluation.metrics import integrated_brier
from prognoscope.runs.provenance import write_provenance
from prognoscope.runs.read import Run
from tests.report.fake_run import write_fake_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    skill = {"weak": 0.0, "strong": 0.9}
    return Run(write_fake_run(tmp_path_factory.mktemp("added") / "run", skill=skill, patients=160, folds=3))


def table_of(held_out: HeldOut) -> pd.DataFrame:
    covariates = held_out.covariates.reset_index(drop=True)
    age = covariates["age"].fillna(covariates["age"].median())
    table = pd.DataFrame({"risk": held_out.risk, "age": (age - age.mean()) / age.std(ddof=0)})
    table["is_female"] = covariates["is_female"]
    for stage in ("II", "III"):
        table[stage] = (covariates["stage"] == stage).astype(float)
    table["unknown"] = covariates["stage"].isna().astype(float)
    return table.assign(time=held_out.outcome.time, event=held_out.outcome.event)


def test_the_ratio_and_the_test_are_those_of_lifelines(run):
    held_out, told = HeldOut.of(run, "strong"), added_value(run, "strong").iloc[0]
    table = table_of(held_out)
    both = CoxPHFitter().fit(table, "time", "event")
    alone = CoxPHFitter().fit(table.drop(columns="risk"), "time", "event")
    ends = both.summary.loc["risk", ["exp(coef)", "exp(coef) lower 95%", "exp(coef) upper 95%"]]
    np.testing.assert_allclose(told[["ratio", "low", "high"]].astype(float), ends.to_numpy(float), rtol=1e-3)
    assert told["statistic"] == pytest.approx(2 * (both.log_likelihood_ - alone.log_likelihood_), abs=1e-4)
    assert told["covariates"] == "age, sex and stage"


def test_a_risk_that_knows_adds_and_one_that_does_not_adds_nothing(run):
    strong, weak = (added_value(run, name).iloc[0] for name in ("strong", "weak"))
    assert strong["p"] < 0.001 and strong["low"] > 1 and strong["added_low"] > 0
    assert weak["p"] > 0.05 and weak["added_low"] < 0 < weak["added_high"]
    assert strong["c_clinical"] == weak["c_clinical"]


def test_the_c_index_of_covariates_is_of_patients_whom_the_model_was_not_fitted_on(run):
    held_out = HeldOut.of(run, "strong")
    table, values = table_of(held_out).drop(columns="risk"), []
    for fold in held_out.folds:
        here = held_out.fold == fold.fold
        fitted = CoxPHFitter().fit(table[~here], "time", "event")
        risk = fitted.predict_log_partial_hazard(table[here]).to_numpy(float)
        values.append(concordance(risk, time=fold.outcome.time, event=fold.outcome.event).value)
    told = added_value(run, "strong").iloc[0]
    assert told["c_clinical"] == pytest.approx(np.mean(values), abs=1e-3)
    assert told["added"] == pytest.approx(told["c_both"] - told["c_clinical"])


def test_what_a_patient_had_does_not_enter_their_own_clinical_chance(run):
    held_out = HeldOut.of(run, "strong")
    chances = clinical_chances(held_out, 20.0)
    first = held_out.folds[0]
    other = replace(held_out.outcome, event=np.where(held_out.fold == first.fold, True, held_out.outcome.event))
    again = clinical_chances(replace(held_out, outcome=other), 20.0)
    here = held_out.fold == first.fold
    np.testing.assert_array_equal(again[here], chances[here])
    assert np.abs(again - chances)[~here].max() > 0.01


def test_without_covariates_the_ratio_is_not_adjusted_and_nothing_is_said_to_be_added(run, tmp_path):
    bare = Run(write_fake_run(tmp_path / "bare", skill={"strong": 0.9}, patients=60, folds=2))
    bare.files.covariates.unlink()
    told = added_value(bare, "strong").iloc[0]
    assert told["covariates"] == "" and told["ratio"] > 1 and np.isnan(told["added"])
    assert CLINICAL not in set(decision_data(bare, ["strong"], 20.0)[0]["method"])


def test_subgroups_part_all_patients_and_each_has_the_ratio_of_its_own(run):
    table, held_out = subgroups(run, "strong"), HeldOut.of(run, "strong")
    assert list(dict.fromkeys(table["group"])) == [EVERYBODY, "age", "sex", "stage", "site"]
    everybody = table.iloc[0]
    sex = table[table["group"] == "sex"]
    assert sex["patients"].sum() == everybody["patients"] == 160 and sex["level"].tolist() == ["male", "female"]
    assert table.loc[table["group"] == "age", "patients"].sum() == 159  # of one the age is not known
    female = (held_out.covariates["is_female"] == 1).to_numpy()
    told = pd.DataFrame({"risk": held_out.risk, "time": held_out.outcome.time, "event": held_out.outcome.event})
    expected = float(np.exp(CoxPHFitter().fit(told[female], "time", "event").params_["risk"]))
    assert sex.iloc[1]["ratio"] == pytest.approx(expected, rel=1e-4)
    group = told.assign(female=female.astype(float), both=held_out.risk * female)
    larger, smaller = (CoxPHFitter().fit(each, "time", "event") for each in (group, group.drop(columns="both")))
    statistic = 2 * (larger.log_likelihood_ - smaller.log_likelihood_)
    assert sex["interaction_p"].iloc[0] == pytest.approx(chi2.sf(statistic, 1), rel=1e-3)


def test_a_fold_that_gives_everybody_one_risk_is_said(run):
    flat = run.methods["weak"].tested[1]
    kept = flat["risk"].copy()
    try:
        flat["risk"] = 0.5
        with pytest.raises(MetricError, match="All patients of fold 1 have one risk"):
            added_value(run, "weak")
    finally:
        flat["risk"] = kept


def test_groups_are_values_halves_or_levels():
    age = pd.Series([50.0, 60, 70, 80, np.nan, 65, 61], name="age")
    assert groups_of(age, halves=True).cat.categories.tolist() == ["below 63", "63 or more"]
    assert groups_of(age, halves=True).isna().sum() == 1 and groups_of(age, halves=False).isna().all()
    grade = pd.Series([1.0, 2, 3, np.nan], name="grade")
    assert groups_of(grade, halves=True).tolist()[:3] == ["1", "2", "3"]
    many = pd.Series([f"site {i}" for i in range(12) for _ in range(12 - i)] + [""], name="site")
    grouped = groups_of(many, halves=True)
    assert grouped.cat.categories[-1] == "all others" and len(grouped.cat.categories) == 9
    assert grouped.isna().sum() == 1


def test_decision_curves_are_between_those_who_know_all_and_none(run):
    horizon = calibration_horizon(run)
    data, absent = decision_data(run, ["strong", "weak"], horizon)
    assert not absent and set(data["method"]) == {"strong", "weak", CLINICAL, ALL, NONE}
    lines = data.pivot(index="threshold", columns="method", values="net_benefit")
    outcome = run.held_out
    had_it = 1 - kaplan_meier(time=outcome.time, event=outcome.event).at(np.array([horizon]))[0]
    p = lines.index.to_numpy()
    np.testing.assert_allclose(lines[ALL], had_it - (1 - had_it) * p / (1 - p))
    assert (lines[["strong", "weak", CLINICAL]].fillna(0) <= had_it + 1e-9).all(axis=None)
    low, high = useful_range(data, "strong")
    stretch = lines.loc[low:high]
    assert (stretch["strong"] > stretch[[ALL, NONE]].max(axis=1)).all() and high - low > 0.2


def test_beyond_the_follow_up_there_is_a_sentence_in_place_of_decision_curves(run):
    data, absent = decision_data(run, ["strong"], 1e4)
    assert data.empty and absent[-1].startswith("No decision curve. Nobody was followed until 10000 months")


def test_the_null_model_is_the_kaplan_meier_curve_of_training_patients(run):
    told = brier_over_time(run, NULL)
    times = told["time"].to_numpy()
    expected = []
    for number in (0, 1, 2):
        fold = run.fold("strong", number)
        known = kaplan_meier(time=fold.train.time, event=fold.train.event).at(times)
        outcome = fold.outcome
        terms = brier_terms(
            np.tile(known, (len(fold), 1)), times, time=outcome.time, event=outcome.event, train=fold.train
        )
        expected.append(terms.mean(axis=0))
    np.testing.assert_allclose(told["brier"], np.mean(expected, axis=0))


def test_the_integrated_brier_score_beside_the_null_is_the_metric_itself(run):
    table = brier_table(run).set_index("method")
    for name in ("strong", "weak"):
        expected = np.mean([integrated_brier(run.fold(name, number)) for number in (0, 1, 2)])
        assert table.loc[name, "brier"] == pytest.approx(expected)
    assert table.loc["strong", "high"] < 0 < table.loc["weak", "difference"]


def test_the_auc_over_time_of_a_risk_that_knows_is_above_chance(run):
    strong, weak = auc_over_time(run, "strong"), auc_over_time(run, "weak")
    assert strong["auc"].mean() > 0.7 and abs(weak["auc"].mean() - 0.5) < 0.15
    assert strong["time"].is_monotonic_increasing


def test_intervals_are_of_as_many_draws_as_the_study_asked_for(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "few")
    write_provenance(folder / "provenance.json", replace(run.provenance, draws=1))
    few = Run(folder)
    told, brier = added_value(few, "strong").iloc[0], brier_table(few)
    assert told["added_low"] == told["added_high"] and (brier["low"] == brier["high"]).all()
    assert added_value(run, "strong").iloc[0]["added_low"] < told["added"]
