"""Where the seconds of a run go: each part is timed where it is called, and no second counts twice."""

import time

import pytest

from benchmarks import whole_run
from benchmarks.whole_run import PARTS, Clock
from tests.sketches import bare_pages


def test_every_part_of_a_small_run_is_told_and_all_together_are_the_whole(capsys):
    began = time.process_time()
    with bare_pages():
        sizes = ["--patients", "40", "--patches", "5", "--folds", "2", "--epochs", "2"]
        whole_run.main(["coxph", "snn", *sizes])
    took = time.process_time() - began
    said = capsys.readouterr().out
    cells = [line.strip("| ").split(" | ") for line in said.splitlines() if line.startswith("| ")][1:]
    spent = {part: float(seconds) for part, seconds, _ in cells}
    assert set(PARTS.values()) | {"the rest"} == set(spent)
    assert 0 < spent["metrics, intervals, comparisons"] < sum(spent.values()) < took


def test_what_a_part_calls_of_another_counts_there_alone(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: now[0])
    clock = Clock()

    def pass_by(seconds):
        now[0] += seconds

    inner = clock.timed(pass_by, "inner")

    def outer():
        pass_by(1)
        inner(5)
        pass_by(2)

    clock.timed(outer, "outer")()
    assert clock.spent["outer"] == pytest.approx(3) and clock.spent["inner"] == pytest.approx(5)
