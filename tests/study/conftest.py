"""A small simulated cohort with embeddings, made once."""

import shutil
from pathlib import Path

import pytest
import yaml

from prognoscope.simulation.cohort import simulate_cohort

SMALL = {"epochs": 3, "patients_per_step": 16, "save_every_s": 0.0}
TINY_MCTI = {"name": "mcti", "k": 4, "d": 16, "gene_hidden": 16, "layers": 1, "gene_groups": 2, "gene_heads": 2}
TINY_MCTI |= {"ot_iters": 3}
COXPH = {"name": "coxph", "penalizers": [0.1]}  # without a choice of the penalty, which takes 18 fits a fold


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Path:
    """The cohort itself, into which no test writes."""
    folder = tmp_path_factory.mktemp("cohort") / "simulated"
    simulate_cohort(folder, patients=40, seed=1, features_only=True, bag_sizes=(5, 20), embedding_dim=32)
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    settings |= {"training": SMALL, "methods": [COXPH, "snn", "abmil", TINY_MCTI]}
    settings |= {"evaluation": {"draws": 20, "surgery": False}}
    settings["splits"]["folds"] = 3
    (folder / "study.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def simulated(made_once, tmp_path_factory) -> Path:
    """A copy for the tests of one file, who may run it but not spoil it."""
    return shutil.copytree(made_once, tmp_path_factory.mktemp("copy") / "simulated")


@pytest.fixture
def study_folder(made_once, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(made_once, tmp_path / "study")


def write_settings(path: Path, values: dict) -> None:
    """Replace settings of a study file: `write_settings(path, {"splits.folds": 4})`."""
    settings = yaml.safe_load(path.read_text())
    for key, value in values.items():
        *sections, last = key.split(".")
        at = settings
        for section in sections:
            at = at.setdefault(section, {})
        at[last] = value
    path.write_text(yaml.safe_dump(settings, sort_keys=False))


@pytest.fixture
def change(study_folder):
    """Replace settings: `change(**{"splits.folds": 4})` returns the study file."""

    def replace(**values) -> Path:
        path = study_folder / "study.yaml"
        write_settings(path, values)
        return path

    return replace
