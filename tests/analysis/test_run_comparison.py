"""Runs beside each other: what is combined, what is marked, and what is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prognoscope.analysis.run_columns import group_of
from prognoscope.core.errors import InputError, MetricError
from prognoscope.evaluation.paired import compare
from prognoscope.evaluation.summary import evaluate
from prognoscope.report.comparison_text import caption_of, cell_text, rows_of, sentences_of, terminal_table
from prognoscope.runs.provenance import write_provenance
from prognoscope.runs.read import Run
from prognoscope.study.comparing import compare_runs
from tests.analysis.fake_runs import write_run

pytestmark = pytest.mark.usefixtures("sketched")

KNOWS = {"best": 0.95, "told": 0.38, "good": 0.34, "poor": 0.05}
WHY = "time bins were fitted on all patients"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two cohorts, one of them with two seeds, and one with the paper protocol; not to be changed."""
    at = tmp_path_factory.mktemp("runs")
    write_run(at / "blca", knows=KNOWS)
    write_run(at / "blca1", knows=KNOWS, seed=1)
    write_run(at / "luad", knows=KNOWS, name="luad", cohort=1)
    write_run(at / "paper", knows=KNOWS, protocol="paper", optimistic=dict.fromkeys(KNOWS, WHY))
    return at


def ours(found, column):
    return found.table[(found.table["kind"] == "method") & (found.table["column"] == column)].set_index("row")


def test_rows_are_in_the_papers_groups_and_equal_the_runs_own_numbers(runs):
    found = compare_runs([runs / "blca"])
    rows = ours(found, "blca")
    assert list(zip(rows["group"], rows.index, strict=True)) == [
        ("genes", "good"),
        ("slides", "poor"),
        ("both", "best"),
        ("distilled", "told"),
    ]
    for method in KNOWS:
        folds = Run(runs / "blca").folds(method)
        table = evaluate(folds, metrics=["c_index"], draws=1000)
        row = table[table["fold"] == "all"].iloc[0]
        for name, key in (("mean", "value"), ("sd", "sd"), ("low", "low"), ("high", "high")):
            assert rows.loc[method, name] == pytest.approx(row[key], abs=1e-12)


def test_pairs_of_one_run_are_those_of_the_paired_bootstrap(runs):
    pairs = compare_runs([runs / "blca"]).pairs.set_index(["method_a", "method_b"])
    assert len(pairs) == 6
    for (a, b), row in pairs.iterrows():
        alone = compare(Run(runs / "blca").folds(a), Run(runs / "blca").folds(b))
        for name in ("difference", "low", "high", "p_bootstrap", "p_t"):
            assert row[name] == pytest.approx(getattr(alone, name), abs=1e-12)


def test_intervals_are_of_as_many_draws_as_the_study_asked_for(runs, tmp_path):
    folder = shutil.copytree(runs / "blca", tmp_path / "few")
    write_provenance(folder / "provenance.json", replace(Run(folder).provenance, draws=1))
    pairs = compare_runs([folder]).pairs
    assert (pairs["low"] == pairs["high"]).all()
    assert (compare_runs([folder], draws=50).pairs.eval("low < high")).all()


def test_best_and_second_are_marked_only_where_every_interval_supports_it(runs, tmp_path):
    near = write_run(tmp_path / "near", knows={"best": 0.97, "good": 0.36, "told": 0.36, "poor": 0.02})
    marks = ours(compare_runs([near]), "blca")["mark"]
    assert marks["best"] == "best" and set(marks.drop("best")) == {""}  # two are too close for a second
    clear = write_run(tmp_path / "clear", knows={"best": 0.97, "good": 0.4, "poor": 0.02})
    assert ours(compare_runs([clear]), "blca")["mark"].to_dict() == {"good": "second", "poor": "", "best": "best"}
    close = write_run(tmp_path / "close", knows={"good": 0.6, "told": 0.6, "poor": 0.02})
    assert set(ours(compare_runs([close]), "blca")["mark"]) == {""}  # without a best one there is no second


