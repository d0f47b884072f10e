"""The benchmark command runs at tiny sizes and prints whole tables; what it measures is what it says."""

import pytest
import torch

from benchmarks import training
from benchmarks.data import DIM, Slides, equal_bags, first
from benchmarks.measure import Way, measure, work_of


@pytest.fixture(autouse=True)
def a_quick_machine(monkeypatch):
    monkeypatch.setattr(training, "product_seconds", lambda device, precision: 0.09)
    monkeypatch.setattr(training, "copy_gb_per_s", lambda device: 10.0)


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_steps_of_ours_and_of_the_plain_reading_are_told_side_by_side(capsys):
    training.main(["--methods", "ccl", "--patches", "100", "--patients", "2", "--rounds", "1", "--seconds", "0.1"])
    rows = rows_of(capsys.readouterr().out)
    assert len({len(row) for row in rows[:6]}) == 1 and len({len(row) for row in rows[6:]}) == 1
    assert [row[1:3] for row in rows[2:6]] == [
        ["ours, 2 a step", "float32"],
        ["ours, 2 a step", "bf16"],
        ["ours, 1 a step", "float32"],
        ["plain, 1 a step", "float32"],
    ]
    for row in rows[2:6]:
        assert float(row[3]) == pytest.approx(1 / float(row[4]), rel=0.02)
        assert row[8] == row[4]  # the product takes 0.09 s here
    assert [row[:2] for row in rows[8:]] == [["ccl", "float32"], ["ccl", "bf16"]]
    assert float(rows[8][2]) > 0


@pytest.mark.parametrize("mode", ["--longest", "--cross-validation --patients 20 --epochs 1"])
def test_other_modes_print_a_line_a_method_and_precision(mode, capsys):
    training.main(f"{mode} --methods meanmil --patches 30".split())
    rows = rows_of(capsys.readouterr().out)
    assert [row[:2] for row in rows[2:]] == [["meanmil", "float32"], ["meanmil", "bf16"]]


def test_work_is_that_of_the_products_and_of_what_is_read_and_written():
    a, b = torch.ones(4, 8), torch.ones(8, 16)
    gflop, gb = work_of(lambda: (a @ b).T)
    assert gflop == pytest.approx(2 * 4 * 8 * 16 / 1e9)
    assert gb == pytest.approx(4 * (4 * 8 + 8 * 16 + 4 * 16) / 1e9)


def test_a_convolution_by_channel_takes_three_times_its_forward_work():
    convolve = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
    image = torch.ones(1, 8, 5, 5, requires_grad=True)
    gflop, _ = work_of(lambda: convolve(image).sum().backward())
    assert gflop == pytest.approx(3 * 2 * 25 * 8 * 9 / 1e9)


def test_ways_take_turns_until_they_have_had_their_seconds():
    turns = []
    ways = [Way("m", name, "float32", lambda name=name: turns.append(name) or 2) for name in "ab"]
    measure(ways, "cpu", rounds=2, budget_s=60)
    assert turns == ["a", "b"] * 3
    ways[0].seconds = [9.0, 1.0, 3.0]
    assert ways[0].each == 2.0
    measure(ways, "cpu", rounds=5, budget_s=0)
    assert turns == ["a", "b"] * 4


def test_made_up_bags_have_the_length_asked_for(tmp_path):
    slide = Slides().draw("S", 9000)
    assert slide.features.shape == (9000, DIM) and 0.3 < slide.features[:1000].astype(float).std() < 3
    data = equal_bags(4, 7, tmp_path / "x.bags")
    assert data.lengths == [7] * 4
    part = first(data, 2)
    assert torch.equal(part.batch([1]).inputs.bags.values, data.batch([1]).inputs.bags.values)
