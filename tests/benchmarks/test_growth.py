"""The benchmark of growth makes studies that run, doubles one measure at a time, and tells by which power it counts."""

import pytest

from benchmarks import growth
from benchmarks.commands import Spent
from prognoscope.study.study import Study
from tests.benchmarks.test_training import rows_of


def test_one_measure_is_doubled_at_a_time(tmp_path, monkeypatch, capsys):
    def measured(command, said):
        plan = Study.load(command[4]).plan()
        n, genes, methods = len(plan.cohort.patients), len(plan.cohort.omics.values.columns), len(plan.methods)
        patches = {look.patches for look in plan.looks.heads.values()}.pop()
        return Spent(0, (n / 20) ** 2 + patches / 3, 0.0, 100.0 + genes / 60 * methods * 20, 0.0, 9)

    monkeypatch.setattr(growth, "spent_by", measured)
    sizes = ["--patients", "20", "--patches", "3", "--genes", "60", "--methods", "2"]
    growth.main([str(tmp_path), *sizes])
    rows = rows_of(capsys.readouterr().out)
    assert [row[:4] for row in rows[2:6]] == [
        ["20", "3", "60", "2"],
        ["40", "3", "60", "2"],
        ["80", "3", "60", "2"],
        ["20", "6", "60", "2"],
    ]
    assert len(rows) == 2 + 9 + 2 + 4
    assert rows[13:] == [
        ["patients", "2.00", "-"],
        ["patches", "1.00", "-"],
        ["genes", "-", "1.00"],
        ["methods", "-", "1.00"],
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("values", "told"), [((1, 2, 4), "1.00"), ((1, 2, 6), "2.00"), ((1, 1.05, 4), "-")])
def test_an_exponent_is_of_what_is_added(values, told):
    assert growth.exponent(*values) == told
