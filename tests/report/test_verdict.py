"""The tables and the verdict: numbers of the run, marked best only where the data say so."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from prognoscope.analysis.optimism_table import choice_table
from prognoscope.analysis.patient_counts import fold_table, follow_up
from prognoscope.analysis.standings import (
    best_method,
    difference_table,
    is_better,
    method_table,
    paired,
    ranking,
)
from prognoscope.core.words import listed
from prognoscope.evaluation.summary import evaluate
from prognoscope.report.number_words import interval, number, p_text
from prognoscope.report.sections.verdict import verdict
from prognoscope.report.table_text import method_rows
from prognoscope.runs.read import Run


def with_comparison(folder, low, high):
    table = pd.read_csv(folder / "comparison.csv")
    sign = np.where(table["method_a"] == "mcti", 1, np.where(table["method_b"] == "mcti", -1, 0))
    ends = np.sort(np.column_stack([sign * low, sign * high]), axis=1)
    table.assign(low=ends[:, 0], high=ends[:, 1]).to_csv(folder / "comparison.csv", index=False)
    return Run(folder)


def test_the_table_holds_the_numbers_of_the_run(run):
    table = method_table(run).set_index("method")
    assert list(table.index) == ["coxph", "snn", "meanmil", "abmil", "mcti", "oracle", "oracle_slides", "oracle_genes"]
    for name in table.index:
        row = run.summary(name, "c_index")
        assert table.loc[name, "c_index"] == row["value"]
        folds = [table.loc[name, f"fold_{fold}"] for fold in range(5)]
        assert np.mean(folds) == pytest.approx(row["value"])
        assert np.std(folds) == pytest.approx(table.loc[name, "c_index_sd"])
    way = (table.loc["mcti", "c_index"] - 0.5) / (table.loc["oracle", "c_index"] - 0.5)
    assert table.loc["mcti", "of_the_way"] == pytest.approx(way)
    assert table.loc["oracle_genes", "kind"] == "oracle"


def test_the_printed_table_has_a_header_and_every_method_and_oracle(run):
    header, *rows = method_rows(run)
    assert header[:2] == ("Method", "C-index (95 % interval)")
    assert len(rows) == 8
    assert all(len(row) == len(header) for row in rows)


def test_a_difference_is_the_same_whichever_way_round_it_was_kept(run):
    one, other = paired(run, "c_index", "coxph", "mcti"), paired(run, "c_index", "mcti", "coxph")
    assert one["difference"] == -other["difference"]
    assert (one["low"], one["high"]) == (-other["high"], -other["low"])
    assert paired(run, "c_index", "coxph", "oracle") is None


def test_best_is_marked_only_where_every_paired_interval_supports_it(run_copy):
    assert best_method(with_comparison(run_copy, 0.01, 0.1), "c_index") == "mcti"
    run = with_comparison(run_copy, -0.01, 0.1)
    assert best_method(run, "c_index") is None
    assert not method_table(run)["best"].any()


def test_an_optimistic_number_is_never_best_beside_honest_ones(run_copy):
    provenance = json.loads((run_copy / "provenance.json").read_text())
    for optimistic, best in [({"mcti": "why"}, None), (dict.fromkeys(["mcti", "snn", "coxph"], "why"), "mcti")]:
        (run_copy / "provenance.json").write_text(json.dumps(provenance | {"optimistic": optimistic}))
        run = with_comparison(run_copy, 0.01, 0.1)
        assert best_method(run, "c_index") == best
        assert ("this is no fair lead" in " ".join(verdict(run))) == (best is None)


def test_a_fold_is_read_as_evaluation_needs_it(run):
    table = evaluate(run.folds("mcti"), metrics=["c_index"], draws=0).set_index("fold")
    assert table.loc["all", "value"] == pytest.approx(run.summary("mcti", "c_index")["value"], abs=1e-12)


def test_lower_is_better_for_the_brier_score():
    row = pd.Series({"metric": "integrated_brier", "low": -0.03, "high": -0.01})
    assert is_better(row)
    assert not is_better(row.replace("integrated_brier", "c_index"))


def test_the_differences_begin_with_the_pairs_of_the_leader(run):
    table = difference_table(run)
    leader = ranking(run, "c_index")[0]
    assert list(table["method_a"][:4]) == [leader] * 4
    assert len(table) == 10
    assert (table["difference"] >= 0).all()


def test_the_verdict_says_whether_the_interval_supports_the_lead(run_copy):
    supported = " ".join(verdict(with_comparison(run_copy, 0.01, 0.1)))
    assert "mcti has the highest C-index" in supported
    assert "the data support the lead" in supported
    assert re.search("Its lead over (coxph|snn) is supported too.", supported)
    level = " ".join(verdict(with_comparison(run_copy, -0.01, 0.1)))
    assert "the data do not tell the two apart" in level
    assert "the best possible C-index, that of the true risk, is" in level
    assert re.search("Its lead over (coxph|snn) is not supported[.]", level)


def test_choosing_the_best_epoch_adds_what_the_histories_say(run):
    table = choice_table(run, run.optimism).set_index("method")
    assert "coxph" not in table.index
    history = run.methods["snn"].history
    gains = [
        part["test_c_index"].max() - part.loc[part["chosen"], "test_c_index"].iloc[0]
        for _, part in history.groupby("fold")
    ]
    assert table.loc["snn", "added"] == pytest.approx(np.mean(gains))
    assert table.loc["snn", "most_added"] == pytest.approx(max(gains))
    assert (table["added"] >= 0).all()


def test_folds_and_follow_up_count_every_patient_once(run):
    folds = fold_table(run)
    tested, seen = folds[folds["part"] == "test"], follow_up(run)
    assert seen["patients"] == tested["patients"].sum() == 120 and seen["events"] == tested["events"].sum()
    assert (folds.groupby("fold")["patients"].sum() == 120).all()


def test_numbers_as_readers_see_them():
    assert number(-0.0123) == "\u22120.012"
    assert number(np.nan) == "\u2013"
    assert interval(-0.1, 0.2, 2, sign=True) == "\u22120.10 to +0.20"
    assert (p_text(0.0004), p_text(0.0312), p_text(0.4)) == ("p < 0.001", "p = 0.031", "p = 0.40")
    assert p_text(np.nan) == "p not computed"
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
    assert listed(list("abcdefgh")) == "a, b, c, d and 4 more"
