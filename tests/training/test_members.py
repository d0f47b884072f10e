"""Members in the fold of what they are part of: on whom they are trained, what is continued, what is left."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.dataset import open_bags
from prognoscope.core.errors import CohortError
from prognoscope.features.store import Embeddings, pack_embeddings
from prognoscope.models.late.network import Late
from prognoscope.runs.layout import FoldFiles
from prognoscope.training import trained as training
from prognoscope.training.checkpoint import load_model
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained
from tests.run_files import contents
from tests.training.toys import FAST, OPTIONS, Toy, folder_of, shuffled, with_outcome

MEMBERS = [{"name": "coxph", **OPTIONS["coxph"]}, {"name": "abmil", **OPTIONS["abmil"]}]
EPOCHS = 4 * (1 + FAST["epochs"])  # three inner folds and the whole, of either member


class Stopped(Exception):
    pass


def job(toy, folder, **changes):
    options = {"members": MEMBERS} | changes.pop("options", {})
    return toy.job(folder, "late", options=options, spec=changes.pop("spec", TrainingSpec(choose="last")), **changes)


@pytest.fixture(scope="module")
def finished(toy, tmp_path_factory):
    return folder_of(job(toy, tmp_path_factory.mktemp("late") / "fold_0"))


def lacking(toy, folder, without_genes, without_slides):
    """The toy without some patients' genes and others' slides."""
    omics = replace(toy.cohort.omics, values=toy.cohort.omics.values.drop(index=list(without_genes)))
    slides = {p: s for p, s in toy.cohort.slides.items() if p not in without_slides}
    pack = open_bags(toy.pack)
    bags = {p: [(s[0], lambda p=p, s=s: Embeddings(s[0], pack.bag(p)[0]))] for p, s in slides.items()}
    pack_embeddings(bags, folder / "fewer.bags", "fewer")
    return Toy(replace(toy.cohort, omics=omics, slides=slides), folder / "fewer.bags", toy.split)


def test_a_fold_has_its_members_in_one_file_and_tells_how_they_were_trained(toy, finished):
    assert set(contents(finished)) == {
        *("model.safetensors", "model.json", "predictions.csv", "training_risks.csv", "manifest.json"),
        "training_summary.safetensors",
    }
    card = json.loads((finished / "model.json").read_text())
    assert set(card["members"]) == {"coxph", "abmil"}
    assert card["members"]["abmil"]["recipe"]["epochs"] == FAST["epochs"] and not card["members"]["coxph"]["recipe"]
    model, _ = load_model(FoldFiles(finished))
    alone = Trained.fit(toy.job(finished, "abmil").method, toy.data, TrainingSpec(choose="last")).model
    ours = model.member_models[1].state_dict()
    assert all(np.array_equal(ours[name], value) for name, value in alone.state_dict().items())


def test_risks_that_members_are_weighed_by_are_of_patients_whom_they_have_not_seen(toy, monkeypatch):
    seen, given = [], []
    fit, join = training.Trained.fit.__func__, Late.join

    def watched(cls, method, data, *args, **kwargs):
        if method.name != "late":
            seen.append((method.name, set(data.learned)))
        return fit(cls, method, data, *args, **kwargs)

    def joined(self, members, risks, *args):
        given.append(risks)
        return join(self, members, risks, *args)

    monkeypatch.setattr(training.Trained, "fit", classmethod(watched))
    monkeypatch.setattr(Late, "join", joined)
    wanted = job(toy, Path())
    Trained.fit(wanted.method, wanted.data(), wanted.spec)
    everybody = {*toy.split.train, *toy.split.validation}
    for name in ("coxph", "abmil"):
        *inner, whole = [patients for of, patients in seen if of == name]
        assert whole == everybody and len(inner) == 3
        assert sorted(p for patients in inner for p in everybody - patients) == sorted(everybody)
    assert given[0].isfinite().all() and given[0].shape == (len(everybody), 2)


def test_nothing_of_a_fold_hangs_on_the_outcomes_of_its_test_part(toy, finished, tmp_path):
    cohort = with_outcome(toy.cohort, shuffled(toy.split.test))
    other = folder_of(job(toy, tmp_path / "fold_0", cohort=cohort))
    assert contents(other)["model.safetensors"] == contents(finished)["model.safetensors"]


def test_a_fold_stopped_anywhere_gives_the_unbroken_numbers(toy, finished, tmp_path):
    for stop in (2, 7, EPOCHS - 2):
        folder = tmp_path / str(stop)

        def tell(done, of, stop=stop):
            assert done <= of == EPOCHS
            if done == stop:
                raise Stopped

        with pytest.raises(Stopped):
            folder_of(job(toy, folder, spec=TrainingSpec(choose="last", save_every_s=0.0)), tell)
        assert (folder / "members").is_dir()
        folder_of(job(toy, folder, spec=TrainingSpec(choose="last", save_every_s=0.0)))
        assert contents(folder) == contents(finished)


def test_epochs_are_chosen_by_validation_patients_where_the_study_wants_it(toy, tmp_path):
    folder = folder_of(job(toy, tmp_path / "fold_0", spec=TrainingSpec(choose="validation_loss")))
    told = json.loads((folder / "model.json").read_text())["members"]
    assert (told["abmil"]["patients"], told["abmil"]["chosen_epoch"]) == (len(toy.split.train), FAST["epochs"] - 1)


@pytest.mark.parametrize("fusion", ["ranks", "stacked"])
def test_a_patient_without_genes_or_without_slides_is_learned_from_and_predicted(toy, tmp_path, fusion):
    train, test = toy.split.train, toy.split.test
    fewer = lacking(toy, tmp_path, [*train[:3], test[0]], [*train[3:6], test[1]])
    folder = folder_of(job(fewer, tmp_path / "fold_0", options={"fusion": fusion}))
    told = pd.read_csv(folder / "predictions.csv").set_index("patient_id")
    assert set(told.index) == set(test) and np.isfinite(told["risk"]).all()
    card = json.loads((folder / "model.json").read_text())
    assert {label: each["patients"] for label, each in card["members"].items()} == {"coxph": 31, "abmil": 31}
    trained = Trained.load(FoldFiles(folder), TrainingSpec())
    dataset = trained.dataset(fewer.cohort, test, open_bags(fewer.pack))
    together = trained.model(dataset.batch(range(len(test))).inputs)
    assert together.details["places"].isnan().nonzero().tolist() == [[0, 0], [1, 1]]
    apart = [trained.model(dataset.batch([i]).inputs).risk.item() for i in range(len(test))]
    np.testing.assert_allclose(apart, told["risk"].loc[list(test)], rtol=1e-4, atol=1e-5)


def test_the_cost_counts_all_trainings_of_members(toy, finished, tmp_path):
    ours = pd.read_csv(finished / "cost.csv").iloc[0]
    alone = pd.read_csv(folder_of(toy.job(tmp_path, spec=TrainingSpec(choose="last"))) / "cost.csv").iloc[0]
    assert ours["parameters"] == alone["parameters"]
    assert ours["tflop_training_total"] == pytest.approx(3 * alone["tflop_training_total"])
    assert ours["gflop_training"] == pytest.approx(alone["gflop_training"])


def test_too_few_events_for_the_inner_folds_are_told(toy, tmp_path):
    with pytest.raises(CohortError, match="late, fold 0: inner_folds is 20: The test part of fold"):
        folder_of(job(toy, tmp_path, options={"inner_folds": 20}))


def test_a_fold_is_bound_to_what_its_members_are_trained_by(toy, tmp_path):
    made = [job(toy, tmp_path, **changes).made_of for changes in ({}, {"recipe": {"epochs": 2}})]
    assert made[0] != made[1]
    assert job(toy, tmp_path, spec=TrainingSpec(precision="bf16")).made_of != made[0]
