"""Which epoch is kept, and when waiting ends, on histories made up."""

import math

import pytest

from prognoscope.models.registry import create_model
from prognoscope.training.progress import Progress
from prognoscope.training.spec import TrainingSpec

NAN = math.nan


def progress_after(values, rule) -> Progress:
    progress, model = Progress(), create_model("meanmil", embedding_dim=1, n_bins=2)
    for epoch, value in enumerate(values):
        progress.add({"epoch": epoch, rule: value}, model, rule)
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


def test_patience_counts_epochs_since_the_best():
    spec, patient = TrainingSpec(patience=2), TrainingSpec()
    losses = [3.0, 1.0, 2.0, 2.0]
    assert not Progress().is_over(9, spec)
    assert not progress_after(losses[:3], "validation_loss").is_over(9, spec)
    assert progress_after(losses, "validation_loss").is_over(9, spec)
    assert not progress_after(losses, "validation_loss").is_over(9, patient)
    assert progress_after(losses, "validation_loss").is_over(4, patient)
    assert not progress_after(losses, "last").is_over(9, TrainingSpec(patience=1))
