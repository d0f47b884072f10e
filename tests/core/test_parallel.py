"""Many items, several processes, and processes that die."""

import os
import signal
from pathlib import Path

import pytest

from prognoscope.core.parallel import run_many


def square(item):
    return item * item


def die_once(item):
    folder, number = item
    mark = Path(folder) / str(number)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(item):
    raise ValueError(f"item {item}")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_comes_back_with_its_result(workers):
    assert dict(run_many(square, range(5), workers=workers)) == {i: i * i for i in range(5)}


def test_what_a_dying_worker_took_down_is_tried_again(tmp_path):
    items = [(str(tmp_path), i) for i in range(2)]
    assert sorted(result for _, result in run_many(die_once, items, workers=2)) == [0, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_arrives_as_itself(workers):
    with pytest.raises(ValueError, match="item 3"):
        list(run_many(fail, [3], workers=workers))


def test_threads_of_workers_are_set_and_restored():
    before = os.environ.get("OMP_NUM_THREADS")
    assert [result for _, result in run_many(os.getenv, ["OMP_NUM_THREADS"] * 2, workers=2, threads=3)] == ["3", "3"]
    assert os.environ.get("OMP_NUM_THREADS") == before