def test_an_optimistic_number_is_not_marked_as_better_than_an_honest_one(tmp_path):
    run = write_run(tmp_path / "run", knows={"best": 0.97, "poor": 0.02}, optimistic={"best": WHY})
    found = compare_runs([run])
    assert set(ours(found, "blca")["mark"]) == {""}
    assert cell_text(found, "best", "blca")[2] == "optimistic" and cell_text(found, "poor", "blca")[2] == ""
    assert f"Optimistic numbers: best in blca, as {WHY}." in sentences_of(found)


def test_lower_is_better_where_the_metric_says_so(runs):
    found = compare_runs([runs / "blca"], metric="integrated_brier")
    rows = ours(found, "blca")
    assert rows.loc["best", "mean"] == rows["mean"].min()
    assert found.figures["blca"]["method"].iloc[0] == "best" and "lower is better" in caption_of(found)


def test_seeds_are_averaged_fold_by_fold_and_told(runs):
    one, other = (ours(compare_runs([runs / name]), "blca") for name in ("blca", "blca1"))
    found = compare_runs([runs / "blca", runs / "blca1"], ddof=1)
    both = ours(found, "blca")
    assert both["mean"].to_dict() == pytest.approx(((one["mean"] + other["mean"]) / 2).to_dict())
    assert set(both["seeds"]) == {"0 1"} and set(both["ddof"]) == {1}
    values = np.mean([[concordances(runs / name, "good")] for name in ("blca", "blca1")], axis=0)
    assert both.loc["good", "sd"] == pytest.approx(np.std(values, ddof=1))
    assert any("2 seeds (0, 1) of all methods" in note for note in found.notes)


def concordances(run, method):
    table = evaluate(Run(run).folds(method), metrics=["c_index"], draws=0)
    return table.loc[table["fold"] != "all", "value"].to_numpy()


def test_cohorts_have_columns_and_a_mean_with_a_paired_interval_of_its_own(runs):
    found = compare_runs([runs / "blca", runs / "luad"])
    assert found.columns == ["blca", "luad", "Mean"]
    means = ours(found, "Mean")
    expected = (ours(found, "blca")["mean"] + ours(found, "luad")["mean"]) / 2
    assert means["mean"].to_dict() == pytest.approx(expected.to_dict())
    assert means.loc["best", "mark"] == "best" and means["sd"].isna().all()
    assert list(found.figures) == ["Mean"] and len(found.figures["Mean"]) == 4
    assert set(found.pairs["column"]) == {"blca", "luad", "Mean"} and len(found.pairs) == 9  # with the best alone


def test_a_method_that_one_cohort_lacks_has_no_mean(runs, tmp_path):
    few = write_run(tmp_path / "few", knows={"best": 0.95, "good": 0.5}, name="ucec", cohort=2)
    found = compare_runs([runs / "blca", few])
    assert sorted(ours(found, "Mean").index) == ["best", "good"]
    assert cell_text(found, "poor", "ucec")[0] == cell_text(found, "poor", "Mean")[0] == "\u2013"


def test_other_settings_are_not_taken_for_another_seed(runs, tmp_path):
    longer = write_run(tmp_path / "longer", knows={"good": 0.5}, seed=1, epochs=40)
    rows = ours(compare_runs([runs / "blca", longer]), "blca")
    assert {"blca/good", "longer/good", "best", "poor"} <= set(rows.index)
    copy = shutil.copytree(runs / "blca", tmp_path / "blca")
    rows = ours(compare_runs([runs / "blca", copy]), "blca")
    assert len(rows) == 8 and f"{copy}/good" in rows.index


def test_protocols_are_not_mixed_without_being_told(runs):
    with pytest.raises(InputError, match="paper has the paper protocol and .*blca the honest one.* --mixed"):
        compare_runs([runs / "blca", runs / "paper"])
    found = compare_runs([runs / "blca", runs / "paper"], mixed=True)
    assert found.columns == ["blca (honest protocol)", "blca (paper protocol)"]
    assert "blca (paper protocol, optimistic)" in terminal_table(found)
    assert not found.pairs.duplicated(["column", "method_a", "method_b"]).any()
    assert set(found.pairs["column"]) == set(found.columns)  # never across protocols


def test_other_folds_are_not_mixed_without_being_told(runs, tmp_path):
    other = write_run(tmp_path / "other", knows={"good": 0.5}, drawn=3)
    with pytest.raises(InputError, match="Fold 0 has other patients in .*blca than in .*other, both of blca"):
        compare_runs([runs / "blca", other])
    found = compare_runs([runs / "blca", other], mixed=True)
    assert found.columns == [f"blca (folds of {runs / 'blca'})", f"blca (folds of {other})"]


