"""One run folder for all tests of the report, and its report."""

import shutil
from pathlib import Path

import pytest

from prognoscope.report import page, panels
from prognoscope.report.page import write_report
from prognoscope.runs.read import Run
from tests.report.fake_run import write_fake_run
from tests.report.sections import section_called


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Run:
    """A run of five methods, read; not to be changed."""
    return Run(write_fake_run(tmp_path_factory.mktemp("large") / "run"))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Path:
    """A run of three methods without a report; not to be changed."""
    folder = tmp_path_factory.mktemp("small") / "run"
    return write_fake_run(folder, skill={"coxph": 0.3, "snn": 0.5, "mcti": 0.9}, patients=72, folds=3)


@pytest.fixture(scope="session")
def finished_run(small_run, tmp_path_factory) -> Path:
    """The same with its report; not to be changed."""
    folder = shutil.copytree(small_run, tmp_path_factory.mktemp("finished") / "run")
    write_report(folder)
    return folder


@pytest.fixture
def run_copy(small_run, tmp_path) -> Path:
    """A run of three methods without a report, to be spoilt."""
    folder = tmp_path / "run"
    shutil.copytree(small_run, folder)
    return folder


@pytest.fixture
def only(monkeypatch):
    """Leaves some sections alone to a page: `only("methods", "survival")`."""

    def leave(*ids: str) -> None:
        for module in (page, panels):
            monkeypatch.setattr(module, "SECTIONS", tuple(map(section_called, ids)))

    return leave


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Figures are empty pictures, for tests of what stands around them."""
    empty = '<svg width="1.0pt" height="1.0pt"></svg>\n'
    monkeypatch.setattr("prognoscope.report.page_section.render", lambda *_: empty)
