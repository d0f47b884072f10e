"""Several processes that work on one run: each fold once, the bytes of one process alone, whoever is killed."""

import os
import re
import shlex
import signal
import time
from collections import Counter

import pytest

from prognoscope.cli import main
from prognoscope.core.claims import ClaimedError
from prognoscope.core.errors import StudyError
from prognoscope.runs.layout import RunFiles
from prognoscope.study import run as run_module
from prognoscope.study.run_log import at_work, sharers
from prognoscope.study.slurm import SlurmSpec, write_script
from prognoscope.study.study import Study
from tests.forked import begin, run_bare
from tests.run_files import contents

SETTINGS = ["methods=[snn, abmil]", "splits.folds=2", "training.epochs=4", "evaluation.surgery=true"]
OF_SETTINGS = [word for setting in SETTINGS for word in ("--set", setting)]


def join(study, folder, *more):
    return begin(run_bare, "run", str(study), "--out", str(folder), "--share", *OF_SETTINGS, *more)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


def folds_ended(folder):
    """How often the log says of each fold that it ended."""
    return Counter(re.findall(r"work: (.+): ended", (folder / "log.txt").read_text()))


@pytest.mark.processes
def test_processes_that_share_a_run_do_each_fold_once_and_give_the_bytes_of_one(simulated, tmp_path):
    alone = begin(run_bare, "run", str(simulated / "study.yaml"), "--out", str(tmp_path / "alone"), *OF_SETTINGS)
    alone.join()
    together = [join(simulated / "study.yaml", tmp_path / "run", "--jobs", n) for n in "112"]
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [0, 0, 0]
    assert contents(tmp_path / "run") == contents(tmp_path / "alone")
    begun = folds_ended(tmp_path / "run")
    assert len(begun) == 4 + 2 + 4 and set(begun.values()) == {1}  # folds, permuted, operated on
    assert not list((tmp_path / "run").rglob(".*"))  # no claim


@pytest.mark.processes
def test_what_a_killed_process_had_begun_is_done_by_the_others(simulated, tmp_path):
    alone = begin(run_bare, "run", str(simulated / "study.yaml"), "--out", str(tmp_path / "alone"), *OF_SETTINGS)
    alone.join()
    victim = join(simulated / "study.yaml", tmp_path / "run")
    wait_for(lambda: list((tmp_path / "run").glob("abmil/fold_*/.fold.claim")))
    others = [join(simulated / "study.yaml", tmp_path / "run"), victim]
    os.killpg(victim.pid, signal.SIGKILL)
    for process in others:
        process.join()
    assert others[0].exitcode == 0
    assert contents(tmp_path / "run") == contents(tmp_path / "alone")


def test_whoever_shares_and_whoever_does_not_never_meet(simulated, tmp_path):
    study = Study.load(simulated / "study.yaml", ["methods=[coxph]"])
    with (
        at_work(tmp_path / "run", shares=True),
        pytest.raises(ClaimedError, match="is in use: `prognoscope run --share`, by process .* Join it with --share"),
    ):
        study.run(tmp_path / "run")
    with at_work(tmp_path / "run"), pytest.raises(ClaimedError, match="is in use: `prognoscope run`, by process"):
        study.run(tmp_path / "run", shares=True)
    assert not sharers(RunFiles(tmp_path / "run"))
    assert study.run(tmp_path / "run", shares=True).failures == ()


def test_processes_with_other_methods_may_not_share_a_run(simulated, tmp_path):
    Study.load(simulated / "study.yaml", ["methods=[coxph]"]).run(tmp_path / "run")
    more = Study.load(simulated / "study.yaml", ["methods=[coxph, snn]"])
    with at_work(tmp_path / "run", shares=True):
        sharer = RunFiles(tmp_path / "run").sharer("another")
        claim = next((tmp_path / "run").glob(".claim.*.claim"))
        sharer.write_bytes(claim.read_bytes())
        with pytest.raises(StudyError, match="shared by processes whose study has other methods or settings: see"):
            run_module.need_same_study(more.plan(), tmp_path / "run")
        run_module.need_same_study(Study.load(simulated / "study.yaml", ["methods=[coxph]"]).plan(), tmp_path / "run")
        sharer.unlink()
        run_module.need_same_study(more.plan(), tmp_path / "run")  # nobody else is there


def test_no_script_for_slurm_is_written_for_a_folder_that_its_tasks_would_refuse(simulated, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main(["slurm", str(simulated / "study.yaml"), "--out", str(tmp_path / "run"), *OF_SETTINGS])
    assert "is neither empty nor a run. Choose another folder with --out." in capsys.readouterr().err
    assert not (tmp_path / "run.sbatch").exists()


@pytest.mark.processes
def test_the_script_for_slurm_runs_as_an_array(simulated, tmp_path):
    """By a stand-in for sbatch, which starts a process for each task of the array."""
    command = ["slurm", str(simulated / "study.yaml"), "--out", str(tmp_path / "run"), "--tasks", "3", "--time", "1:00"]
    process = begin(run_bare, *command, *OF_SETTINGS)
    process.join()
    script = tmp_path / "run.sbatch"
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", script.read_text(), re.MULTILINE))
    assert asked["time"] == "1:00" and asked["cpus-per-task"] == "1" and "gres" not in asked
    first, last = map(int, asked["array"].split("-"))
    tasks = [begin(os.execv, "/bin/bash", ["bash", str(script)]) for _ in range(first, last + 1)]
    for task in tasks:
        task.join()
    assert [task.exitcode for task in tasks] == [0, 0, 0]
    begun = folds_ended(tmp_path / "run")
    assert len(begun) == 10 and set(begun.values()) == {1} and (tmp_path / "run" / "report.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason="Slurm is of Unix")
@pytest.mark.parametrize("name", ["run", "my run", "it's #1", 'of "all"', "50%j"])
def test_a_script_for_slurm_names_any_folder(tmp_path, name):
    """Slurm reads its lines in the manner of a shell, to which # begins a comment, and % has a meaning to it."""
    folder = tmp_path / name
    path = write_script(tmp_path / "new.sh", tmp_path / "study.yaml", folder, SlurmSpec())
    read = [shlex.split(line.removeprefix("#SBATCH"), comments=True) for line in path.read_text().splitlines()]
    output = str(folder).replace("%", "%%") + ".slurm-%A_%a.txt"
    assert [f"--output={output}"] in read and [f"--job-name=prognoscope-{name}"] in read


def test_a_script_for_slurm_asks_for_what_is_asked_and_nothing_is_written_over(tmp_path):
    spec = SlurmSpec(tasks=4, cpus=2, gpus=1, memory="16G", partition="gpu", account="lab")
    path = write_script(tmp_path / "a b.sh", tmp_path / "my study.yaml", tmp_path / "run", spec, ["--set", "seeds=2"])
    lines = path.read_text().splitlines()
    assert {"#SBATCH --gres=gpu:1", "#SBATCH --mem=16G", "#SBATCH --partition=gpu", "#SBATCH --account=lab"} <= {*lines}
    words = shlex.split(lines[-1])
    assert words[0] == "exec" and words[2:5] == ["-m", "prognoscope", "run"]
    assert words[5] == str(tmp_path / "my study.yaml") and words[-5:] == ["--share", "--jobs", "2", "--set", "seeds=2"]
    write_script(path, tmp_path / "study.yaml", tmp_path / "run", spec)
    (tmp_path / "mine.sh").write_text("echo mine")
    with pytest.raises(Exception, match="is there already and is not of this command"):
        write_script(tmp_path / "mine.sh", tmp_path / "study.yaml", tmp_path / "run", spec)
