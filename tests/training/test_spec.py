"""What a training runs in is settled when its spec is made."""

import json

import pytest

from prognoscope.training import spec as module
from prognoscope.training.spec import TrainingSpec, settled_precision
from tests.training.toys import folder_of


@pytest.mark.parametrize("units", [False, True])
@pytest.mark.parametrize(
    ("asked", "device", "settled"),
    [
        (None, "cpu", "float32"),
        (None, "cuda:0", "bf16"),
        ("auto", "cuda", "bf16"),
        ("float32", "cuda", "float32"),
        ("float32", "cpu", "float32"),
        ("bf16", "cpu", "bf16"),
    ],
)
def test_only_auto_on_a_processor_hangs_on_what_the_processor_has(asked, device, settled, units, monkeypatch):
    monkeypatch.setattr(module, "has_bf16_units", lambda: units)
    assert settled_precision(asked, device) == settled
    assert settled_precision("auto", "cpu") == ("bf16" if units else "float32")


def test_a_spec_asks_the_machine_nothing(monkeypatch):
    def asked():
        raise AssertionError

    monkeypatch.setattr(module, "has_bf16_units", asked)
    assert TrainingSpec().precision == "float32"


@pytest.mark.parametrize(
    ("name", "precision", "noted"),
    [("abmil", "float32", "float32"), ("abmil", "bf16", "bf16"), ("coxph", "bf16", "float32")],
)
def test_the_model_card_says_what_the_numbers_were_computed_in(name, precision, noted, toy, tmp_path):
    folder_of(toy.job(tmp_path, name, spec=TrainingSpec(precision=precision), recipe={"epochs": 1}))
    assert json.loads((tmp_path / "model.json").read_text())["precision"] == noted
