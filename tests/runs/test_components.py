"""The file of components of a fold: what is written is read, and what cannot be is told."""

import numpy as np
import pytest

from prognoscope.core.errors import InputError
from prognoscope.runs.components import read_components, write_components
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from tests.analysis.fake_runs import write_run

COMPONENTS = {name: np.arange(6.0).reshape(3, 2) + i for i, name in enumerate(("synergy", "common", "gene"))}


def test_components_come_back_in_their_order_and_in_single_precision(tmp_path):
    write_components(tmp_path / "c.safetensors", COMPONENTS)
    found = read_components(tmp_path / "c.safetensors")
    assert list(found) == list(COMPONENTS)
    for name, values in found.items():
        assert values.dtype == np.float32 and np.array_equal(values, COMPONENTS[name])


def test_a_file_that_holds_no_components_is_told(tmp_path):
    path = tmp_path / "c.safetensors"
    write_components(path, COMPONENTS)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="c.safetensors holds no components .* Remove its fold and run the study"):
        read_components(path)


def test_components_of_other_patients_than_the_predictions_are_refused(tmp_path):
    write_run(tmp_path, knows={"good": 0.5})
    write_components(RunFiles(tmp_path).fold("good", 1).components, COMPONENTS)
    with pytest.raises(InputError, match=r"components.safetensors is not of the patients in predictions.csv beside it"):
        _ = Run(tmp_path).method("good").components
