import pytest
import yaml

from prognoscope.core.errors import StudyError
from prognoscope.study.folder import check_folder, resolved
from prognoscope.study.study import Study


@pytest.fixture
def folder(simulated, tmp_path):
    """A run folder that holds its study file alone."""
    settings = resolved(Study.load(simulated / "study.yaml").chosen)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def without(folder, section, key):
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    del settings[section][key]
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))


def test_a_run_from_before_a_setting_came_in_is_continued_where_the_setting_has_its_default(simulated, folder):
    without(folder, "training", "precision")
    check_folder(Study.load(simulated / "study.yaml").chosen, folder)
    with pytest.raises(StudyError, match="holds a run with other settings of training"):
        check_folder(Study.load(simulated / "study.yaml", ["training.precision=bf16"]).chosen, folder)


def test_a_run_whose_study_file_cannot_be_read_is_another_run(simulated, folder):
    without(folder, "cohort", "clinical")
    with pytest.raises(StudyError, match="holds a run with other settings of cohort"):
        check_folder(Study.load(simulated / "study.yaml").chosen, folder)
