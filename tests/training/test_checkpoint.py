"""Checkpoints that are not whole, or not of their card."""

import json

import pytest

from prognoscope.core.errors import InputError, MissingFileError, ModelError
from prognoscope.runs.layout import FoldFiles
from prognoscope.training.checkpoint import load_model
from tests.training.toys import folder_of


@pytest.fixture
def checkpoint(toy, tmp_path):
    folder = folder_of(toy.job(tmp_path, recipe={"epochs": 1}))
    (folder / "manifest.json").unlink()  # as of a version that had none; with one, any change is told by it
    return folder


def test_weights_that_are_cut_off_are_refused(checkpoint):
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelError, match="model.safetensors is not a whole file of weights .* Train again"):
        load_model(FoldFiles(checkpoint))


def test_weights_of_another_size_are_refused(checkpoint):
    card = json.loads((checkpoint / "model.json").read_text())
    card["sizes"]["embedding_dim"] += 1
    (checkpoint / "model.json").write_text(json.dumps(card))
    with pytest.raises(
        ModelError, match="safetensors does not fit .*model.json: size mismatch for project.0.weight.* Train again"
    ):
        load_model(FoldFiles(checkpoint))


def test_missing_and_broken_files_are_named(checkpoint):
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match="The weights file .*model.safetensors does not exist"):
        load_model(FoldFiles(checkpoint))
    (checkpoint / "model.json").write_text("{")
    with pytest.raises(InputError, match="The model card .* is not JSON"):
        load_model(FoldFiles(checkpoint))
