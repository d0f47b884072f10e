"""A teacher in its student's fold: on whose patients it is trained, how it is kept, continued and used again."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.errors import TrainingError
from prognoscope.core.files import sha256
from prognoscope.runs.layout import FoldFiles
from prognoscope.training import trained as teaching
from prognoscope.training.checkpoint import load_model
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec
from tests.run_files import contents
from tests.training.toys import FAST, folder_of, shuffled, with_outcome

OPTIONS = {
    "student_options": {"hidden_dim": 16, "attention_dim": 8, "dropout": 0.0},
    "teacher_options": {"d": 16, "heads": 2, "feed_forward": 20, "dropout": 0.1},
}
EPOCHS = FAST["epochs"]


class Stopped(Exception):
    pass


def job(toy, folder, **changes):
    options = OPTIONS | changes.pop("options", {})
    return toy.job(folder, "kd", options=options, **changes)


@pytest.fixture(scope="module")
def finished(toy, tmp_path_factory):
    return folder_of(job(toy, tmp_path_factory.mktemp("kd") / "fold_0"))


def test_a_fold_keeps_its_teacher_and_says_whose_it_is(toy, finished):
    own = {"model.safetensors", "model.json", "history.csv"}
    whose = {f"teacher/{name}" for name in (*own, "manifest.json")}
    risks = {"predictions.csv", "training_risks.csv", "epoch_risks.csv", "training_summary.safetensors"}
    assert set(contents(finished)) == own | risks | {"manifest.json"} | whose
    told = json.loads((finished / "model.json").read_text())["teacher"]
    assert told["sha256"] == sha256(finished / "teacher" / "model.safetensors")
    assert (told["name"], told["fold"], told["patients"]) == ("mcat", 0, len(toy.split.train))
    teacher, card = load_model(FoldFiles(finished / "teacher"))
    assert type(teacher).__name__ == "MCAT"
    assert (card.choose, card.chosen_epoch) == ("last", EPOCHS - 1)


def test_the_history_tells_each_loss_apart(finished):
    table = pd.read_csv(finished / "history.csv")
    parts = table[["train_survival", "train_instance", "train_distillation"]]
    assert (parts > 0).all(axis=None)
    np.testing.assert_allclose(parts.sum(axis=1), table["train_loss"])
    assert len(pd.read_csv(finished / "teacher" / "history.csv")) == EPOCHS


@pytest.mark.parametrize(("choose", "unseen"), [("validation_loss", ("validation", "test")), ("last", ("test",))])
def test_a_teacher_learns_from_nobody_whom_its_student_is_chosen_or_tested_by(toy, tmp_path, choose, unseen):
    spec = TrainingSpec(choose=choose)
    a = folder_of(job(toy, tmp_path / "a", spec=spec))
    for part in unseen:
        cohort = with_outcome(toy.cohort, shuffled(getattr(toy.split, part)))
        b = folder_of(job(toy, tmp_path / part, spec=spec, cohort=cohort))
        assert sha256(a / "teacher/model.safetensors") == sha256(b / "teacher/model.safetensors")
    trained_on = toy.split.train if choose != "last" else (*toy.split.train, *toy.split.validation)
    assert json.loads((a / "model.json").read_text())["teacher"]["patients"] == len(trained_on)


def test_a_finished_teacher_is_used_again_by_its_own_training_alone(toy, finished, tmp_path, monkeypatch):
    folder = folder_of(job(toy, tmp_path / "fold_0"))
    before = contents(folder)
    trained = []

    def watched(*args, **kwargs):
        if kwargs["about"]["key"]:  # a teacher's alone
            trained.append(kwargs["about"]["name"])
        return fit(*args, **kwargs)

    fit = teaching.fit
    monkeypatch.setattr(teaching, "fit", watched)
    (folder / "manifest.json").unlink()
    assert contents(folder_of(job(toy, folder))) == before and not trained
    (folder / "manifest.json").unlink()
    folder_of(job(toy, folder, options={"temperature": 2.0}))  # of the student alone
    assert not trained
    for changes in ({"recipe": {"epochs": 2}}, {"spec": TrainingSpec(seed=1)}):
        (folder / "manifest.json").unlink()
        folder_of(job(toy, folder, **changes))
        assert trained.pop() == "mcat"


def test_a_fold_stopped_anywhere_gives_the_unbroken_numbers(toy, finished, tmp_path):
    spec = TrainingSpec(save_every_s=0.0)
    for stop in (1, EPOCHS, EPOCHS + 2):
        folder = tmp_path / str(stop)

        def tell(done, of, stop=stop):
            if done == stop:
                raise Stopped

        with pytest.raises(Stopped):
            folder_of(job(toy, folder, spec=spec), tell)
        assert (folder / "teacher" / "state.safetensors").exists() == (stop <= EPOCHS)
        folder_of(job(toy, folder, spec=spec))
        assert contents(folder) == contents(finished)


def test_epochs_of_teacher_and_student_are_counted_together(toy, tmp_path):
    told = []
    folder_of(job(toy, tmp_path), lambda done, of: told.append((done, of)))
    assert told == [(i, 2 * EPOCHS) for i in range(1, 2 * EPOCHS + 1)]


def test_a_teacher_that_diverges_is_named_with_method_and_fold(toy, tmp_path):
    with pytest.raises(TrainingError, match="^kd, fold 0: The teacher mcat cannot be trained. .*not"):
        folder_of(job(toy, tmp_path, recipe={"learning_rate": 1e30}))
    assert not contents(tmp_path)


def test_a_trained_student_predicts_patients_without_genes(toy, finished):
    model, _ = load_model(FoldFiles(finished))
    test = toy.dataset("test")
    spec = TrainingSpec()
    without = predict(model, replace(test, omics=()), spec=spec).prediction.risk
    table = pd.read_csv(finished / "predictions.csv")
    np.testing.assert_allclose(without, table["risk"], rtol=1e-6)


def test_patients_without_genes_are_learned_from_without_a_teacher(toy, tmp_path):
    lacking = list(toy.split.train[:3])
    omics = replace(toy.cohort.omics, values=toy.cohort.omics.values.drop(index=lacking))
    folder = folder_of(job(toy, tmp_path, cohort=replace(toy.cohort, omics=omics), options={"loss": "representation"}))
    card = json.loads((folder / "model.json").read_text())
    assert card["teacher"]["patients"] == len(toy.split.train) - 3
    assert np.isfinite(pd.read_csv(folder / "history.csv")["train_loss"]).all()
