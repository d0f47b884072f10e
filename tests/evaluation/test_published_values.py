"""Published numbers of eleven models on real cohorts, from their per-patient predictions."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.outcome import Outcome, Prediction, TimeBins
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.fold import Fold, pool
from prognoscope.evaluation.group_tests import log_rank
from prognoscope.evaluation.mean_tests import t_test_risk_by_time, t_test_time_by_risk
from prognoscope.evaluation.summary import evaluate
from tests.evaluation.papers import mcat_notebook_auc, risk_groups

MODELS = [
    *(f"{cohort}_{model}" for cohort in ("blca", "ucec", "gbmlgg") for model in ("snn", "mcat", "amil")),
    "gbmlgg_deepsets",
]


@pytest.fixture(scope="module")
def predictions(data_pack):
    return data_pack / "tcga_predictions"


def folds_of(predictions, name) -> list[Fold]:
    """The folds as published. Survival was not published: one bin that says nothing stands for it."""
    table = pd.read_csv(predictions / f"{name}.csv")
    folds = []
    for number, part in table.groupby("fold"):
        test, train = (_outcome(rows) for rows in (part, table[table["fold"] != number]))
        prediction = Prediction(test.patients, part["risk"].to_numpy(), np.full((len(part), 1), 0.5))
        folds.append(Fold(int(number), prediction, test, train, TimeBins(np.array([-np.inf, np.inf]))))
    return folds


def _outcome(rows: pd.DataFrame) -> Outcome:
    time, event = rows["survival_months"].to_numpy(dtype=float), rows["censorship"].to_numpy() == 0
    return Outcome(tuple(rows["patient_id"]), time, event)


@pytest.mark.parametrize("name", MODELS)
def test_c_index_and_counts_of_every_fold_are_the_published_ones(predictions, name):
    cohort, model = name.split("_")
    published = pd.read_csv(predictions / "published_cindex_per_fold.csv")
    published = published[(published["cohort"] == cohort) & (published["model"] == model)].set_index("fold")
    folds = folds_of(predictions, name)
    assert len(folds) == len(published) == 5
    for fold in folds:
        row, outcome = published.loc[fold.fold], fold.outcome
        ours = concordance(fold.prediction.risk, time=outcome.time, event=outcome.event)
        assert (len(fold), int(outcome.event.sum())) == (row["n"], row["events"])
        counts = (ours.concordant, ours.discordant, ours.tied_risk, ours.tied_time)
        assert counts == tuple(row[["concordant", "discordant", "tied_risk", "tied_time"]])
        assert abs(ours.value - row["c_index_published"]) <= 1e-12


@pytest.mark.parametrize("name", MODELS)
def test_summaries_over_folds_are_the_published_ones(predictions, name):
    cohort, model = name.split("_")
    summary = pd.read_csv(predictions / "published_summary.csv")
    row = summary[(summary["cohort"] == cohort) & (summary["model"] == model)].iloc[0]
    folds = folds_of(predictions, name)
    over_folds = evaluate(folds, metrics=["c_index"], draws=20).query("fold == 'all'").iloc[0]
    assert over_folds["value"] == pytest.approx(row["c_index_mean_published"], abs=1e-9)
    assert over_folds["sd"] == pytest.approx(row["c_index_std_ddof0_published"], abs=1e-9)

    prediction, outcome = pool(folds)
    known = {"time": outcome.time, "event": outcome.event}
    pooled = concordance(prediction.risk, **known).value
    assert pooled == pytest.approx(row["c_index_pooled_published"], abs=1e-9)
    is_high = risk_groups(folds)
    assert (len(outcome), outcome.event.sum(), is_high.sum()) == (row["n"], row["events"], row["n_high"])
    assert np.percentile(prediction.risk, 50) == pytest.approx(row["median_risk"], abs=1e-12)
    test = log_rank(is_high, **known)
    assert test.statistic == pytest.approx(row["logrank_chi2"], rel=1e-9)
    assert test.p == pytest.approx(row["logrank_p"], rel=1e-9)
    assert test.p == pytest.approx(row["logrank_p_published"], rel=1e-9)
    for result, kind in [
        (t_test_time_by_risk(is_high, time=outcome.time), "time_by_risk"),
        (t_test_risk_by_time(prediction.risk, time=outcome.time), "risk_by_time"),
    ]:
        assert result.statistic == pytest.approx(row[f"t_{kind}"], rel=1e-9)
        assert result.p == pytest.approx(row[f"p_{kind}"], rel=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_notebook_auc_is_the_published_one(predictions, name):
    cohort, model = name.split("_")
    summary = pd.read_csv(predictions / "published_summary.csv")
    row = summary[(summary["cohort"] == cohort) & (summary["model"] == model)].iloc[0]
    rows_of = pd.read_csv(predictions / f"{cohort}_patients.csv").set_index("patient_id")["n_rows"]
    values = []
    for fold in folds_of(predictions, name):
        known = {"time": fold.outcome.time, "event": fold.outcome.event, "train": fold.train}
        rows = rows_of.loc[list(fold.train.patients)].to_numpy(dtype=np.int64)
        values.append(mcat_notebook_auc(fold.prediction.risk, **known, train_rows=rows))
    atol = 2e-4 if cohort == "gbmlgg" else 1e-9  # row counts of GBMLGG come from another release (amil: 1.02e-4)
    assert np.mean(values) == pytest.approx(row["iauc_mean_published"], abs=atol)
    assert np.std(values, ddof=1) == pytest.approx(row["iauc_std_ddof1_published"], abs=atol)


@pytest.mark.parametrize("cohort", ["blca", "ucec"])
def test_bins_are_the_authors(predictions, cohort):
    table = pd.read_csv(predictions / f"{cohort}_patients.csv")
    time, event = table["survival_months"].to_numpy(dtype=float), table["censorship"].to_numpy() == 0
    assert np.array_equal(TimeBins.fit(time, event, closed_ends=True).label(time), table["bin"])
