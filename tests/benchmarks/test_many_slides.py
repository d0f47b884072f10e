"""The benchmark of many slides makes real files, packs them, and tells of every step; commands are measured."""

import sys

import pytest

from benchmarks import many_slides
from benchmarks.commands import Spent, spent_by
from tests.benchmarks.test_training import rows_of


def test_every_step_is_told_and_only_what_is_new_is_packed(tmp_path, monkeypatch, capsys):
    asked, seconds = [], iter(range(1, 100))

    def measured(command, said):
        asked.append(command[2:])
        if "--pack" in command:
            many_slides.main(command[3:])
        return Spent(0, float(next(seconds)), 500.0, 400.0, 100.0, 7)

    monkeypatch.setattr(many_slides, "spent_by", measured)
    many_slides.main([str(tmp_path), "--slides", "16", "24"])
    header, _, *rows = rows_of(capsys.readouterr().out)
    rows, growth = rows[:20], rows[20:]
    told = {(row[0], row[1]): dict(zip(header, row, strict=True)) for row in rows}
    assert [row[1] for row in rows] == ["16"] * 10 + ["24"] * 10
    packed = {name: float(row["MB packed"]) for (name, slides), row in told.items() if slides == "24"}
    whole = packed["pack"]
    assert whole > packed["pack, one file changed"] > 0 and whole > packed["pack, 1% more patients"] > 0
    assert sum(packed.values()) == whole + packed["pack, one file changed"] + packed["pack, 1% more patients"]
    assert [command[1] for command in asked[:4]] == ["check", "extract", "extract", "check"]
    assert [row[0] for row in growth[2:]] == [row[0] for row in rows[:10]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_a_command_is_measured_from_outside(tmp_path):
    code = "import os, time; files = [open(os.devnull) for _ in range(30)]; big = b'x' * 60_000_000\n"
    code += "while time.process_time() < 0.3: pass\ntime.sleep(2); raise SystemExit(3)"
    spent = spent_by([sys.executable, "-c", code], tmp_path / "said.txt")
    assert spent.code == 3 and 0.3 <= spent.seconds < 3 and spent.open_files >= 33
    assert 60 < spent.own_mb <= spent.peak_mb < 300
    endless = spent_by([sys.executable, "-c", "while True: pass"], tmp_path / "said.txt", limit_s=1)
    assert endless.code < 0 and endless.seconds >= 0.9
