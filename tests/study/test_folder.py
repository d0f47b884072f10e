import pytest
import yaml

from prognoscope.core.errors import StudyError
from prognoscope.study.folder import check_folder
from prognoscope.study.spec import plain, read_study


@pytest.fixture
def folder(simulated, tmp_path):
    """A run folder that holds its study file alone."""
    settings = plain(read_study(simulated / "study.yaml"))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def without(folder, section, key):
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    del settings[section][key]
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))


def test_a_run_from_before_a_setting_came_in_is_continued_where_the_setting_has_its_default(simulated, folder):
    without(folder, "training", "precision")
    check_folder(read_study(simulated / "study.yaml"), folder)
    with pytest.raises(StudyError, match="holds a run with other settings of training"):
        check_folder(read_study(simulated / "study.yaml", ["training.precision=bf16"]), folder)


def test_a_run_whose_study_file_cannot_be_read_is_another_run(simulated, folder):
    without(folder, "cohort", "clinical")
    with pytest.raises(StudyError, match="holds a run with other settings of cohort"):
        check_folder(read_study(simulated / "study.yaml"), folder)


@pytest.mark.parametrize(
    ("change", "section"),
    [
        ("cohort.clinical.bad_time=drop", "cohort"),
        ("features.patch_px=128", "features"),
        ("features.tissue.remove_pen=false", "features"),
        ("splits.seed=7", "splits"),
        ("protocol=paper", "protocol, training"),  # whose bins and epochs it settles
        ("training.epochs=9", "training"),
    ],
)
def test_a_run_folder_is_bound_to_whatever_its_numbers_hang_on(simulated, folder, change, section):
    with pytest.raises(StudyError, match=f"holds a run with other settings of {section}. Choose another folder"):
        check_folder(read_study(simulated / "study.yaml", [change]), folder)


def test_a_run_folder_is_not_bound_to_how_it_is_measured(simulated, folder):
    check_folder(read_study(simulated / "study.yaml", ["evaluation.draws=77"]), folder)


def test_a_run_folder_of_version_0_1_is_continued(simulated, folder):
    """Its study file has a search's ranges and lists in a form of their own, and no settings of tissue."""
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    del settings["features"]["tissue"], settings["cohort"]["clinical"]["slide"]
    low = {"low": 1e-5, "high": 1e-3, "log": True, "choices": None}
    listed = {"low": None, "high": None, "log": False, "choices": [1, 2]}
    settings["training"]["search"] = {"trials": 2, "folds": 3, "space": {"learning_rate": low, "epochs": listed}}
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))
    now = "training.search={trials: 2, space: {learning_rate: {low: 1e-5, high: 1e-3, log: true}, epochs: [1, 2]}}"
    check_folder(read_study(simulated / "study.yaml", [now]), folder)
