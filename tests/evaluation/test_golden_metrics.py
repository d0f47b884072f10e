"""The golden files of evaluation, wherever the golden folder is; the golden harness runs the same check."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ABSENT, GOLDEN

from .golden_metrics import check_common_survival_metrics


def metrics_goldens() -> list[Path]:
    """Files whose `meta` names the check, whatever they are called."""
    found = []
    for path in sorted(GOLDEN.glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            if json.loads(str(file["meta"]))["check"] == "common_survival_metrics":
                found.append(path)
    return found


@pytest.mark.parametrize("path", metrics_goldens(), ids=lambda path: path.stem)
def test_every_entry_of_a_metrics_golden_is_ours(path):
    with np.load(path, allow_pickle=False) as file:
        check_common_survival_metrics({name: file[name] for name in file.files})


def test_an_entry_without_a_comparison_fails():
    if not GOLDEN.is_dir():  # only beside the shared folder, which a user's machine does not have
        pytest.skip(f"{ABSENT}: no folder {GOLDEN}")
    with np.load(metrics_goldens()[0], allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    with pytest.raises(AssertionError, match="no comparison"):
        check_common_survival_metrics({**arrays, "out:surprise": np.zeros(1)})
