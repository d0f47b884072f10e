"""What a training tells its method before the first step, and what it keeps of patients who only watch."""

import numpy as np
import pytest
import torch

from prognoscope.core.errors import TrainingError
from prognoscope.models.recipe import Recipe
from prognoscope.training.loop import fit
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.step import losses_of
from tests.training.toys import c_index

LAST = TrainingSpec(choose="last")


def test_a_method_is_told_of_all_training_patients_once_before_the_first_step(toy, monkeypatch):
    model, data, told = toy.model("abmil"), toy.dataset("train"), []
    first = {name: value.clone() for name, value in model.state_dict().items()}

    def note(target, read):
        assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())
        told.append((target, read([1, 0])))

    monkeypatch.setattr(model, "before_training", note)
    fit(model, data, spec=LAST, recipe=Recipe(epochs=2))
    ((target, inputs),) = told
    assert torch.equal(target.bin, data.target.bin) and torch.equal(target.event, data.target.event)
    assert torch.equal(inputs.bags.values, data.batch([1, 0]).inputs.bags.values)


def test_risks_of_test_patients_are_kept_of_the_last_epoch_and_of_the_best_among_them(toy):
    model, test = toy.model("snn"), toy.dataset("test")
    progress = fit(
        model, toy.dataset("train"), test=test, metric=c_index, spec=LAST, recipe=Recipe(epochs=3, learning_rate=1e-2)
    )
    np.testing.assert_array_equal(progress.risks["last"], predict(model, test, spec=LAST).prediction.risk)
    best = c_index(progress.risks["best_on_test"].numpy(), time=test.outcome.time, event=test.outcome.event)
    assert best == max(row["test_c_index"] for row in progress.history)


def test_losses_weigh_censored_patients_as_the_recipe_says(toy):
    validation = toy.dataset("validation")
    assert not validation.outcome.event.all()
    losses = {}
    for alpha in (0.0, 0.7):
        model, how = toy.model("snn"), Recipe(epochs=1, learning_rate=1e-9, nll_alpha=alpha)
        (row,) = fit(model, toy.dataset("train"), validation=validation, spec=LAST, recipe=how).history
        losses[alpha] = row["validation_loss"]
        assert losses[alpha] == pytest.approx(predict(model, validation, spec=LAST, alpha=alpha).loss, rel=1e-6)
    assert losses[0.7] < losses[0.0]


def test_losses_of_a_method_s_own_are_told_how_censored_patients_weigh(toy, monkeypatch):
    model, batch = toy.model("snn"), toy.dataset("train").batch(range(6))
    monkeypatch.setattr(model, "extra_losses", lambda output, target, *, alpha=0.0: {"told": torch.full((6,), alpha)})
    found = losses_of(model, model(batch.inputs), batch.target, Recipe(nll_alpha=0.75))
    assert found["told"].tolist() == 6 * [0.75]


def test_two_epochs_of_one_loss_have_taught_nothing(toy):
    how = Recipe(epochs=2, learning_rate=1e-30, optimizer="sgd", weight_decay=0.0)
    with pytest.raises(TrainingError, match="in every one of 2 epochs, so nothing was learned"):
        fit(toy.model("snn"), toy.dataset("train"), validation=toy.dataset("validation"), recipe=how, spec=LAST)
