"""What a fold cost: counted by hand, the same for equal folds, and missing where it was not seen whole."""

import numpy as np
import pytest

from prognoscope.models.registry import list_models, profile_of
from prognoscope.runs.layout import FoldFiles
from prognoscope.runs.tables import COSTS
from prognoscope.training.cost import _inference_gflop
from prognoscope.training.spec import TrainingSpec
from tests.test_every_model import SMALL
from tests.training.toys import folder_of

FIXED = ["parameters", "patients", "tested", "epochs", "patches", "gflop_training", "gflop_inference"]


def cost_of(job):
    return COSTS.read(FoldFiles(folder_of(job)).cost, is_sealed=False).iloc[0]


def test_operations_are_those_counted_by_hand(toy, tmp_path):
    row = cost_of(toy.job(tmp_path / "a", "meanmil"))
    patches = sorted(toy.data.dataset(toy.split.train, {"bag"}).lengths)[(len(toy.split.train) - 1) // 2]
    assert row["patches"] == patches
    layers = [(8, 16), (16, 16)]
    assert row["parameters"] == sum((a + 1) * b for a, b in [*layers, (16, 3)])
    logits, told = 2 * 16 * 3, patches * 2 * 16 * 3  # the contributions of patches, which are told and not learned from
    learned = patches * sum(2 * a * b for a, b in layers) + logits
    assert row["gflop_inference"] * 1e9 == pytest.approx(learned + told)
    # gradients of weights, and of what goes into a layer, but not into the first one
    backward = 2 * learned - patches * 2 * 8 * 16
    assert row["gflop_training"] * 1e9 == pytest.approx(learned + told + backward)
    total = row["gflop_training"] * len(toy.split.train) * row["epochs"] / 1e3
    assert row["tflop_training_total"] == pytest.approx(total) and row["epochs"] == 4
    assert row["training_seconds"] > 0 and row["testing_seconds"] > 0 and row["training_peak_mb"] > 50


@pytest.mark.parametrize("name", ["abmil", "mcti", "coxph"])
def test_equal_folds_compute_the_same(toy, tmp_path, name):
    a, b = (cost_of(toy.job(tmp_path / each, name)) for each in "ab")
    assert a[FIXED].astype(float).equals(b[FIXED].astype(float))
    assert np.isnan(a["gflop_training"]) == (name == "coxph")


@pytest.mark.parametrize("name", [name for name in list_models() if profile_of(name).recipe is not None])
def test_the_prediction_of_every_network_is_counted(toy, name):
    model = toy.model(name, **SMALL.get(name, {}))
    model.eval()
    assert _inference_gflop(model, toy.dataset("test"), TrainingSpec()) > 0


def test_a_teacher_is_counted_with_its_student(toy, tmp_path):
    student = {"student": "abmil", "student_options": {"hidden_dim": 16, "attention_dim": 8}}
    teacher = {"teacher": "mcat", "teacher_options": {"d": 16}}
    row = cost_of(toy.job(tmp_path / "kd", "kd", options=student | teacher))
    assert row["teacher_parameters"] > row["parameters"] > 0
    own = row["gflop_training"] * row["patients"] * row["epochs"] / 1e3
    assert row["tflop_training_total"] > 1.2 * own


def test_seconds_of_what_went_on_from_another_process_are_not_told(toy, tmp_path):
    job = toy.job(tmp_path / "a", "abmil")
    job.files.folder.mkdir()
    job.files.state.write_bytes(b"")
    row = cost_of(job)
    assert np.isnan(row["training_seconds"]) and row["testing_seconds"] > 0 and row["gflop_training"] > 0
