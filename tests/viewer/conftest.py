"""A run made of painted slides, with explanations written by hand, and a client of its viewer."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from prognoscope.features.store import find_embeddings, read_embeddings
from prognoscope.study.study import Study
from tests.sketches import sketches
from tests.viewer.by_hand import write_explanation

SETTINGS = ["methods=[abmil, meanmil]", "training.epochs=1", "splits.folds=2"]
SETTINGS += ["evaluation.draws=10", "evaluation.surgery=false"]
UNEXPLAINED = "SIM-0005"


@pytest.fixture(scope="session")
def painted(painted_cohort, tmp_path_factory) -> Path:
    """The cohort's folder, with `run` in it; no test writes there."""
    folder = shutil.copytree(painted_cohort, tmp_path_factory.mktemp("viewed") / "cohort")
    study = Study.load(folder / "study.yaml", SETTINGS)
    with sketches():
        study.run()
    files = find_embeddings(next((folder / "embeddings").glob("stain-*")))
    for k, (patient, slides) in enumerate(study.cohort.slides.items()):
        coords = {slide: np.asarray(read_embeddings(files[slide]).coords_px, float) for slide in slides}
        for j, method in enumerate(("abmil", "meanmil")):
            if patient != UNEXPLAINED:
                write_explanation(folder / "run", method, patient, coords, size_px=(1024, 1024), seed=2 * k + j)
    return folder


@pytest.fixture
def copied(painted, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(painted, tmp_path / "cohort")
