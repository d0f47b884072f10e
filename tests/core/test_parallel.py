"""Many items, several processes, and processes that die."""

import os
import signal
import time
from concurrent.futures import BrokenExecutor
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


def die_for_three(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


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


def test_threads_of_workers_are_set_and_restored():
    before = os.environ.get("OMP_NUM_THREADS")
    assert [result for _, result in run_many(os.getenv, ["OMP_NUM_THREADS"] * 2, workers=2, threads=3)] == ["3", "3"]
    assert os.environ.get("OMP_NUM_THREADS") == before
