"""Log-rank p and hazard ratio by method and cohort: of all held-out patients, and neither averaged nor compared."""

import numpy as np
import pytest
from lifelines import CoxPHFitter
from lifelines.statistics import logrank_test

from prognoscope.core.errors import MetricError
from prognoscope.report.comparison_page import write_comparison
from prognoscope.report.comparison_text import MARKS, caption_of, cell_text, sentences_of, summary_table
from prognoscope.runs.read import Run
from prognoscope.runs.tables import PREDICTIONS
from prognoscope.study.comparing import compare_runs
from tests.analysis.fake_runs import write_run

pytestmark = pytest.mark.usefixtures("sketched")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    at = tmp_path_factory.mktemp("runs")
    write_run(at / "blca", knows={"best": 0.95, "poor": 0.05})
    write_run(at / "luad", knows={"best": 0.95, "poor": 0.05}, name="luad", cohort=1)
    return at


def held_out(run, method):
    table = Run(run).method(method).predictions
    return table.assign(is_high=table["risk"] >= np.median(table["risk"]))


def test_p_values_are_those_of_all_held_out_patients_in_two_halves(runs):
    found = compare_runs([runs / "blca", runs / "luad"], metric="log_rank_p")
    assert found.columns == ["blca", "luad"] and found.pairs.empty and not found.figures
    assert len(found.table) == 4 and set(found.table["mark"]) == {""} and found.table["sd"].isna().all()
    for row in found.table.to_dict("records"):
        table = held_out(runs / row["column"], row["row"])
        high, low = (table[table["is_high"] == group] for group in (True, False))
        p = logrank_test(high["time"], low["time"], high["event"], low["event"]).p_value
        assert row["mean"] == pytest.approx(p, rel=1e-9)
    assert found.table.set_index(["row", "column"])["mean"]["best", "blca"] < 1e-6
    assert "e-" in cell_text(found, "best", "blca")[0] and cell_text(found, "poor", "blca")[0].startswith("0.")
    assert "all folds together" in caption_of(found) and MARKS not in sentences_of(found)


def test_hazard_ratios_have_the_interval_of_coxs_regression_on_the_groups(runs, tmp_path):
    found = compare_runs([runs / "blca"], metric="hazard_ratio")
    row = found.table.set_index("row").loc["best"]
    table = held_out(runs / "blca", "best")[["time", "event", "is_high"]].astype(float)
    fit = CoxPHFitter().fit(table, "time", "event")
    expected = [fit.hazard_ratios_.iloc[0], *np.exp(fit.confidence_intervals_.to_numpy()[0])]
    assert [row["mean"], row["low"], row["high"]] == pytest.approx(expected, rel=1e-4)
    shown = f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    assert cell_text(found, "best", "blca")[0] == shown
    assert list(summary_table(found)) == ["method", "hazard_ratio", "low", "high"]
    written = write_comparison(found, tmp_path)
    assert shown in written[0].read_text() and shown in (tmp_path / "comparison.md").read_text()


def test_seeds_are_not_averaged_and_groups_that_do_not_exist_are_told(runs, tmp_path):
    seeds = [write_run(tmp_path / f"seed{i}", knows={"best": 0.5, "poor": 0.05}, seed=i) for i in range(3)]
    alone = [compare_runs([run], metric="log_rank_p").table.set_index("row")["mean"]["best"] for run in seeds]
    found = compare_runs(seeds, metric="log_rank_p")
    assert found.table.set_index("row")["mean"]["best"] == sorted(alone)[1]
    assert any(note.startswith("blca: the middle of 3 seeds, which are not combined") for note in found.notes)
    for files in Run(seeds[0]).files.folds("poor"):
        PREDICTIONS.write(files.predictions, PREDICTIONS.read(files.predictions).assign(risk=1.0))
    found = compare_runs([seeds[0]], metric="log_rank_p")
    assert found.table["row"].tolist() == ["best"]
    assert any("log_rank_p of poor in blca is not defined. All 120 patients" in note for note in found.notes)


def test_a_metric_that_does_not_exist_is_told_by_its_nearest_name(runs):
    with pytest.raises(MetricError, match="There is no metric 'logrank_p'; did you mean 'log_rank_p'"):
        compare_runs([runs / "blca"], metric="logrank_p")
