"""Folds as jobs: what they write, what they never look at, and the same numbers however they are run."""

import json
import math
import pickle
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.dataset import open_bags, prepared_dataset
from prognoscope.cohort.preparation import Preparation
from prognoscope.cohort.splits import Split
from prognoscope.core.claims import claimed
from prognoscope.core.errors import CohortError, TrainingError
from prognoscope.runs.components import read_components
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.manifest import read_manifest
from prognoscope.training.crossval import run_fold
from prognoscope.training.jobs import Elsewhere, cross_validate, run_or_fail
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained
from tests.training.toys import OPTIONS, c_index, files, folder_of, make_toy, shuffled, with_outcome

OF_EPOCHS = {"history.csv", "epoch_risks.csv"}
WRITTEN = {"model.safetensors", "model.json", "predictions.csv", "training_risks.csv"} | OF_EPOCHS
WRITTEN |= {"training_summary.safetensors", "manifest.json"}
METHODS = sorted(OPTIONS)


@pytest.fixture(scope="module")
def finished(toy, tmp_path_factory):
    """A fold of every method, done in one process."""
    folder = tmp_path_factory.mktemp("one")
    return {name: folder_of(toy.job(folder / name, name)) for name in METHODS}


@pytest.mark.parametrize("name", METHODS)
def test_a_fold_leaves_its_files_and_nothing_else(toy, finished, name):
    assert set(files(finished[name])) == WRITTEN - (OF_EPOCHS if name == "coxph" else set())
    table = pd.read_csv(finished[name] / "predictions.csv")
    assert table["patient_id"].tolist() == list(toy.split.test)
    survival = table[["S_0", "S_1", "S_2"]].to_numpy()
    assert (np.diff(survival, axis=1) <= 0).all()
    outcome = toy.cohort.take((*toy.split.train, *toy.split.validation)).outcome
    months = [*np.quantile(outcome.time[outcome.event], [1 / 3, 2 / 3]), outcome.time.max()]
    assert table["S_2"].notna().all()
    assert table[["months_0", "months_1", "months_2"]].to_numpy() == pytest.approx(np.tile(months, (len(table), 1)))
    if name != "coxph":
        assert table["risk"].to_numpy() == pytest.approx(-survival.sum(axis=1), abs=1e-6)
    assert ("subtype_1" in table) == (name == "mcti")


@pytest.mark.parametrize("name", ["abmil", "coxph"])
def test_risks_of_the_training_part_are_those_of_the_model_that_was_kept(toy, finished, name):
    table = pd.read_csv(finished[name] / "training_risks.csv")
    learned = [*toy.split.train, *toy.split.validation]
    assert table["patient_id"].tolist() == learned
    model = Trained.load(FoldFiles(finished[name]), TrainingSpec())
    bags = open_bags(toy.job(finished[name], name).pack)
    assert table["risk"].to_numpy() == pytest.approx(model.predict(toy.cohort, bags, learned).prediction.risk, abs=1e-5)


def test_a_fold_of_a_method_that_splits_its_input_keeps_the_components_of_its_test_patients(toy, tmp_path):
    options = {"k": 3, "d": 16, "gene_hidden": 8, "heads": 2}
    folder = folder_of(toy.job(tmp_path / "ccl", "ccl", options=options, recipe={"epochs": 1}))
    assert set(files(folder)) == WRITTEN | {"components.safetensors"}
    found = read_components(FoldFiles(folder).components)
    assert "components.safetensors" in read_manifest(folder).files
    again = Trained.load(FoldFiles(folder), TrainingSpec()).predict(toy.cohort, open_bags(toy.pack), toy.split.test)
    assert list(found) == ["common", "synergy", "gene", "slide"] == list(again.components)
    for name, values in found.items():
        assert values.shape == (len(toy.split.test), 16)
        assert np.array_equal(values, again.components[name].astype(np.float32))
    without = folder_of(toy.job(tmp_path / "cca", "ccl", options={**options, "ablation": "cca"}, recipe={"epochs": 1}))
    assert set(files(without)) == WRITTEN


@pytest.mark.processes
def test_processes_give_the_bytes_of_one(toy, finished, tmp_path):
    jobs = [toy.job(tmp_path / name, name) for name in METHODS]
    done = list(cross_validate(jobs, run_fold, workers=2))
    assert {job.method.name for job, failure in done if failure is None} == set(METHODS)
    for name in METHODS:
        assert files(tmp_path / name) == files(finished[name])
    assert not list(cross_validate(jobs, run_fold, workers=2))


