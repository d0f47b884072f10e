"""What a training runs in is settled when its spec is made."""

import json

import pytest

from prognoscope.training import spec as module
from prognoscope.training.crossval import run_fold
from prognoscope.training.spec import TrainingSpec


@pytest.mark.parametrize(
    ("device", "units", "settled"), [("cpu", False, "float32"), ("cpu", True, "bf16"), ("cuda:0", False, "bf16")]
)
def test_auto_is_bf16_where_matrix_units_multiply_it(device, units, settled, monkeypatch):
    monkeypatch.setattr(module, "has_bf16_units", lambda: units)
    assert TrainingSpec(device=device).precision == settled
    assert TrainingSpec(device=device, precision="float32").precision == "float32"
    assert TrainingSpec(device=device, precision="bf16").precision == "bf16"


@pytest.mark.parametrize(
    ("name", "precision", "noted"),
    [("abmil", "auto", "float32"), ("abmil", "bf16", "bf16"), ("coxph", "bf16", "float32")],
)
def test_the_model_card_says_what_the_numbers_were_computed_in(name, precision, noted, toy, tmp_path):
    run_fold(toy.job(tmp_path, name, spec=TrainingSpec(precision=precision), recipe={"epochs": 1}))
    assert json.loads((tmp_path / "model.json").read_text())["precision"] == noted
