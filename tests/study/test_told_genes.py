"""A method that learns to tell genes: a study with it, its record, and patients predicted without genes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.errors import ModelError
from prognoscope.study.apply import predict_patients
from prognoscope.study.study import Study

pytestmark = pytest.mark.usefixtures("sketched")

GHANET = "{name: ghanet, hidden_dim: 16, heads: 2, attention_dim: 8, compress_dim: 8}"
SETTINGS = [f"methods=[{GHANET}]", "splits.folds=2", "training.epochs=1", "evaluation.draws=10"]


@pytest.fixture(scope="module")
def finished(simulated, tmp_path_factory):
    return Study.load(simulated / "study.yaml", SETTINGS).run(tmp_path_factory.mktemp("told") / "run")


@pytest.fixture
def predicted(simulated, finished):
    return predict_patients(finished.folder, simulated / "study.yaml")


def test_the_run_keeps_which_genes_were_chosen_and_how_well_they_are_told(finished):
    for fold in range(2):
        at = finished.folder / "ghanet" / f"fold_{fold}"
        genes, told = pd.read_csv(at / "genes.csv"), pd.read_csv(at / "reconstruction.csv")
        kept = genes[genes["kept"] == 1]
        assert kept[["group", "gene"]].values.tolist() == told[["group", "gene"]].values.tolist()
        assert ((genes["p_adjusted"] < 0.05) <= (genes["kept"] == 1)).all()
        assert (kept.groupby("group").size() >= 2).all() and len(kept) < len(genes)
        assert (told["patients"] == len(pd.read_csv(at / "predictions.csv"))).all()
        sizes = json.loads((at / "model.json").read_text())["sizes"]["group_sizes"]
        assert sizes == kept.groupby("group", sort=False).size().tolist()
    notes = json.loads((finished.folder / "provenance.json").read_text())["notes"]
    assert sum("chosen by Welch's t-test" in note for note in notes) == 1
    assert "Genes told from slides" in finished.report.read_text()
    figure = pd.read_csv(finished.folder / "figures" / "reconstruction_ghanet.csv")
    assert set(figure["folds"]) <= {1, 2} and figure["group"].nunique() == 6


def test_patients_are_predicted_alike_with_genes_without_and_with_others_genes(
    simulated, finished, predicted, study_folder, change
):
    without = predict_patients(finished.folder, change(**{"cohort.omics": None, "cohort.truth": None}))
    pd.testing.assert_frame_equal(without, predicted)
    shutil.copy(simulated / "study.yaml", study_folder / "study.yaml")
    genes = pd.read_csv(study_folder / "genes.csv")
    genes.columns = ["patient_id", *(f"{name}X" for name in genes.columns[1:])]
    genes.head(20).to_csv(study_folder / "genes.csv", index=False)
    others = predict_patients(finished.folder, change(**{"cohort.omics.groups": None, "cohort.truth": None}))
    pd.testing.assert_frame_equal(others, predicted)
    assert np.isfinite(predicted["risk"]).all()


def test_patients_without_genes_teach_nothing_but_are_told_of(study_folder, tmp_path):
    genes = pd.read_csv(study_folder / "genes.csv")
    genes.iloc[5:].to_csv(study_folder / "genes.csv", index=False)
    run = Study.load(study_folder / "study.yaml", SETTINGS).run(tmp_path / "run")
    splits = pd.read_csv(run.folder / "splits.csv")
    left_out = set(genes["patient_id"].head(5))
    assert not left_out & set(splits["patient_id"])
    predicted = predict_patients(run.folder, study_folder / "study.yaml").set_index("patient_id")
    assert left_out <= set(predicted.index) and np.isfinite(predicted["risk"]).all()


def test_a_study_without_genes_is_told_what_they_are_for(simulated):
    study = Study.load(simulated / "study.yaml", [*SETTINGS, "cohort.omics=null", "cohort.truth=null"])
    with pytest.raises(ModelError, match="ghanet needs genes to learn from, though not to predict, and no patient has"):
        study.check()


def test_a_wrong_rule_is_refused_before_any_work(simulated):
    study = Study.load(simulated / "study.yaml", ["methods=[{name: ghanet, differential: deseq}]"])
    with pytest.raises(ModelError, match="rule 'deseq'; did you mean 'deseq2'"):
        study.check()
