"""Ablations and sweeps by cohort: the paper's rows in its order, each beside its whole, seeds and folds told apart."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.analysis.part_rows import PartRow, _merged
from prognoscope.core.errors import InputError
from prognoscope.evaluation.summary import evaluate
from prognoscope.report.comparison_page import write_comparison
from prognoscope.report.comparison_text import caption_of, cell_text, markdown, rows_of, sentences_of, terminal_table
from prognoscope.runs.read import Run
from prognoscope.runs.tables import ABLATIONS, SWEEPS
from prognoscope.study.comparing import compare_runs
from tests.analysis.fake_runs import write_run

KNOWS = {"good": 0.3, "told": 0.6, "told-less": 0.3, "told-k-10": 0.4, "told-k-35": 0.5}
ABLATED = [("told-less", "m6: all genes"), ("told", "m7: the method")]
VARIED = [("told-k-10", "0.1", "k = 10 %"), ("told", "0.2", "k = 20 %"), ("told-k-35", "0.35", "k = 35 %")]


def write_parts(folder, **more):
    run = write_run(folder, knows=KNOWS, **more)
    rows = [{"ablation_of": "told", "row": row, "method": method} for method, row in ABLATED]
    ABLATIONS.write(run / "ablations.csv", pd.DataFrame(rows).reindex(columns=list(ABLATIONS.columns)))
    told = {"sweep_of": "told", "sweep": "k", "setting": "ratio", "line": ""}
    rows = [told | {"value": value, "row": row, "method": method} for method, value, row in VARIED]
    SWEEPS.write(run / "sweeps.csv", pd.DataFrame(rows).reindex(columns=list(SWEEPS.columns)))
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two cohorts, one of them with two seeds; not to be changed."""
    at = tmp_path_factory.mktemp("runs")
    return [
        write_parts(at / "blca"),
        write_parts(at / "blca1", seed=1),
        write_parts(at / "luad", name="luad", cohort=1),
    ]


def c_index(run, method) -> float:
    table = evaluate(Run(run).folds(method), metrics=["c_index"], draws=0)
    return table.loc[table["fold"] == "all", "value"].item()


def test_rows_are_the_papers_in_its_order_with_the_mean_over_cohorts(runs):
    found = compare_runs(runs, "ablations", draws=40)
    assert [(group, label) for group, _, label, _ in rows_of(found)] == [("told", row) for _, row in ABLATED]
    assert found.columns == ["blca", "luad", "Mean"]
    cell = found.table[found.table["label"] == "m6: all genes"].set_index("column")["mean"]
    blca = np.mean([c_index(run, "told-less") for run in runs[:2]])
    assert cell["blca"] == pytest.approx(blca)
    assert cell["Mean"] == pytest.approx((blca + c_index(runs[2], "told-less")) / 2)
    assert set(found.table["mark"]) == {""} and set(found.pairs["method_a"]) == {"m6: all genes"}
    pair = found.pairs[found.pairs["column"] == "luad"].iloc[0]
    assert pair["method_b"] == "m7: the method"
    assert pair["difference"] == pytest.approx(c_index(runs[2], "told-less") - c_index(runs[2], "told"))


def test_points_of_a_sweep_are_a_table_and_a_curve_cohorts_side_by_side(runs):
    found = compare_runs(runs, "sweeps", draws=40)
    assert [label for _, _, label, _ in rows_of(found)] == ["k = 10 %", "k = 20 %", "k = 35 %"]
    data = found.figures["told by k"]
    assert data["column"].drop_duplicates().tolist() == ["blca", "luad", "Mean"]
    assert data["value"].tolist() == ["0.1", "0.2", "0.35"] * 3
    own = data[data["is_own"]]
    assert (own[["difference", "low", "high"]] == 0).all().all() and set(own["value"]) == {"0.2"}
    assert (data["low"] <= data["difference"]).all() and (data["difference"] <= data["high"]).all()


def test_methods_are_compared_without_the_points_of_their_sweeps(runs):
    assert set(compare_runs(runs[:1], draws=40).table["row"]) == {"good", "told", "told-less"}


