"""Figures of several runs as files, one by one and side by side."""

import json
import shutil

import pandas as pd
import pytest

from prognoscope.core.errors import InputError
from prognoscope.report.panels import write_figures
from prognoscope.runs.read import Run


@pytest.fixture
def runs(finished_run, tmp_path, only):
    """A run, and the same of another cohort."""
    only("methods", "survival", "explanations")
    other = shutil.copytree(finished_run, tmp_path / "other")
    (other / "manifest.json").unlink(missing_ok=True)
    about = json.loads((other / "provenance.json").read_text())
    (other / "provenance.json").write_text(json.dumps(about | {"name": "another"}))
    return [Run(finished_run), Run(other)]


def test_a_panel_has_an_axes_for_each_cohort(runs, tmp_path):
    method = next(iter(runs[0].methods))
    listed, path = write_figures(runs, tmp_path / "out", methods=[method], is_panel=True)
    text = path.read_text()
    assert path.name.startswith("survival_") and text.count("Patients at risk") == 2
    assert f"{runs[0].name}. {method}" in text and f"another. {method}" in text
    assert pd.read_csv(listed).to_dict("list") == {
        "file": [path.name],
        "figure": ["survival"],
        "cohorts": [f"{runs[0].name}; another"],
    }


def test_alone_each_run_has_its_files_and_they_may_be_written_again(runs, tmp_path):
    for _ in range(2):
        written = write_figures(runs, tmp_path / "out", figure="c_index", ending="pdf")
    assert [path.name for path in written] == ["figures.csv", f"{runs[0].name}-c_index.pdf", "another-c_index.pdf"]
    assert all(path.read_bytes().startswith(b"%PDF") for path in written[1:])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"figure": "survial"}, "There is no figure 'survial'; did you mean 'survival'"),
        ({"methods": ["abmill"]}, "No run has a method 'abmill'"),
        ({"ending": "gif"}, "svg, pdf, png, not as 'gif'"),
        ({"figure": "patient_survival"}, "These runs have no figure 'patient_survival'"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_nothing_is_written(runs, tmp_path, asked, words):
    with pytest.raises(InputError, match=words):
        write_figures(runs, tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_files_of_others_are_not_written_over(runs, tmp_path):
    (tmp_path / "figures.csv").write_text("my,own\n")
    with pytest.raises(InputError, match=r"figures\.csv"):
        write_figures(runs, tmp_path)
    assert (tmp_path / "figures.csv").read_text() == "my,own\n"


def test_one_run_is_no_two_cohorts(runs, tmp_path):
    with pytest.raises(InputError, match="twice"):
        write_figures([runs[0], runs[0]], tmp_path / "out", is_panel=True)