@pytest.mark.parametrize("choose", ["validation_loss", "last"])
@pytest.mark.parametrize("name", ["abmil", "mcti", "coxph"])
def test_outcomes_of_test_patients_change_no_weight_and_no_risk(toy, tmp_path, name, choose):
    spec = TrainingSpec(choose=choose)
    other = with_outcome(toy.cohort, shuffled(toy.split.test))
    jobs = [toy.job(tmp_path / "a", name, spec=spec), toy.job(tmp_path / "b", name, spec=spec, cohort=other)]
    tables = [pd.read_csv(folder_of(job) / "predictions.csv") for job in jobs]
    assert not tables[0]["time"].equals(tables[1]["time"])
    assert tables[0].drop(columns=["time", "event"]).equals(tables[1].drop(columns=["time", "event"]))
    for file in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_genes_of_test_patients_change_no_weight(toy, tmp_path):
    values = toy.cohort.omics.values.copy()
    values.loc[list(toy.split.test)] *= -3
    other = replace(toy.cohort, omics=replace(toy.cohort.omics, values=values))
    for folder, cohort in (("a", toy.cohort), ("b", other)):
        folder_of(toy.job(tmp_path / folder, "snn", cohort=cohort))
    a, b = files(tmp_path / "a"), files(tmp_path / "b")
    assert a["model.safetensors"] == b["model.safetensors"]
    assert a["predictions.csv"] != b["predictions.csv"]


@pytest.mark.parametrize("name", ["snn", "meanmil", "coxph"])
def test_shuffled_training_outcomes_teach_nothing(tmp_path, name):
    toy = make_toy(tmp_path, 200, parts=(85, 15))
    learned, noise = [], []
    for seed in range(9):
        cohort, spec = toy.cohort, TrainingSpec(seed=seed)
        if seed:
            cohort = with_outcome(cohort, shuffled((*toy.split.train, *toy.split.validation), seed))
        folder = folder_of(toy.job(tmp_path / str(seed), name, cohort=cohort, spec=spec))
        table = pd.read_csv(folder / "predictions.csv")
        value = c_index(table["risk"].to_numpy(), time=table["time"].to_numpy(), event=table["event"].to_numpy(bool))
        (noise if seed else learned).append(value)
    assert learned[0] > 0.75
    assert abs(np.mean(noise) - 0.5) < 0.1  # the mean of eight has a standard deviation of 0.05


def test_the_history_holds_what_the_predictions_say(finished):
    for name in set(METHODS) - {"coxph"}:
        history, table = (pd.read_csv(finished[name] / f"{file}.csv") for file in ("history", "predictions"))
        chosen = history[history["chosen"] == 1]
        assert chosen["epoch"].item() == history["validation_loss"].idxmin()
        value = c_index(table["risk"].to_numpy(), time=table["time"].to_numpy(), event=table["event"].to_numpy(bool))
        assert chosen["test_c_index"].item() == pytest.approx(value, abs=1e-12)
        assert {"epoch", "train_loss", "validation_c_index", "learning_rate"} <= set(history)


def test_without_a_metric_and_validation_their_columns_are_empty(toy, tmp_path):
    folder = folder_of(toy.job(tmp_path, metric=None, spec=TrainingSpec(choose="last")))
    history = pd.read_csv(folder / "history.csv")
    assert history[["validation_loss", "validation_c_index", "test_c_index"]].isna().all(axis=None)
    assert history["chosen"].tolist() == [0, 0, 0, 1]


def test_a_checkpoint_predicts_its_fold_again(toy, finished):
    for name in METHODS:
        trained = Trained.load(FoldFiles(finished[name]), TrainingSpec())
        again = trained.predict(toy.cohort, open_bags(toy.pack), toy.split.test).prediction
        table = pd.read_csv(finished[name] / "predictions.csv", float_precision="round_trip")
        assert np.array_equal(again.risk, table["risk"])


def test_a_card_holds_only_what_its_model_uses(toy, finished):
    cards = {name: json.loads((finished[name] / "model.json").read_text()) for name in METHODS}
    kept = {
        name: {k for k in ("omics", "covariates", "subtypes") if card["preparation"][k]} for name, card in cards.items()
    }
    assert kept == {
        "abmil": set(),
        "meanmil": set(),
        "snn": {"omics"},
        "mcti": {"omics", "subtypes"},
        "coxph": {"omics", "covariates"},
    }
    assert cards["coxph"]["recipe"] == {} and cards["coxph"]["chosen_epoch"] is None
    assert cards["snn"]["recipe"]["epochs"] == 4
    slides_alone = replace(toy.cohort, omics=None, covariates=None)
    preparation = Preparation.from_dict(cards["abmil"]["preparation"])
    assert len(prepared_dataset(slides_alone, toy.split.test, preparation, open_bags(toy.pack))) == len(toy.split.test)


def test_a_diverging_fold_is_named_and_leaves_nothing(toy, tmp_path):
    spec = TrainingSpec(save_every_s=0.0, choose="last")
    recipe = {"optimizer": "sgd", "learning_rate": 1e8, "patients_per_step": 100, "epochs": 30}
    states = []
    with pytest.raises(TrainingError, match=r"^abmil, fold 0: .*not a finite number.*training.learning_rate") as error:
        folder_of(
            toy.job(tmp_path / "fold", recipe=recipe, spec=spec), lambda *_: states.append(files(tmp_path / "fold"))
        )
    assert states and set(states[-1]) == {"state.safetensors"}  # it went well for some epochs
    assert not files(tmp_path / "fold")
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)  # as it comes from another process


