"""The tables of steps and of where their time goes are whole, and operations are told by their kinds."""

import pytest

from benchmarks import agreement, profile, steps
from tests.benchmarks.test_training import rows_of


def test_plain_over_ours_is_told_for_each_precision(monkeypatch, capsys):
    monkeypatch.setattr(steps, "product_seconds", lambda device, precision: 0.1)
    monkeypatch.setattr(steps, "copy_gb_per_s", lambda device: 10.0)
    monkeypatch.setattr(steps, "LEAST_S", 0.002)
    steps.main(["--methods", "dsmil", "--patches", "40", "--rounds", "3"])
    header, _, *rows = rows_of(capsys.readouterr().out)
    assert [row[:2] for row in rows] == [["dsmil", "float32"], ["dsmil", "bf16"]]
    for row in rows:
        told = dict(zip(header, row, strict=True))
        least, most = map(float, told["range"].split(" to "))
        assert 0 < least <= float(told["plain / ours"]) <= most
        gflop, seconds = float(told["GFLOP"]), float(told["s at the product's speed"])
        assert seconds == pytest.approx(gflop * 0.1 / (2 * 2048**3 / 1e9), rel=0.01)


@pytest.mark.parametrize("plain", [False, True])
def test_shares_of_a_step_add_up(plain, capsys):
    profile.main(["dsmil", "--patches", "40", "--times", "1", "--precision", "float32"] + ["--plain"] * plain)
    (header, _, row) = rows_of(capsys.readouterr().out)
    shares = dict(zip(header[4:], (int(cell.removesuffix(" %")) for cell in row[4:]), strict=True))
    assert shares["products"] > 0 and sum(shares.values()) == pytest.approx(100, abs=4)


def test_operations_are_told_by_their_kinds():
    kinds = {
        "aten::addmm": "products",
        "aten::add_": "elementwise",
        "aten::_scaled_dot_product_flash_attention_for_cpu": "products",
        "aten::copy_": "casts, copies",
        "aten::random_": "dropout",
        "aten::ge": "dropout",
        "aten::gelu": "elementwise",
        "aten::native_layer_norm_backward": "reductions",
        "aten::_fused_adam_": "optimizer",
        "aten::t": "calls, the rest",
        "AddmmBackward0": "calls, the rest",
    }
    assert {name: profile.kind_of(name) for name in kinds} == kinds


def test_a_method_without_steps_is_refused(capsys):
    with pytest.raises(SystemExit):
        profile.main(["coxph"])
    assert "take no gradient steps of their own: coxph" in capsys.readouterr().err


def test_risks_in_both_precisions_are_told_side_by_side(capsys):
    agreement.main(["--methods", "dsmil", "--patients", "6", "--patches", "20", "--epochs", "1"])
    header, _, row = rows_of(capsys.readouterr().out)
    told = dict(zip(header[1:], map(float, row[1:]), strict=True))
    assert 0 < told["largest difference, same weights"] < 0.1
    assert all(0 <= value <= 1 for name, value in told.items() if "C-index" in name)
