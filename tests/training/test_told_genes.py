"""A fold of a method that learns to tell genes: chosen from training patients, told of test patients who have some."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.splits import Split
from prognoscope.core.errors import OmicsError
from prognoscope.evaluation.rank_correlation import spearman
from prognoscope.omics.tables import OmicsTable
from prognoscope.training.method import Method
from prognoscope.training.spec import TrainingSpec
from tests.training.toys import FAST, files, folder_of, shuffled, with_outcome

SMALL = {"hidden_dim": 16, "heads": 2, "attention_dim": 8, "compress_dim": 8, "dropout": 0.0}


@pytest.fixture(scope="module")
def job_of(toy):
    def job(folder, **changes):
        options = SMALL | changes.pop("options", {})
        method = Method("ghanet", "ghanet", options, FAST)
        return replace(toy.job(folder), method=method, gene_metric=spearman, **changes)

    return job


@pytest.fixture(scope="module")
def finished(job_of, tmp_path_factory):
    return folder_of(job_of(tmp_path_factory.mktemp("told") / "ghanet"))


def test_a_fold_also_keeps_the_choice_and_the_reconstruction(toy, finished):
    assert {"genes.csv", "reconstruction.csv", "predictions.csv"} < set(files(finished))
    genes, told = pd.read_csv(finished / "genes.csv"), pd.read_csv(finished / "reconstruction.csv")
    assert list(genes) == ["group", "gene", "p", "p_adjusted", "kept", "rule"]
    assert genes["gene"].tolist() == list(toy.cohort.omics.values.columns)
    assert told["gene"].tolist() == genes.loc[genes["kept"] == 1, "gene"].tolist()
    assert told["spearman"].between(-1, 1).all() and (told["patients"] == len(toy.split.test)).all()


def test_an_interrupted_training_gives_the_bytes_of_an_unbroken_one(job_of, finished, tmp_path):
    job = job_of(tmp_path / "again", spec=TrainingSpec(save_every_s=0.0))

    def stop(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder_of(job, stop)
    assert (tmp_path / "again" / "state.safetensors").is_file()
    assert files(folder_of(job)) == files(finished)


def test_genes_and_outcomes_of_test_patients_change_no_choice_no_weight_and_no_risk(toy, job_of, finished, tmp_path):
    values = toy.cohort.omics.values.copy()
    tested = values.index.isin(toy.split.test)
    values[tested] = np.random.default_rng(1).normal(9, 9, values[tested].shape).astype(np.float32)
    other = replace(with_outcome(toy.cohort, shuffled(toy.split.test)), omics=OmicsTable(values))
    ours, theirs = files(finished), files(folder_of(job_of(tmp_path / "other", cohort=other)))
    for name in ("genes.csv", "model.safetensors", "model.json"):
        assert ours[name] == theirs[name]
    assert ours["reconstruction.csv"] != theirs["reconstruction.csv"]
    risks = [pd.read_csv(at / "predictions.csv")["risk"] for at in (finished, tmp_path / "other")]
    pd.testing.assert_series_equal(*risks)


def test_patients_without_genes_train_and_are_predicted_but_are_not_compared(toy, job_of, tmp_path):
    without = [*toy.split.train[:3], *toy.split.test[:4]]
    values = toy.cohort.omics.values.drop(index=without)
    folder = folder_of(job_of(tmp_path / "some", cohort=replace(toy.cohort, omics=OmicsTable(values))))
    predictions, told = pd.read_csv(folder / "predictions.csv"), pd.read_csv(folder / "reconstruction.csv")
    assert predictions["patient_id"].tolist() == list(toy.split.test) and np.isfinite(predictions["risk"]).all()
    assert (told["patients"] == len(toy.split.test) - 4).all()


def test_nobody_to_compare_leaves_the_correlations_open(toy, job_of, tmp_path):
    values = toy.cohort.omics.values.drop(index=list(toy.split.test))
    folder = folder_of(job_of(tmp_path / "none", cohort=replace(toy.cohort, omics=OmicsTable(values))))
    told = pd.read_csv(folder / "reconstruction.csv")
    assert (told["patients"] == 0).all() and told["spearman"].isna().all()


def test_too_few_deaths_to_compare_are_said_with_the_fold(toy, job_of, tmp_path):
    late = [toy.cohort.patients[i] for i in np.argsort(toy.cohort.outcome.time)[-12:]]
    split = Split(0, tuple(late[:8]), tuple(late[8:]), toy.split.test)
    bins = {"n_bins": 2, "bins_from": "cohort"}
    with pytest.raises(OmicsError, match="ghanet, fold 0: .* 12 training patients of low risk and 0 of high"):
        folder_of(job_of(tmp_path / "few", split=split, bins=bins))


def test_all_genes_are_told_where_none_is_chosen(toy, job_of, tmp_path):
    folder = folder_of(job_of(tmp_path / "all", options={"differential": "none"}))
    assert set(pd.read_csv(folder / "genes.csv")["rule"]) == {"none"}
    assert len(pd.read_csv(folder / "reconstruction.csv")) == toy.cohort.omics.values.shape[1]
