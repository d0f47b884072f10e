"""A method that fails stops no other: what is kept, told and tried again."""

import errno
import json
import os

import pandas as pd
import pytest

from prognoscope import cli
from prognoscope.core.errors import DiskFullError, TrainingError
from prognoscope.models.abmil.network import ABMIL
from prognoscope.models.snn.network import SNN
from prognoscope.study.clock import Standing
from prognoscope.study.devices import workers_for
from prognoscope.study.run import Finished
from prognoscope.study.study import Study
from prognoscope.training.crossval import run_fold
from prognoscope.training.jobs import cross_validate, run_or_fail
from tests.sketches import whole_pages
from tests.study.conftest import write_settings
from tests.training.toys import make_toy
from tests.training.workers import die_on_abmil, tell_slowly

pytestmark = pytest.mark.usefixtures("sketched", "bare")


SETTINGS = {  # two networks, two folds, two epochs, no surgery
    "methods": ["snn", "abmil"],
    "training": {"epochs": 2, "patients_per_step": 16},
    "splits.folds": 2,
    "evaluation": {"draws": 10, "surgery": False},
}


@pytest.fixture
def study(change) -> Study:
    return Study.load(change(**SETTINGS))


@pytest.fixture(scope="module")
def whole(simulated) -> Finished:
    """The same without any failure."""
    write_settings(simulated / "study.yaml", SETTINGS)
    with whole_pages():
        return Study.load(simulated / "study.yaml").run()


@pytest.fixture
def breaks(monkeypatch):
    """Let a method's forward pass raise."""

    def put(kind, error) -> None:
        def forward(*_):
            raise error

        monkeypatch.setattr(kind, "forward", forward)

    return put


FAULTS = [
    (MemoryError(), "abmil, fold 0: There was not enough memory"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "There was not enough memory"),
    (RuntimeError("CUDA error: out of memory"), "There was not enough memory (CUDA error: out of memory)"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "lower training.patches_per_pass"),
    (OSError(errno.EMFILE, "Too many open files"), "raise its limits with `ulimit -n`"),
    (TypeError("too few arguments"), "not foreseen: TypeError: too few arguments"),
    (TrainingError("The loss is not a finite number."), "abmil, fold 0: The loss is not a finite number."),
]


@pytest.mark.parametrize(("error", "words"), FAULTS, ids=lambda each: type(each).__name__)
def test_why_a_fold_failed_is_told_and_kept(breaks, tmp_path, error, words):
    breaks(ABMIL, error)
    job = make_toy(tmp_path).job(tmp_path / "abmil")
    failure = run_or_fail(job, run_fold)
    assert failure is not None and words in failure.sentence and failure.sentence.startswith("abmil, fold 0: ")
    kept = json.loads(job.files.failure.read_text())
    assert kept["sentence"] == failure.sentence and type(error).__name__ in kept["trace"]


def test_a_method_that_fails_is_told_and_the_others_are_finished(study, breaks):
    breaks(ABMIL, MemoryError())
    with whole_pages():
        run = study.run()
    assert [failure.method for failure in run.failures] == ["abmil", "abmil"]
    assert set(pd.read_csv(run.folder / "metrics.csv")["method"]) - {"snn"} <= {
        "oracle",
        "oracle_slides",
        "oracle_genes",
    }
    kept = json.loads((run.folder / "abmil" / "fold_0" / "failure.json").read_text())
    assert kept["sentence"] == run.failures[0].sentence and "MemoryError" in kept["trace"]
    page = run.report.read_text()
    assert "Not complete" in page and "abmil, fold 1" in page and "There was not enough memory" in page
    about = json.loads((run.folder / "provenance.json").read_text())
    assert about["methods"] == ["snn"] and about["failed"][0]["fold"] == 0


