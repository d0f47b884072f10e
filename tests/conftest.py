"""What all tests share: quiet threads, and where the shared data lie, if they do."""

import gc
import os
import shutil
import sys
from collections import Counter
from multiprocessing.forkserver import ensure_running, set_forkserver_preload
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import settings

from tests import type_checks

gc.disable()  # while thousands of tests are collected, none of which is garbage
type_checks.install()
torch.set_num_threads(1)
os.fsync = lambda number: None  # what tests write need not outlive a power cut, and each wait for the disk is long
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 8 * 2**30:
    # 100,000 small files that come and go: some file systems need a millisecond for each that follows on many removed
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
settings.register_profile("suite", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("suite")

SHARED = Path(os.environ.get("PROGNOSCOPE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
GOLDEN = Path(os.environ.get("PROGNOSCOPE_GOLDEN", SHARED / "golden"))
ABSENT = "needs the shared data"


SLOW = {"test_binding", "test_run", "test_extract", "test_cli", "test_bad_input", "test_explain", "test_tcga_omics"}


def pytest_configure(config):
    """Keep pytest-xdist from putting the files with the most tests first: they are not the slowest.

    And begin the server that worker processes are forked from, with all that any of them needs.
    """
    config.option.loadscopereorder = False
    forks = hasattr(config, "workerinput") and "not processes" not in config.option.markexpr
    if forks and sys.platform == "linux":  # many tests ahead, so that the imports pay
        set_forkserver_preload(
            [
                "prognoscope.training.jobs",
                "prognoscope.features.extract",
                "prognoscope.simulation.cohort",
                "prognoscope.study.study",
                "torch._dynamo",  # which an optimizer imports when it is first used
            ]
        )
        ensure_running()


# Each in one process, which makes for all of its tests what takes long.
TOGETHER = {"tests/report/": "report", "tests/viewer/": "painted", "tests/end_to_end/": "painted"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out files whole, and some folders too."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return next((name for folder, name in TOGETHER.items() if file.startswith(folder)), file)

    return Scheduling(config, log)


def pytest_collection_finish():
    """Look for garbage from now on, and never again through all that was imported."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with what takes longest, so that all processes end at about the same time."""
    items.sort(key=lambda item: item.path.stem not in SLOW and not item.nodeid.startswith(tuple(TOGETHER)))


def pytest_terminal_summary(terminalreporter):
    """Say in one line how many tests were skipped because the shared data are not beside the checkout, and where."""
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", ())]
    # an empty parameter set is a table of cases that the absent folder would have given
    absent = [reason for reason in reasons if ABSENT in reason or "empty parameter set" in reason]
    if absent:
        terminalreporter.write_line(
            f"{len(absent)} tests, or tables of tests, were skipped: they need the shared data, absent from {SHARED}."
        )


@pytest.fixture(scope="session")
def data_pack() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"{ABSENT}: no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def painted_cohort(tmp_path_factory) -> Path:
    """The folder of twenty patients' painted slides, with their embeddings; no test writes there."""
    from prognoscope.simulation.cohort import simulate_cohort
    from prognoscope.study.study import Study

    folder = tmp_path_factory.mktemp("painted") / "cohort"
    Study.load(simulate_cohort(folder, patients=20, seed=3, slide_px=1024)).extract()
    return folder


@pytest.fixture(scope="module")
def sketched():
    """No figure is drawn in the tests of a file: `pytestmark = pytest.mark.usefixtures("sketched")`."""
    from tests.sketches import sketches  # matplotlib is slow to import, and most files draw nothing

    with sketches():
        yield


@pytest.fixture(scope="module")
def bare():
    """No run has a section on its page in the tests of a file, but where they ask for `whole_pages`.

    For files that run studies of one kind again and again, and look at what else a run leaves.
    """
    from tests.sketches import bare_pages

    with bare_pages():
        yield


@pytest.fixture
def whole_pages(bare):
    """Where pages are bare, a test that looks at one."""
    from tests.sketches import whole_pages

    with whole_pages():
        yield


@pytest.fixture
def parsed(monkeypatch) -> Counter:
    """How often each file was parsed, as CSV or JSON, since the test began."""
    counts = Counter()
    read_csv, read_text = pd.read_csv, Path.read_text

    def counted_csv(path, *args, **kwargs):
        counts[str(path)] += 1
        return read_csv(path, *args, **kwargs)

    def counted_text(path, *args, **kwargs):
        if path.suffix == ".json":
            counts[str(path)] += 1
        return read_text(path, *args, **kwargs)

    monkeypatch.setattr(pd, "read_csv", counted_csv)
    monkeypatch.setattr(Path, "read_text", counted_text)
    return counts
