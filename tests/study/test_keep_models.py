"""A run that keeps no weights has the numbers of one that does, and says what it cannot do."""

import pytest

from prognoscope.core.errors import ModelError
from prognoscope.study.apply.predict import predict_patients
from prognoscope.study.explain import explain_run
from prognoscope.study.study import Study
from tests.run_files import contents
from tests.study.conftest import COXPH

pytestmark = pytest.mark.usefixtures("sketched", "bare")

KD = {"name": "kd", "label": "taught", "student_options": {"hidden_dim": 8}, "teacher_options": {"d": 16, "heads": 2}}


def numbers(folder):
    about = ("manifest.json", "study.yaml", "report.html", "provenance.json")
    return {name: found for name, found in contents(folder).items() if not name.endswith((".safetensors", *about))}


def test_a_run_without_weights_has_the_same_numbers_and_continues_and_says_what_it_cannot_do(change, study_folder):
    path = change(**{"methods": [COXPH, KD], "evaluation.surgery": True, "training.epochs": 1, "splits.folds": 2})
    whole = Study.load(path).run(study_folder / "whole")
    lean = Study.load(path, ["keep_models=false"]).run(study_folder / "lean")
    assert numbers(lean.folder) == numbers(whole.folder)
    assert (whole.folder / "taught/fold_0/teacher/model.safetensors").is_file()
    assert not list(lean.folder.rglob("model.safetensors"))

    begun = {name: (lean.folder / name).stat().st_mtime_ns for name in ("taught/fold_0/predictions.csv",)}
    again = Study.load(path, ["keep_models=false"]).run(lean.folder)
    assert contents(again.folder) == contents(lean.folder)
    assert begun == {name: (lean.folder / name).stat().st_mtime_ns for name in begun}
    (lean.folder / "taught/fold_1/predictions.csv").unlink()  # the fold is made anew, and again keeps nothing
    assert numbers(Study.load(path, ["keep_models=false"]).run(lean.folder).folder) == numbers(whole.folder)
    assert not list(lean.folder.rglob("model.safetensors"))
    kept = Study.load(path).run(lean.folder)
    assert any("4 folds of" in note and "keep_models: true into another folder" in note for note in kept.notes)

    sentence = r"fold_0 kept no weights, for its study says keep_models: false.*another folder \(--out\)\.$"
    with pytest.raises(ModelError, match=sentence):
        predict_patients(lean.folder, path, method="taught")
    with pytest.raises(ModelError, match=sentence):
        explain_run(lean.run, methods=["taught"], patients=[lean.run.outcomes.patients[0]])
    with pytest.raises(ModelError, match=sentence):
        lean.models["taught"]
