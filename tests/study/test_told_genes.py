"""A method that learns to tell genes: a study with it, its record, and patients predicted without genes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from prognoscope.analysis.told_data import told_data_of
from prognoscope.core.errors import CohortError, ModelError
from prognoscope.evaluation.metrics import c_index
from prognoscope.runs.manifest import seal_also
from prognoscope.runs.read import Run
from prognoscope.study.apply.predict import predict_patients
from prognoscope.study.explain import explain_run
from prognoscope.study.gene_lengths import lengths_of
from prognoscope.study.study import Study

pytestmark = pytest.mark.usefixtures("sketched")

GHANET = "{name: ghanet, hidden_dim: 16, heads: 2, attention_dim: 8, compress_dim: 8}"
SETTINGS = [f"methods=[{GHANET}]", "splits.folds=2", "training.epochs=1", "evaluation.draws=10"]


@pytest.fixture(scope="module")
def finished(simulated, tmp_path_factory):
    return Study.load(simulated / "study.yaml", SETTINGS).run(tmp_path_factory.mktemp("told") / "run")


@pytest.fixture
def predicted(simulated, finished):
    return predict_patients(finished.folder, simulated / "study.yaml", overlap="keep")


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
    page = finished.report.read_text()
    assert "Genes told from slides" in page and "Honest protocol: every patient" in page
    assert finished.run.provenance == Run(finished.folder).provenance
    figure = pd.read_csv(finished.folder / "figures" / "reconstruction_ghanet.csv")
    assert set(figure["folds"]) <= {1, 2} and figure["group"].nunique() == 6
    lengths = pd.read_csv(finished.folder / "gene_lengths.csv")
    sizes = [json.loads((finished.folder / "ghanet" / f"fold_{i}" / "model.json").read_text())["sizes"] for i in (0, 1)]
    assert lengths["after"].tolist() == np.mean([each["group_sizes"] for each in sizes], axis=0).tolist()
    by_patient = pd.read_csv(finished.folder / "figures" / "reconstruction_patients_ghanet.csv")
    assert by_patient["patient_id"].nunique() == 40 and by_patient.groupby("group").size().le(40).all()


def test_patients_are_predicted_alike_with_genes_without_and_with_others_genes(
    simulated, finished, predicted, study_folder, change
):
    without = predict_patients(finished.folder, change(**{"cohort.omics": None, "cohort.truth": None}), overlap="keep")
    pd.testing.assert_frame_equal(without, predicted)
    shutil.copy(simulated / "study.yaml", study_folder / "study.yaml")
    genes = pd.read_csv(study_folder / "genes.csv")
    genes.columns = ["patient_id", *(f"{name}X" for name in genes.columns[1:])]
    genes.head(20).to_csv(study_folder / "genes.csv", index=False)
    others = predict_patients(
        finished.folder, change(**{"cohort.omics.groups": None, "cohort.truth": None}), overlap="keep"
    )
    pd.testing.assert_frame_equal(others, predicted)
    assert np.isfinite(predicted["risk"]).all()


def test_of_several_seeds_correlations_are_means_and_lengths_those_of_the_first(finished, tmp_path):
    folder = tmp_path / "seeds"
    shutil.copytree(finished.folder, folder / "seed_0")
    other = shutil.copytree(finished.folder, folder / "seed_1")
    for path in other.glob("ghanet/fold_*/reconstruction*.csv"):
        table = pd.read_csv(path)
        table.assign(spearman=1.0).to_csv(path, index=False)
        seal_also([path])
    cohorts, lengths = lengths_of([folder, finished.folder])
    alone, title = f"simulated ({finished.folder})", f"simulated ({folder})"
    assert list(cohorts) == [title, alone] and [len(runs) for runs in cohorts.values()] == [2, 1]
    assert (
        lengths[lengths["cohort"] == title]["after"].tolist() == lengths[lengths["cohort"] == alone]["after"].tolist()
    )
    for by_patient in (False, True):
        both, single = (told_data_of({name: cohorts[name]}, by_patient=by_patient) for name in (title, alone))
        assert both.drop(columns=["cohort", "spearman"]).equals(single.drop(columns=["cohort", "spearman"]))
        np.testing.assert_allclose(both["spearman"], (single["spearman"] + 1) / 2)


@pytest.fixture(scope="module")
def some_without(simulated, tmp_path_factory):
    """A run of four methods of patients of whom the first 16 have no genes, and who they are."""
    folder = shutil.copytree(simulated, tmp_path_factory.mktemp("some") / "study")
    genes = pd.read_csv(folder / "genes.csv")
    genes.iloc[16:].to_csv(folder / "genes.csv", index=False)
    methods = f"methods=[abmil, {GHANET}, snn, {{name: coxph, covariates: omics, penalizers: [0.1]}}]"
    study = Study.load(folder / "study.yaml", [*SETTINGS, methods])
    return study.run(folder / "run"), study, frozenset(genes["patient_id"].head(16))


def test_patients_without_genes_are_lost_to_no_method_that_predicts_without(some_without):
    finished, _, lacking = some_without
    run = finished.run
    everybody = set(run.outcomes.patients)
    assert len(everybody) == 40 and lacking < everybody
    for method in ("abmil", "ghanet"):
        assert set(run.method(method).predictions["patient_id"]) == everybody
        assert set(run.fold(method, 0).train.patients) == {*run.part(0, "train"), *run.part(0, "validation")}
    for method in ("snn", "coxph"):
        assert set(run.method(method).predictions["patient_id"]) == everybody - lacking
        assert not lacking & set(run.fold(method, 0).train.patients)
    told = run.lacking.groupby(["method", "left_out"], sort=False)["patient_id"].apply(frozenset)
    assert told.to_dict() == {("ghanet", False): lacking, ("snn", True): lacking, ("coxph", True): lacking}
    for fold, table in run.method("ghanet").reconstructions.items():
        assert (table["patients"] == len(set(run.part(fold, "test")) - lacking)).all()


def test_methods_are_compared_on_the_patients_of_all_and_their_numbers_on_all_are_beside(some_without):
    finished, _, lacking = some_without
    run = finished.run
    assert run.common == set(run.outcomes.patients) - lacking
    whole, common = run.by_fold("abmil", "c_index"), run.by_fold("abmil", "c_index", common=True)
    for number in run.fold_numbers:
        fold = run.fold("abmil", number)
        kept = fold.take(np.flatnonzero([patient not in lacking for patient in fold.outcome.patients]))
        assert (whole[number], common[number]) == (c_index(fold), c_index(kept))
    pairs = run.comparison[run.comparison["metric"] == "c_index"].set_index(["method_a", "method_b"])
    difference = pairs.loc[("abmil", "ghanet"), "difference"]
    theirs = run.by_fold("ghanet", "c_index", common=True)
    assert difference == pytest.approx((common - theirs).mean())
    assert run.by_fold("snn", "c_index").equals(run.by_fold("snn", "c_index", common=True))
    _, table = finished.printed()
    assert table["Patients"].head(4).tolist() == ["40", "40", "24", "24"]
    assert table["C-index on 24 common patients"][0] != table["C-index (95 % interval)"][0]
    assert sum("whom all methods were tested on" in part for part in run.files.report.read_text().split("<table")) >= 1


def test_each_method_is_measured_among_those_who_lack_the_same(some_without):
    finished, _, lacking = some_without
    run = finished.run
    table = run.by_modality.set_index(["method", "lacks"])
    assert sorted(table.index) == sorted(
        [(method, "nothing") for method in run.methods] + [("abmil", "genes"), ("ghanet", "genes")]
    )
    assert table.loc[("abmil", "genes"), "patients"] == len(lacking)
    assert table.loc[("snn", "nothing"), "c_index"] == run.by_fold("snn", "c_index").mean()
    values = []
    for number in run.fold_numbers:
        fold = run.fold("abmil", number)
        values.append(c_index(fold.take(np.flatnonzero([p in lacking for p in fold.outcome.patients]))))
    assert table.loc[("abmil", "genes"), ["c_index", "folds"]].tolist() == [np.mean(values), len(values)]
    assert "By what patients lack" in run.files.report.read_text()


def test_patients_without_slides_are_lost_to_methods_of_slides_alone(study_folder, tmp_path):
    for path in sorted(study_folder.rglob("*.h5"))[:8]:
        path.unlink()
    methods = "methods=[snn, {name: mcti, k: 4, d: 16, gene_hidden: 16, layers: 1, gene_groups: 2, gene_heads: 2}]"
    run = Study.load(study_folder / "study.yaml", [*SETTINGS, methods]).run(tmp_path / "run").run
    lacking = run.left_out("mcti")
    assert lacking and not run.left_out("snn")
    assert run.patients.loc[sorted(lacking), ["slides", "patches"]].eq(0).all(axis=None)
    common = run.common_metrics.set_index(["method", "metric", "fold"])["value"]
    whole = run.metrics.set_index(["method", "metric", "fold"])["value"]
    assert common["mcti", "subtype_accuracy", "all"] == whole["mcti", "subtype_accuracy", "all"]
    assert common["snn", "c_index", "all"] != whole["snn", "c_index", "all"]


def test_who_lacks_either_teaches_is_operated_on_and_explained_by_what_is_there(study_folder, tmp_path):
    for path in sorted(study_folder.rglob("*.h5"))[:20]:
        path.unlink()
    genes = pd.read_csv(study_folder / "genes.csv")
    genes.iloc[:-10].to_csv(study_folder / "genes.csv", index=False)
    late = "{name: late, inner_folds: 2, members: [{name: coxph, penalizers: [0.1]}, abmil]}"
    settings = [
        f"methods=[gpcox, {{name: porpoise, recipe: balanced}}, {late}]",
        "splits.folds=2",
        "training.epochs=1",
        "evaluation.draws=10",
        "evaluation.surgery=true",
    ]
    finished = Study.load(study_folder / "study.yaml", settings).run(tmp_path / "run")
    run = finished.run
    assert not finished.failures
    without = sorted(run.lacking.query("method == 'late' and lacks == 'slides'")["patient_id"])
    assert without and {"late", "porpoise"} <= set(run.surgery["method"])
    for kept in explain_run(run, patients=without[:1]):
        assert not kept.about.maps and {"genes", "covariates"} >= set(kept.modalities["modality"])


def test_who_lacks_genes_is_told_before_and_after(some_without):
    finished, study, _ = some_without
    told = "Neither trained nor tested on 16 patients of 40 without genes: snn and coxph."
    alone = "Trained by the outcome alone, and tested, on 16 patients of 40 without genes: ghanet."
    audit = study.check()
    assert {told, alone} <= set(audit.notes) and {told, alone} <= set(finished.notes)
    counted = audit.tables["Patients of each method"].set_index("method")
    assert counted["patients"].to_dict() == {"abmil": 40, "ghanet": 40, "snn": 24, "coxph": 24}
    assert counted.loc["ghanet", ["without it", "left out"]].tolist() == [16, 0]


def test_a_run_in_which_everybody_has_genes_tells_of_nobody_who_lacks_them(finished):
    run = finished.run
    assert not run.files.lacking.exists() and not run.files.common_metrics.exists()
    assert run.common_metrics is run.metrics and run.common == set(run.outcomes.patients)


def test_a_method_with_too_few_patients_of_its_own_is_refused_before_any_work(study_folder):
    genes = pd.read_csv(study_folder / "genes.csv")
    genes.tail(6).to_csv(study_folder / "genes.csv", index=False)
    study = Study.load(study_folder / "study.yaml", [*SETTINGS, "methods=[abmil, snn]"])
    with pytest.raises(CohortError, match="snn has what it needs of 6 of the 40 patients.*take snn off the list"):
        study.check()


def test_a_study_without_genes_is_told_what_they_are_for(simulated):
    study = Study.load(simulated / "study.yaml", [*SETTINGS, "cohort.omics=null", "cohort.truth=null"])
    with pytest.raises(ModelError, match="ghanet needs genes to learn from, though not to predict, and no patient has"):
        study.check()


def test_a_wrong_rule_is_refused_before_any_work(simulated):
    study = Study.load(simulated / "study.yaml", ["methods=[{name: ghanet, differential: deseq}]"])
    with pytest.raises(ModelError, match="rule 'deseq'; did you mean 'deseq2'"):
        study.check()