def test_the_sd_over_seeds_is_told_apart_from_that_over_folds(runs):
    found = compare_runs(runs[:2], draws=40)
    row = found.table[found.table["row"] == "good"].iloc[0]
    assert row["sd_seeds"] == pytest.approx(np.std([c_index(run, "good") for run in runs[:2]]))
    assert row["sd_seeds"] != pytest.approx(row["sd"])
    assert cell_text(found, "good", "blca")[0] == f"{row['mean']:.3f} ± {row['sd']:.3f} (seeds ± {row['sd_seeds']:.3f})"
    assert "in brackets that (ddof 0) over seeds of the means over folds" in caption_of(found)
    alone = compare_runs(runs[:1], draws=40)
    assert alone.table["sd_seeds"].isna().all() and "brackets" not in caption_of(alone)


@pytest.mark.parametrize("part", ["ablations", "sweeps"])
def test_published_values_stand_below_their_rows(runs, part):
    found = compare_runs(runs, part, draws=40, published=True)
    labels = [label for _, _, label, _ in rows_of(found)]
    assert labels[1::2] == ["published by G-HANet (optimistic)"] * (len(labels) // 2)
    printed = found.table[found.table["kind"] == "published"]
    assert len(printed) == 3 * len(labels) // 2  # two cohorts and their mean
    assert markdown(found).count("published by G-HANet") == len(labels) // 2
    row = (
        "told by k: k = 35 %, published by G-HANet" if part == "sweeps" else "told: m6: all genes, published by G-HANet"
    )
    mean = (0.620 + 0.609) / 2 if part == "sweeps" else (0.617 + 0.583) / 2
    cells = printed[printed["row"] == row].set_index("column")["mean"]
    assert cells["Mean"] == pytest.approx(mean) and cells["blca"] in (0.620, 0.617)


@pytest.mark.parametrize("metric", ["log_rank_p", "hazard_ratio"])
def test_rows_have_values_of_their_risk_groups_too(runs, metric):
    found = compare_runs(runs, "ablations", metric=metric)
    assert found.table["mean"].between(0, np.inf).all() and len(found.table) == 2 * len(ABLATED)
    assert sum("the middle of 2 seeds" in note for note in found.notes) == 1
    with pytest.raises(InputError, match="Published values of ablations are c_index, so they cannot stand beside"):
        compare_runs(runs, "ablations", metric=metric, published=True)


def test_each_kind_of_table_is_written_under_its_own_name(runs, tmp_path):
    names = {
        part or "methods": write_comparison(compare_runs(runs, part, draws=20), tmp_path)[0].name for part in PARTS
    }
    assert names == {"methods": "comparison.html", "ablations": "ablations.html", "sweeps": "sweeps.html"}
    page = (tmp_path / "sweeps.html").read_text()
    assert "Sweeps: C-index on blca and luad" in page and "told by k" in page and "<svg" in page
    assert "minus that of the whole method" in (tmp_path / "ablations.html").read_text()
    assert (tmp_path / "ablations-told-Mean.svg").is_file() and (tmp_path / "sweeps-told-by-k-figure.csv").is_file()


PARTS = (None, "ablations", "sweeps")


def test_runs_without_such_rows_are_refused_with_the_cure(tmp_path):
    run = write_run(tmp_path / "run", knows={"good": 0.5})
    for part, cure in (("ablations", "`ablations: all`"), ("sweeps", "`vary`")):
        with pytest.raises(InputError, match=f"None of these runs has {part}. Give {cure}"):
            compare_runs([run], part)


def test_rows_that_one_run_lacks_stand_where_the_other_has_them():
    def rows(*labels):
        return [PartRow("g", "whole", label, label) for label in labels]

    assert _merged(rows("a", "whole"), rows("a", "b", "whole", "c")) == rows("a", "b", "whole", "c")
    assert _merged([], rows("a")) == rows("a") == _merged(rows("a"), [])


def test_what_is_said_of_methods_alone_is_not_said_of_rows(runs):
    found = compare_runs(runs[:1], "ablations", draws=20)
    assert not any("Best is marked" in said for said in sentences_of(found))
    assert "Paired differences are to the whole method" in caption_of(found)
    assert terminal_table(found)["group"].tolist() == ["told", "told"]