def test_what_failed_is_tried_again_and_then_nothing_tells_of_it(study, whole, breaks, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(ABMIL, "forward", lambda *_: 1 / 0)
        study.run()
    with whole_pages():
        again = study.run()
    assert again.failures == ()
    names = ("metrics.csv", "report.html", "provenance.json", "abmil/fold_1/predictions.csv")
    assert all((again.folder / name).read_bytes() == (whole.folder / name).read_bytes() for name in names)
    assert not list(again.folder.rglob("failure.json"))


def test_if_every_method_fails_one_sentence_says_so(study, breaks):
    breaks(ABMIL, MemoryError())
    breaks(SNN, MemoryError())
    with pytest.raises(
        TrainingError, match="None of the 2 methods could be trained. The first of 4 failures: snn, fold 0"
    ):
        study.run()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), DiskFullError("The disk is full.")])
def test_a_full_disk_stops_everything(study, breaks, error):
    breaks(SNN, error)
    with pytest.raises(OSError):
        study.run()
    assert not list(study.folder.rglob("run/abmil/*"))


def test_ctrl_c_stops_everything(study, breaks):
    breaks(SNN, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        study.run()


def test_the_command_ends_with_one_and_says_what_failed(study, breaks, capsys):
    breaks(ABMIL, MemoryError())
    said = []
    for more in ([], ["--debug"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["run", str(study.folder / "study.yaml"), *more])
        assert stopped.value.code == 1
        said.append(capsys.readouterr())
    assert "snn" in said[0].out and "Report: " in said[0].out
    assert "failed: abmil, fold 0: There was not enough memory" in said[0].err and "Traceback" not in said[0].err
    assert "The same command tries again what failed." in said[0].err
    assert "Traceback" in said[1].err and "MemoryError" in said[1].err


@pytest.mark.processes
def test_a_worker_that_the_system_kills_costs_its_own_fold_alone(tmp_path):
    toy = make_toy(tmp_path)
    jobs = [toy.job(tmp_path / name, name) for name in ("snn", "abmil", "meanmil", "coxph")]
    found = {job.method.name: failure for job, failure in cross_validate(jobs, die_on_abmil, workers=2)}
    assert [name for name, failure in found.items() if failure is not None] == ["abmil"] and len(found) == 4
    assert found["abmil"].sentence.startswith("abmil, fold 0: Its process was killed by the system")
    assert (tmp_path / "abmil" / "failure.json").is_file()


def test_progress_of_one_run_goes_from_nothing_to_all(study):
    told: list[Standing] = []
    study.run(progress=told.append)
    shares = [each.share for each in told]
    assert shares == sorted(shares) and told[0].share == 0 and told[-1].share == 1
    doing = [each.doing for each in told]
    known = doing.index("snn, fold 1")  # by then a fold of each method was seen
    assert told[0].left_s is None and all(each.left_s is not None for each in told[known:-1])
    assert doing[-1] == "measuring, comparing and drawing" and told[-1].left_s is None
    assert doing.index("abmil, fold 0, epoch 1 of 2") < doing.index("snn, fold 1")  # soon all costs are known
    study.run(progress=told.append)


@pytest.mark.processes
def test_epochs_are_told_of_other_processes_too(tmp_path):
    toy, told = make_toy(tmp_path), []
    jobs = [toy.job(tmp_path / name, name) for name in ("abmil", "snn")]
    done = list(
        cross_validate(jobs, tell_slowly, workers=2, on_epoch=lambda job, *n: told.append((job.method.name, *n)))
    )
    assert all(failure is None for _, failure in done)
    assert ("abmil", 0, 0) in told
    epochs = [n for name, n, of in told if name == "abmil" and of == 9]
    assert epochs and epochs == sorted(epochs)
    assert not [path for job in jobs for path in job.files.folder.iterdir() if path.suffix == ".txt"]


@pytest.mark.parametrize(
    ("jobs", "threads", "cores", "workers"), [(2, 1, 2, 2), (4, 1, 2, 2), (4, 2, 4, 2), (1, 8, 4, 1)]
)
def test_jobs_times_threads_are_no_more_than_the_cores(jobs, threads, cores, workers, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    found, told = workers_for(jobs, threads)
    assert found == workers and bool(told) == (workers < jobs)


def test_the_study_says_whether_there_is_surgery(whole):
    assert not (whole.folder / "surgery.csv").exists()
