"""Which epoch is kept, and when waiting ends, on histories made up."""

import math

import pytest
import torch

from prognoscope.models.creation import create_model
from prognoscope.training.progress import RULES, Progress, risk_table
from prognoscope.training.spec import TrainingSpec

NAN = math.nan


def progress_after(values, rule, warm_up=0) -> Progress:
    progress, model = Progress(), create_model("meanmil", embedding_dim=1, n_bins=2)
    column = "" if RULES[rule] is None else RULES[rule].column
    for epoch, value in enumerate(values):
        progress.add({"epoch": epoch, column: value}, model, rule, warm_up=warm_up)
    return progress


@pytest.mark.parametrize(
    ("rule", "values", "best"),
    [
        ("last", [3, 1, 2], 2),
        ("validation_loss", [3.0, 1.0, 2.0, 1.0], 1),
        ("validation_c_index", [0.5, 0.7, 0.6, 0.7], 1),
        ("test_c_index", [0.9, 0.7], 0),
        ("validation_c_index", [NAN, 0.4, NAN, 0.3], 1),
        ("validation_c_index", [0.4, NAN], 0),
    ],
)
def test_the_first_of_the_best_is_kept(rule, values, best):
    progress = progress_after(values, rule)
    assert progress.best_epoch == best
    assert "head.weight" in progress.best_weights


@pytest.mark.parametrize(
    ("values", "best"), [([0.5, 0.7, 0.6, 0.7, 0.6], 3), ([0.7, NAN], 0), ([NAN, 0.4, 0.4], 2), ([0.6, 0.6, 0.5], 1)]
)
def test_some_papers_report_the_last_of_the_best(values, best):
    assert progress_after(values, "latest_test_c_index").best_epoch == best


def test_an_epoch_of_the_warm_up_is_kept_only_until_there_is_a_later_one():
    losses = [0.1, 0.2, 3.0, 2.0, 2.5]
    assert [progress_after(losses[:n], "validation_loss", 2).best_epoch for n in range(1, 6)] == [0, 1, 2, 3, 3]


def test_a_training_does_not_stop_before_the_earliest_stop():
    spec = TrainingSpec(patience=2, earliest_stop=6)
    falling = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert not progress_after(falling[:5], "validation_c_index").is_over(30, spec)
    assert progress_after(falling, "validation_c_index").is_over(30, spec)
    assert progress_after(falling[:4], "validation_c_index").is_over(4, spec)


def test_patience_counts_epochs_since_the_best():
    spec, patient = TrainingSpec(patience=2), TrainingSpec()
    losses = [3.0, 1.0, 2.0, 2.0]
    assert not Progress().is_over(9, spec)
    assert not progress_after(losses[:3], "validation_loss").is_over(9, spec)
    assert progress_after(losses, "validation_loss").is_over(9, spec)
    assert not progress_after(losses, "validation_loss").is_over(9, patient)
    assert progress_after(losses, "validation_loss").is_over(4, patient)
    assert not progress_after(losses, "last").is_over(9, TrainingSpec(patience=1))


@pytest.mark.parametrize(
    ("values", "best"), [([0.5, 0.7, 0.6, 0.7], 1), ([0.9, 0.2], 0), ([NAN, 0.4, NAN, 0.3], 1), ([0.4, NAN], 0)]
)
def test_risks_are_kept_of_the_last_epoch_and_of_the_first_best_on_the_test_part(values, best):
    progress, model = Progress(), create_model("meanmil", embedding_dim=1, n_bins=2)
    for epoch, value in enumerate(values):
        risk = torch.tensor([epoch, -epoch], dtype=torch.float64)
        progress.add({"epoch": epoch, "test_c_index": value}, model, "last", risk=risk)
    table = risk_table(progress, ["P1", "P2"])
    assert table["last"].tolist() == [len(values) - 1, 1 - len(values)]
    assert table["best_on_test"].tolist() == [best, -best] and table["patient_id"].tolist() == ["P1", "P2"]
    assert risk_table(Progress(), []) is None
