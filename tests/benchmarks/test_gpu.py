"""The command for a GPU tries all it does on a processor, ends in its time, and says where there is no GPU."""

import pytest
import torch

from benchmarks import gpu
from benchmarks.profile import STEPPING


def cells(lines):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


@pytest.mark.parametrize("minutes", [10, 0])
def test_each_network_has_a_line_of_numbers_or_was_not_reached(minutes, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "product_seconds", lambda device, precision: 0.1)
    monkeypatch.setattr(gpu, "STEPPING", ("abmil", "mcat"))
    monkeypatch.setattr(gpu, "FOLDS_OF", ("abmil",))
    gpu.main(["--device", "cpu", "--quick", "--minutes", str(minutes)])
    said = capsys.readouterr().out.split("\nFive folds")
    _, _, *rows = cells(said[0].splitlines())
    assert [row[0] for row in rows] == ["abmil", "mcat"] and {len(row) for row in rows} == {6}
    _, _, *folds = cells(said[1].splitlines())
    assert [row[0] for row in folds] == ["abmil"] and len(folds[0]) == gpu.HEADER.count("|") - 1
    if minutes:
        assert all(float(cell) > 0 for row in rows for cell in (row[1], *row[3:]))
    else:
        assert rows[1][1] == "not reached in 0 s" and folds[0][1] == "not reached"


def test_it_knows_all_networks_that_take_steps():
    assert set(gpu.FOLDS_OF) < set(STEPPING)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_how_to_try(capsys):
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "torch sees no GPU here. Try the command itself with --device cpu --quick" in capsys.readouterr().err