def test_a_fold_that_cannot_be_prepared_is_named(toy, tmp_path):
    early = (*toy.split.train, *toy.split.validation)
    event = np.array([p not in early for p in toy.cohort.patients])
    censored = replace(toy.cohort, outcome=replace(toy.cohort.outcome, event=event))
    with pytest.raises(CohortError, match="^snn, fold 0: No event was observed"):
        folder_of(toy.job(tmp_path / "x", "snn", cohort=censored))
    assert not (tmp_path / "x").exists()


def test_validation_too_small_for_a_c_index_is_recorded_not_fatal(toy, tmp_path):
    few = toy.split.validation[:1]
    job = toy.job(tmp_path, split=Split(0, toy.split.train, few, toy.split.test))
    history = pd.read_csv(folder_of(job) / "history.csv")
    assert history["validation_c_index"].isna().all() and history["validation_loss"].notna().all()
    with pytest.raises(TrainingError, match="abmil, fold 0: The 1 validation patients cannot choose an epoch"):
        folder_of(replace(job, files=FoldFiles(tmp_path / "b"), spec=TrainingSpec(choose="validation_c_index")))


def test_a_finished_fold_is_left_alone_but_for_its_old_state(toy, finished):
    job = toy.job(finished["abmil"], "abmil")
    before = files(job.files.folder)
    (job.files.folder / "state.safetensors").write_bytes(b"of a process killed after its last file")
    assert not list(cross_validate([job], run_fold))
    assert files(job.files.folder) == before


def test_seeds_of_folds_and_methods_differ(toy, tmp_path):
    jobs = [toy.job(tmp_path), toy.job(tmp_path, spec=TrainingSpec(seed=1)), toy.job(tmp_path, "meanmil")]
    jobs.append(toy.job(tmp_path, split=replace(toy.split, fold=1)))
    first = {float(toy.model("abmil", seed=seed).head.weight[0, 0].detach()) for seed in (0, 0, 1)}
    assert len(first) == 2
    assert len({job.method.seed(job.spec.seed, job.split.fold) for job in jobs}) == 4


def test_progress_is_told_epoch_by_epoch(toy, tmp_path):
    told = []
    jobs = [toy.job(tmp_path / "a"), toy.job(tmp_path / "c", "coxph")]
    list(cross_validate(jobs, run_fold, on_epoch=lambda job, done, of: told.append((job.method.name, done, of))))
    assert told == [("abmil", 0, 0), *[("abmil", epoch, 4) for epoch in (1, 2, 3, 4)], ("coxph", 0, 0)]


def test_a_job_travels_without_its_embeddings(toy, tmp_path):
    embeddings = open_bags(toy.pack)
    assert len(pickle.dumps(embeddings)) < 1000 < sum(path.stat().st_size for path in embeddings.files)
    values, _ = embeddings.bag("P000")
    at = values
    while at.base is not None and not isinstance(at, np.memmap):
        at = at.base
    assert isinstance(at, np.memmap) and at.mode == "r"
    assert pickle.loads(pickle.dumps(toy.job(tmp_path))).pack == toy.pack
    assert math.isfinite(values.astype(float).sum())


@contextmanager
def beside(job, act):
    """Another process works on the job, and soon acts."""
    is_claimed, waits = Event(), Event()

    def work():
        with claimed(job.files.claim, "another"):
            is_claimed.set()
            waits.wait(0.3)
            act()

    other = Thread(target=work)
    other.start()
    is_claimed.wait()
    yield
    other.join()


def test_a_fold_that_another_process_does_is_waited_for_and_not_done_again(toy, tmp_path):
    jobs, done = [toy.job(tmp_path / name, name) for name in ("coxph", "abmil")], []
    with beside(jobs[1], lambda: run_fold(jobs[1])):
        for job, end in cross_validate(jobs, lambda job, _: done.append(job.label), shares=True):
            assert end == (None if job is jobs[0] else Elsewhere(is_done=True))
            assert jobs[1].is_done == (job is jobs[1])
    assert done == [jobs[0].label] and not jobs[1].files.claim.exists()


def test_a_failure_of_another_process_is_told_and_its_fold_not_tried_again(toy, tmp_path):
    job = toy.job(tmp_path / "abmil", "abmil")

    def fail(*_):
        raise MemoryError

    with beside(job, lambda: run_or_fail(job, fail)):
        ((_, failure),) = cross_validate([job], run_fold, shares=True)
    assert "memory" in failure.sentence and not job.is_done
    ((_, failure),) = cross_validate([job], run_fold, shares=True)
    assert failure is None and job.is_done  # started again, it is tried again
