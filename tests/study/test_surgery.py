"""What genes and bags are worth to a trained model, and what permuted outcomes teach."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.evaluation.concordance import concordance
from prognoscope.runs.read import Run
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.study import Study
from prognoscope.training.surgery import SHUFFLES

pytestmark = pytest.mark.usefixtures("sketched")

TINY_MCTI = {"name": "mcti", "k": 4, "d": 16, "gene_hidden": 16, "layers": 1, "gene_groups": 2, "gene_heads": 2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of a method of genes, of bags, of both, and of none of them to predict from."""
    folder = tmp_path_factory.mktemp("surgery") / "cohort"
    simulate_cohort(folder, patients=20, seed=1, features_only=True, bag_sizes=(3, 6))
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    settings |= {"training": {"epochs": 1}, "methods": ["snn", "abmil", TINY_MCTI], "evaluation": {"draws": 20}}
    settings["splits"]["folds"] = 2
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))
    return Study.load(folder / "study.yaml").run()


def test_the_table_holds_drops_that_the_files_give(finished):
    table = pd.read_csv(finished.folder / "surgery.csv", dtype={"fold": str})
    kinds = {method: set(rows["surgery"]) for method, rows in table.groupby("method")}
    assert kinds["snn"] == {"genes shuffled", "outcomes permuted"}
    assert kinds["abmil"] == {"bags shuffled", "outcomes permuted"}
    assert kinds["mcti"] == {"genes shuffled", "bags shuffled", "outcomes permuted"}
    drops = []
    for fold in Run(finished.folder).folds("mcti"):
        risks = pd.read_csv(
            finished.folder / "mcti" / f"fold_{fold.fold}" / "surgery.csv", float_precision="round_trip"
        )
        true = {"time": fold.outcome.time, "event": fold.outcome.event}  # never shuffled
        after = [concordance(risks[f"bags_{i}"].to_numpy(), **true).value for i in range(SHUFFLES)]
        drops.append(concordance(fold.prediction.risk, **true).value - np.mean(after))
    row = table.query("method == 'mcti' and surgery == 'bags shuffled' and fold == 'all'").iloc[0]
    assert row["drop"] == pytest.approx(np.mean(drops)) and row["low"] <= row["high"]
    assert table.query("surgery == 'outcomes permuted'")["fold"].tolist() == ["0", "0", "0"]


def test_the_report_tells_it_with_a_dash_for_what_a_method_does_not_need(finished):
    page = finished.report.read_text()
    assert "What each modality is worth" in page and "hints at a leak" in page
    section = page[page.index('<h2 id="surgery">') :]
    row = section[section.index(">snn<") :].split("</tr>")[0]
    assert row.count("<td") == 4 and row.count(">\u2013</td>") == 1


def test_surgery_that_was_stopped_goes_on_to_the_same_numbers(finished):
    whole = (finished.folder / "surgery.csv").read_bytes()
    stamp = (finished.folder / "snn" / "permuted" / "predictions.csv").stat().st_mtime_ns
    (finished.folder / "mcti" / "fold_1" / "surgery.csv").unlink()
    for path in (finished.folder / "abmil" / "permuted").iterdir():
        path.unlink()
    Study.load(finished.folder.parent / "study.yaml").run()
    assert (finished.folder / "surgery.csv").read_bytes() == whole
    assert (finished.folder / "snn" / "permuted" / "predictions.csv").stat().st_mtime_ns == stamp


def test_a_failed_surgery_leaves_the_method_in_the_table(finished, monkeypatch, tmp_path):
    study = Study.load(finished.folder.parent / "study.yaml", ["methods=[snn, abmil]"])
    monkeypatch.setattr("prognoscope.training.surgery.with_shuffled", lambda *_: 1 / 0)
    run = study.run(tmp_path / "run")
    assert len(run.failures) == 4 and "genes and bags shuffled" in run.failures[0].sentence
    assert json.loads((run.folder / "provenance.json").read_text())["methods"] == ["snn", "abmil"]
    assert set(pd.read_csv(run.folder / "surgery.csv")["surgery"]) == {"outcomes permuted"}


def test_a_run_of_one_modality_has_none(finished, tmp_path):
    study = Study.load(finished.folder.parent / "study.yaml", ["methods=[snn]"])
    assert not (study.run(tmp_path / "run").folder / "surgery.csv").exists()
    assert not (tmp_path / "run" / "snn" / "permuted").exists()
