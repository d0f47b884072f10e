"""Where the cut between high and low risk comes from."""

import json

import numpy as np
import pytest

from prognoscope.analysis.risk_cuts import cut_from, high_risk, log_rank_p
from prognoscope.evaluation.risk_groups import split_by_risk
from prognoscope.report.sections.survival_curves import survival_content
from prognoscope.runs.read import Run
from prognoscope.runs.tables import TRAINING_RISKS
from tests.report.fake_run import write_fake_run


@pytest.fixture
def folder(tmp_path):
    return write_fake_run(tmp_path / "run", skill={"snn": 0.5}, patients=60, folds=3)


def test_each_patient_is_cut_at_the_median_of_the_training_part_of_the_own_fold(folder):
    run = Run(folder)
    assert cut_from(run, "snn") == "train"
    for row, is_high in zip(run.methods["snn"].predictions.to_dict("records"), high_risk(run, "snn"), strict=True):
        learned = run.methods["snn"].training_risks[row["fold"]]
        assert row["patient_id"] not in set(learned["patient_id"]) and len(learned) == 40
        assert is_high == (row["risk"] >= np.median(learned["risk"]))


def test_other_cuts_give_other_groups_and_each_its_p(folder):
    path = next(Run(folder).files.folds("snn")).training_risks
    table = TRAINING_RISKS.read(path)
    TRAINING_RISKS.write(path, table.assign(risk=table["risk"] - 1))
    run = Run(folder)
    groups = {cut: high_risk(run, "snn", cut) for cut in ("train", "pooled", "fold")}
    assert groups["train"].sum() > groups["pooled"].sum() == 30
    assert np.array_equal(groups["pooled"], split_by_risk(run.methods["snn"].predictions["risk"].to_numpy()))
    assert all(groups["fold"][i : i + 20].sum() == 10 for i in (0, 20, 40))
    assert log_rank_p(run, "snn", "train") != log_rank_p(run, "snn", "pooled")


def test_a_run_without_risks_of_training_patients_is_cut_at_the_pooled_median_and_says_so(folder):
    next(Run(folder).files.folds("snn")).training_risks.unlink()
    run = Run(folder)
    assert cut_from(run, "snn") == "pooled" and high_risk(run, "snn").sum() == 30
    assert "kept no risks of training patients" in survival_content(run)["note"]


def test_what_the_study_asked_for_is_what_is_cut(folder):
    told = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps(told | {"cut_from": "pooled"}))
    run = Run(folder)
    assert cut_from(run, "snn") == "pooled"
    note = survival_content(run)["note"]
    assert "flatters a little" in note and "kept no risks" not in note


def test_groups_may_be_cut_by_survival_at_the_end_of_the_second_of_four_bins(folder):
    told = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps(told | {"split": "survival"}))
    run = Run(folder)
    table = run.methods["snn"].predictions
    assert np.array_equal(high_risk(run, "snn", "pooled"), table["S_1"] <= table["S_1"].median())
    assert cut_from(run, "snn") == "pooled"  # this run kept no survival of its training patients
    for files in run.files.folds("snn"):
        learned = TRAINING_RISKS.read(files.training_risks)
        TRAINING_RISKS.write(files.training_risks, learned.assign(S_0=0.9, S_1=0.6, S_2=0.4, S_3=0.1))
    again = Run(folder)
    assert cut_from(again, "snn") == "train"
    assert np.array_equal(high_risk(again, "snn"), table["S_1"] <= 0.6)
    assert "survival at the middle time" in survival_content(again)["note"]
