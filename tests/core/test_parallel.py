"""Many items, several processes, and processes that die."""

import errno
import multiprocessing.synchronize
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from prognoscope.core.errors import UnwritableError
from prognoscope.core.parallel import run_many

pytestmark = pytest.mark.processes


def square(item):
    return item * item


def die_once(item):
    folder, number = item
    mark = Path(folder) / str(number)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_for_three(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def asked_to_end_once(item):
    """As a system that runs out of memory may ask one worker, and nobody else."""
    mark, tidied = Path(item) / "mark", Path(item) / "tidied"
    if not mark.exists():
        mark.touch()
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            tidied.touch()
    return "done"


def slow(item):
    time.sleep(1.2)
    return item


def fail(item):
    raise ValueError(f"item {item}")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_comes_back_with_its_result(workers):
    assert dict(run_many(square, range(5), workers=workers)) == {i: i * i for i in range(5)}


def test_what_a_dying_worker_took_down_is_tried_again(tmp_path):
    items = [(str(tmp_path), i) for i in range(2)]
    assert sorted(result for _, result in run_many(die_once, items, workers=2)) == [0, 1]


def test_only_the_item_that_kills_its_worker_is_lost():
    found = list(run_many(die_for_three, range(6), workers=2, retries=1, lost=lambda item: f"{item} died"))
    assert sorted(found, key=lambda each: each[0]) == [(0, 0), (1, 1), (2, 2), (3, "3 died"), (4, 4), (5, 5)]


def test_a_worker_that_is_asked_to_end_tidies_up_and_its_item_is_tried_again(tmp_path):
    assert [result for _, result in run_many(asked_to_end_once, [str(tmp_path)], workers=2)] == ["done"]
    assert (tmp_path / "tidied").exists()


def test_without_anything_to_hand_out_a_worker_that_keeps_dying_ends_everything():
    with pytest.raises(BrokenExecutor):
        list(run_many(die_for_three, [3], workers=2, retries=1))


def test_what_is_worked_on_is_told_while_it_lasts():
    told = []
    assert [result for _, result in run_many(slow, [5], workers=2, on_wait=told.append)] == [5]
    assert told.count([5]) >= 2


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_arrives_as_itself(workers):
    with pytest.raises(ValueError, match="item 3"):
        list(run_many(fail, [3], workers=workers))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENOSYS])
def test_processes_that_can_share_no_memory_are_told_of_it(monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", refuse)
    with pytest.raises(UnwritableError, match=r"can share no memory \(.*\)\. Make room .* leave --jobs out"):
        list(run_many(square, [1, 2], workers=2))


def test_threads_of_workers_are_set_and_restored():
    before = os.environ.get("OMP_NUM_THREADS")
    assert [result for _, result in run_many(os.getenv, ["OMP_NUM_THREADS"] * 2, workers=2, threads=3)] == ["3", "3"]
    assert os.environ.get("OMP_NUM_THREADS") == before


PARENT = """
import sys
from pathlib import Path
from prognoscope.core.errors import UnwritableError
from prognoscope.core.parallel import run_many
from prognoscope.core.stopping import stopping_when_asked
from tests.core.test_parallel import SlowToLoad, note_and_wait

if __name__ == "__main__":
    items = [(sys.argv[1], i) for i in range(2)]
    with stopping_when_asked():
        if "loading" in sys.argv:
            list(run_many(print, [SlowToLoad(each) for each in items], workers=2))
        list(run_many(note_and_wait, items, workers=2))
"""


class SlowToLoad:
    """An item that takes its time to arrive in a worker, as imports do."""

    def __init__(self, item):
        self.item = item

    def __reduce__(self):
        return note_and_wait, (self.item,)


def note_and_wait(item):
    folder, number = item
    try:
        (Path(folder) / f"{number}.pid").write_text(str(os.getpid()))
        time.sleep(120)
    finally:
        (Path(folder) / f"{number}.tidied").touch()


def is_running(pid: int) -> bool:
    """Whether there is such a process that does not just wait to be forgotten by its parent."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc to tell whether a process lives")
@pytest.mark.parametrize(
    ("number", "when"), [(signal.SIGKILL, "working"), (signal.SIGTERM, "working"), (signal.SIGTERM, "loading")]
)
def test_workers_end_with_a_parent_that_is_killed_or_asked_to_end(tmp_path, number, when):
    (tmp_path / "parent.py").write_text(PARENT)
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, tmp_path / "parent.py", tmp_path, when]
    env = {**os.environ, "PYTHONPATH": path}
    with (tmp_path / "said").open("w") as said, subprocess.Popen(command, env=env, stderr=said) as parent:
        noted = wait_for(lambda: sorted(p for p in tmp_path.glob("*.pid") if p.read_text()), 2)
        workers = [int(path.read_text()) for path in noted]
        parent.send_signal(number)
    try:
        assert wait_for(lambda: [pid for pid in workers if not is_running(pid)], 2) == workers
    finally:
        for pid in filter(is_running, workers):
            os.kill(pid, signal.SIGKILL)
    assert parent.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert len(list(tmp_path.glob("*.tidied"))) == (2 if (number, when) == (signal.SIGTERM, "working") else 0)
    assert number == signal.SIGKILL or "Traceback" not in (tmp_path / "said").read_text()


IMPORTED = """
import os, time
from pathlib import Path
Path(__file__).with_name(f"{os.getpid()}.pid").touch()
time.sleep(1)

def measure(item, seconds):
    time.sleep(seconds)
"""
USER = """
import sys
from functools import partial
import imported
from prognoscope.core.errors import UnwritableError
from prognoscope.core.parallel import run_many
from prognoscope.core.stopping import stopping_when_asked

if __name__ == "__main__":
    items = [bytes(1_000_000)] * 2  # more than a pipe takes
    measure = partial(imported.measure, seconds=int(sys.argv[1]))
    with stopping_when_asked():
        list(run_many(measure, items, workers=2, threads=int(sys.argv[2])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker imports for itself")
@pytest.mark.parametrize(("seconds", "threads", "code"), [(0, 1, 0), (60, 1, 143), (60, 2, 143)])
def test_what_workers_need_is_imported_once_and_a_stop_meanwhile_is_silent(tmp_path, seconds, threads, code):
    (tmp_path / "imported.py").write_text(IMPORTED)
    (tmp_path / "user.py").write_text(USER)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, tmp_path / "user.py", str(seconds), str(threads)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE) as user:
        wait_for(lambda: list(tmp_path.glob("*.pid")), 2)  # this process, and the one that workers are forked from
        if code:
            user.terminate()
        assert user.wait(60) == code
        told = user.communicate()[1]  # once all who could have told are gone
    assert told == b"" or threads > 1  # a worker that is not forked may still tell that nobody gives it work
    assert len(list(tmp_path.glob("*.pid"))) == 2 or threads > 1


def wait_for(found, many: int, seconds: float = 60.0) -> list:
    """What is found as soon as there is so much of it, or after so long."""
    deadline = time.monotonic() + seconds
    while len(found()) < many and time.monotonic() < deadline:
        time.sleep(0.05)
    return found()
