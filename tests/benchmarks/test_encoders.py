"""The benchmark of encoders tells of each the seconds of a patch and what products alone would take."""

import pytest

from benchmarks import encoders
from tests.benchmarks.test_training import rows_of


def test_each_encoder_has_a_line(capsys, monkeypatch):
    monkeypatch.setattr(encoders, "product_seconds", lambda device, precision: 0.2)
    monkeypatch.setattr(encoders, "SIDE_PX", 64)
    encoders.main(["kaiko_vits16", "resnet50_trunc", "--patches", "1"])
    rows = rows_of(capsys.readouterr().out)[-2:]
    assert [row[0] for row in rows] == ["kaiko_vits16", "resnet50_trunc"]
    assert all(float(cell) > 0 for row in rows for cell in row[1:])
    assert float(rows[0][2]) / float(rows[0][4]) == pytest.approx(2 * 2.048**3 / 0.2, rel=0.1)
