"""A time estimate that holds although methods differ a thousandfold in cost."""

import pytest

from prognoscope.study.clock import Clock, Work


class Watch:
    """Time that passes when it is told to."""

    def __init__(self):
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def clock_of(costs: dict[str, float], folds: int = 2, workers: int = 1) -> tuple[Clock, Watch]:
    """All methods are guessed to take as long."""
    watch = Watch()
    work = {f"{name} {fold}": Work(name, 1.0, f"{name} {fold}") for fold in range(folds) for name in costs}
    return Clock(work, workers=workers, now=watch), watch


def do(clock, watch, key, seconds, epochs=10, before=0.0):
    clock.begin(key)
    watch.s += before
    for epoch in range(1, epochs + 1):
        watch.s += seconds / epochs
        clock.advance(key, epoch, epochs)
    clock.finish(key)


def test_nothing_is_promised_before_anything_was_seen():
    clock, _ = clock_of({"a": 1})
    assert clock.standing().left_s is None and clock.standing().share == 0


def test_after_one_fold_of_each_method_the_rest_is_known_to_the_second():
    costs = {"fast": 0.1, "slow": 100.0, "middle": 3.0}
    clock, watch = clock_of(costs, folds=5)
    for name, seconds in costs.items():
        do(clock, watch, f"{name} 0", seconds)
    standing = clock.standing()
    assert standing.left_s == pytest.approx(4 * 103.1)
    assert standing.share == pytest.approx(0.2)


def test_two_epochs_of_a_long_fold_are_enough_and_what_precedes_them_counts_once():
    clock, watch = clock_of({"a": 1}, folds=3)
    clock.begin("a 0")
    watch.s += 30  # phenotypes are clustered, say
    for epoch in (1, 2):
        watch.s += 5
        clock.advance("a 0", epoch, 20)
    standing = clock.standing()
    assert standing.left_s == pytest.approx(18 * 5 + 2 * (30 + 20 * 5))
    assert standing.doing == "a 0, epoch 2 of 20"


def test_a_fold_that_goes_on_half_way_is_expected_to_end_when_it_will():
    clock, watch = clock_of({"a": 1}, folds=1)
    clock.begin("a 0")
    for epoch in (11, 12, 13):
        watch.s += 2
        clock.advance("a 0", epoch, 20)
    assert clock.standing().left_s == pytest.approx(7 * 2)


def test_several_workers_share_the_work_but_not_one_fold():
    clock, watch = clock_of({"a": 1, "b": 1}, folds=2, workers=2)
    do(clock, watch, "a 0", 10.0)
    do(clock, watch, "b 0", 100.0)
    assert clock.standing().left_s == pytest.approx(100)  # ten beside a hundred


def test_pieces_that_are_worked_on_elsewhere_share_the_work_too():
    clock, watch = clock_of({"a": 1}, folds=9)
    do(clock, watch, "a 0", 10.0)
    for fold in range(1, 5):
        clock.begin(f"a {fold}")
    assert clock.standing().left_s == pytest.approx(20)  # eight of ten seconds by four at once


def test_what_failed_early_is_not_expected_of_others_and_the_share_never_falls():
    clock, watch = clock_of({"a": 1, "b": 1}, folds=2)
    do(clock, watch, "a 0", 10.0)
    before = clock.standing().share
    clock.begin("b 0")
    watch.s += 0.1
    clock.finish("b 0", counts=False)
    assert clock.standing().left_s == pytest.approx(20)
    clock.begin("b 1")
    clock.advance("b 1", 0, 10)
    watch.s += 1000
    clock.advance("b 1", 1, 10)
    assert clock.standing().share >= before
    for key in ("b 1", "a 1"):
        clock.finish(key)
    assert clock.standing().share == 1 and clock.standing().left_s == 0


def test_the_first_epoch_with_all_that_precedes_it_promises_nothing():
    clock, watch = clock_of({"a": 1}, folds=5)
    clock.begin("a 0")
    watch.s += 8  # libraries are loaded
    clock.advance("a 0", 1, 1000)
    assert clock.standing().left_s is None
    watch.s += 0.01
    clock.advance("a 0", 2, 1000)
    assert clock.standing().left_s < 100


def test_what_was_guessed_of_most_of_the_work_is_not_told():
    watch = Watch()
    work = {"solved 0": Work("solved", 1.0), "net 0": Work("net", 100_000.0), "net 1": Work("net", 100_000.0)}
    clock = Clock(work, now=watch)
    do(clock, watch, "solved 0", 2.0)
    assert clock.standing().left_s is None
    do(clock, watch, "net 0", 30.0)
    assert clock.standing().left_s == pytest.approx(30.0)
