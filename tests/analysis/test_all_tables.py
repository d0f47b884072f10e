"""All tables of a run at once: each file parsed once, each number what its files say."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.analysis.ablation_table import AblationRow
from prognoscope.analysis.all_tables import Questions, write_tables
from prognoscope.analysis.metric_table import metric_table
from prognoscope.evaluation.concordance import concordance
from prognoscope.evaluation.summary import evaluate
from prognoscope.report.page import write_report
from prognoscope.report.table_text import method_rows
from prognoscope.runs.card import read_card, write_card
from prognoscope.runs.read import Run
from prognoscope.runs.tables import PREDICTIONS, SURGERY_RISKS, TRIALS
from tests.report.fake_run import write_fake_run

METHODS = ("coxph", "snn", "mcti")
ASKED = Questions(
    methods=METHODS,
    pairs=(("coxph", "snn"), ("mcti", "snn")),
    ablations=(AblationRow("snn", "all on", "snn"), AblationRow("snn", "w/o all", "coxph")),
    has_surgery=True,
    draws=40,
    seed=3,
)


def c_index(fold, risk) -> float:
    return concordance(np.asarray(risk), time=fold.outcome.time, event=fold.outcome.event).value


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """A run with everything that a table is computed from, and its notes; not to be changed."""
    folder = tmp_path_factory.mktemp("analysed") / "run"
    run = Run(write_fake_run(folder, skill={"coxph": 0.3, "snn": 0.5, "mcti": 0.9}, patients=90, folds=3))
    rng = np.random.default_rng(0)
    for method in METHODS:
        for files in run.files.folds(method):
            risks = run.method(method).tested[files.number][["patient_id", "risk"]]
            table = {"patient_id": risks["patient_id"][::-1]}  # in another order than the predictions
            table |= {f"genes_{i}": rng.permutation(risks["risk"]) for i in range(3)}
            table |= {f"bags_{i}": rng.permutation(risks["risk"]) for i in range(2)} if method == "mcti" else {}
            SURGERY_RISKS.write(files.surgery, pd.DataFrame(table))
            card = read_card(files.card)
            chosen = {"notes": ["Genes are few."]} if method != "coxph" else None
            values = {name: getattr(card, name) for name in card.__slots__}
            write_card(files.card, type(card)(**values | {"gene_selection": chosen}))
        permuted = run.method(method).tested[1].assign(risk=lambda t: rng.permutation(t["risk"]))
        PREDICTIONS.write(run.files.permuted(method).predictions, permuted)
    for files in run.files.folds("snn"):
        trials = {"trial": [0, 1, 2], "rate": ["0.1", "0.2", "0.3"], "loss": [1.5, np.nan, 1.25]}
        trials |= {"failed": ["", "why", ""], "chosen": [False, False, True], "key": "k"}
        TRIALS.write(files.trials, pd.DataFrame(trials))
    for path in (run.files.metrics, run.files.comparison, run.files.optimism):
        path.unlink()
    return folder, write_tables(Run(folder), ASKED)


@pytest.fixture
def run(analysed) -> Run:
    return Run(analysed[0])


def test_analysis_and_report_parse_each_file_of_a_run_once(analysed, parsed, monkeypatch):
    monkeypatch.setattr(
        "prognoscope.report.page_section.render", lambda *_: '<svg width="1.0pt" height="1.0pt"></svg>\n'
    )
    run = Run(analysed[0])
    write_tables(run, ASKED)
    write_report(run)
    method_rows(run)
    ours = {path: n for path, n in parsed.items() if path.startswith(str(run.folder))}
    assert set(ours.values()) == {1}
    read = {path.removeprefix(str(run.folder) + "/") for path in ours}
    assert {"splits.csv", "outcomes.csv", "metrics.csv", "search.csv", "surgery.csv", "provenance.json"} <= read
    for name in ("predictions.csv", "history.csv", "model.json", "search.csv", "surgery.csv"):
        assert f"snn/fold_2/{name}" in read
    assert "mcti/permuted/predictions.csv" in read


def test_metrics_are_those_of_the_predictions(run):
    for method in METHODS:
        values = [c_index(fold, fold.prediction.risk) for fold in run.folds(method)]
        assert run.by_fold(method, "c_index").tolist() == values
        row = run.summary(method, "c_index")
        assert (row["value"], row["sd"]) == pytest.approx((np.mean(values), np.std(values)), abs=1e-12)
        again = evaluate(run.folds(method), metrics=["c_index"], draws=40, seed=3).iloc[-1]
        assert (row["low"], row["high"]) == (again["low"], again["high"])
    assert list(run.metrics["method"].unique()) == list(METHODS)


def test_only_the_pairs_that_were_asked_for_are_compared_by_both_metrics(run):
    table = run.comparison
    assert list(table[["metric", "method_a", "method_b"]].itertuples(index=False, name=None)) == [
        (metric, *pair) for metric in ("c_index", "integrated_brier") for pair in ASKED.pairs
    ]
    for row in table[table["metric"] == "c_index"].to_dict("records"):
        a, b = (run.by_fold(row[name], "c_index") for name in ("method_a", "method_b"))
        assert row["difference"] == pytest.approx((a - b).mean(), abs=1e-12)
        assert row["low"] < row["difference"] < row["high"]


def test_ablations_have_the_numbers_of_metrics_and_pairs(run):
    whole, without = run.ablations.to_dict("records")
    assert (whole["row"], without["row"]) == ("all on", "w/o all")
    pair = run.comparison.iloc[0]
    assert [without[name] for name in ("difference", "p_bootstrap", "p_t")] == pair[
        ["difference", "p_bootstrap", "p_t"]
    ].tolist()
    assert without["c_index"] == run.summary("coxph", "c_index")["value"] and np.isnan(whole["difference"])
    assert without["integrated_brier"] == run.summary("coxph", "integrated_brier")["value"]


def test_surgery_compares_each_patient_with_their_own_outcome(run):
    table = run.surgery
    kinds = {method: list(rows["surgery"].unique()) for method, rows in table.groupby("method")}
    assert kinds["snn"] == ["genes shuffled", "outcomes permuted"]
    assert kinds["mcti"] == ["genes shuffled", "bags shuffled", "outcomes permuted"]
    drops = []
    for fold in run.folds("mcti"):
        risks = run.method("mcti").operated[fold.fold].set_index("patient_id").loc[list(fold.outcome.patients)]
        after = np.mean([c_index(fold, risks[f"genes_{i}"]) for i in range(3)])
        drops.append(c_index(fold, fold.prediction.risk) - after)
    rows = table[(table["method"] == "mcti") & (table["surgery"] == "genes shuffled")].set_index("fold")
    assert rows["drop"].tolist() == pytest.approx([*drops, np.mean(drops)], abs=1e-12)
    assert ((rows["low"] <= rows["drop"]) & (rows["drop"] <= rows["high"])).all()
    permuted = table[(table["method"] == "snn") & (table["surgery"] == "outcomes permuted")]
    assert permuted["fold"].tolist() == ["1"]  # the fold whose patients it predicts
    fold, risk = run.fold("snn", 1), run.method("snn").permuted.set_index("patient_id")["risk"]
    assert permuted["after"].item() == pytest.approx(c_index(fold, risk.loc[list(fold.outcome.patients)]))


def test_chosen_settings_are_those_of_the_chosen_trial(run):
    rows = run.settings.to_dict("records")
    assert [row["fold"] for row in rows] == [0, 1, 2]
    assert {(row["method"], row["setting"], row["value"], row["loss"]) for row in rows} == {
        ("snn", "rate", "0.3", 1.25)
    }
    assert {(row["trials"], row["failed"]) for row in rows} == {(3, 1)}


def test_a_note_on_genes_is_told_once_with_its_methods(analysed):
    assert analysed[1][-1] == "snn, mcti: Genes are few."


def test_whoever_knows_the_truth_has_a_c_index_of_one(analysed):
    run = Run(analysed[0])
    patients = list(run.outcomes.patients)
    risk = pd.Series(-run.outcomes.time, index=patients)
    table, _ = metric_table(run, {"snn": run.folds("snn")}, draws=5, seed=0, oracles={"oracle": risk})
    row = table[(table["method"] == "oracle") & (table["fold"] == "all")]
    assert row["metric"].tolist() == ["c_index"] and row["value"].item() == 1.0