def test_runs_of_a_cohort_on_other_patients_are_refused_with_their_number(runs, tmp_path):
    fewer = write_run(tmp_path / "fewer", knows={"good": 0.5}, patients=117)
    with pytest.raises(InputError, match="blca and .*fewer are both of blca, but 3 patients .* in only one of them"):
        compare_runs([runs / "blca", fewer], mixed=True)
    other = write_run(tmp_path / "other", knows={"good": 0.5}, cohort=5)
    with pytest.raises(InputError, match="the follow-up of 120 patients differs"):
        compare_runs([runs / "blca", other])


def test_a_method_that_failed_is_left_out_and_named(runs, tmp_path):
    run = shutil.copytree(runs / "blca", tmp_path / "run")
    about = json.loads((run / "provenance.json").read_text())
    about["methods"] += ["abmil", "dualtrans"]
    about["failed"] = [{"method": "abmil", "fold": 1, "sentence": "Its loss is not finite."}]
    (run / "provenance.json").write_text(json.dumps(about))
    found = compare_runs([run])
    assert not {"abmil", "dualtrans"} & set(found.table["row"])
    assert f"abmil of {run} failed and is left out. Its loss is not finite." in found.notes
    assert any(note.startswith(f"dualtrans of {run} has no results") for note in found.notes)


@pytest.mark.parametrize("gone", ["provenance.json", "metrics.csv", "splits.csv", "outcomes.csv", "good/fold_1"])
def test_a_run_half_deleted_is_told_by_the_missing_file(gone, runs, tmp_path):
    run = shutil.copytree(runs / "blca", tmp_path / "run")
    shutil.rmtree(run / gone) if (run / gone).is_dir() else (run / gone).unlink()
    with pytest.raises(InputError, match=rf"{gone}.* does not exist\. Name a folder that `prognoscope run` has"):
        compare_runs([runs / "luad", run])


def test_a_number_that_is_not_a_mean_over_folds_is_refused(runs):
    with pytest.raises(MetricError, match="d_calibration_p has no mean over folds"):
        compare_runs([runs / "blca"], metric="d_calibration_p")


def test_published_values_stand_below_the_method_and_under_their_cohort(runs):
    found = compare_runs([runs / "blca", runs / "luad"], published=True)
    table = found.table[found.table["kind"] == "published"]
    row = table[(table["row"] == "snn, published by G-HANet") & (table["column"] == "luad")].iloc[0]
    assert (row["mean"], row["sd"], row["group"]) == (0.611, 0.047, "genes")
    rows = [label for _, _, label, _ in rows_of(found)]
    assert rows[rows.index("good") + 1] == "snn, published by G-HANet (optimistic)"
    mean = table[(table["row"] == "snn, published by G-HANet") & (table["column"] == "Mean")]["mean"].item()
    assert mean == pytest.approx((0.618 + 0.611) / 2)
    assert set(table["mark"]) == {""} and pd.isna(table["low"]).all()


def test_a_yardstick_stands_with_what_it_was_given(tmp_path):
    alone = compare_runs([write_run(tmp_path / "alone", knows={"clinical": 0.3})])
    assert ours(alone, "blca").loc["clinical", "group"] == "clinical" and not alone.notes
    both = compare_runs([write_run(tmp_path / "both", knows={"clinical": 0.3}, genes=(4, 5))])
    assert ours(both, "blca").loc["clinical", "group"] == "genes"
    assert both.notes == ("clinical has the clinical covariates beside the genes.",)
    all_three = compare_runs([write_run(tmp_path / "all", knows={"sum": 0.3}, genes=(4, 5))])
    assert ours(all_three, "blca").loc["sum", "group"] == "both"
    assert all_three.notes == ("sum has the clinical covariates beside the slides and genes.",)


def test_groups_follow_what_a_method_predicts_from():
    assert group_of({"omics"}, set()) == group_of(set(), set()) == "genes"
    assert group_of({"bag"}, {"subtype"}) == "slides"
    assert group_of({"bag"}, {"omics"}) == "distilled"
    assert group_of({"bag", "omics"}, {"subtype"}) == "both"
