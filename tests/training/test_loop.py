"""The loop against one written by hand; sampling, schedules, and what makes it stop."""

import math
from contextlib import contextmanager, nullcontext
from itertools import groupby

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.cohort.dataset import open_bags, prepared_dataset
from prognoscope.core.batch import Target
from prognoscope.core.errors import InputError, MetricError, ModelError, TrainingError
from prognoscope.models.abmil.network import ABMIL
from prognoscope.models.recipe import Recipe
from prognoscope.training.loop import _check_finite, _check_learned, draw_patients, fit, train_epoch
from prognoscope.training.optimizer import learning_rate, make_optimizer
from prognoscope.training.predict import predict
from prognoscope.training.progress import Progress
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.step import plan_steps
from tests.training.toys import c_index, weights

SGD = {"optimizer": "sgd", "learning_rate": 1e-2, "weight_decay": 1e-2}
ADAM = {"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 1e-2}


def recipe(**changes) -> Recipe:
    return Recipe(**{"learning_rate": 1e-2, "epochs": 4, "patients_per_step": 8} | changes)


def train_by_hand(model, data, recipe, seed):
    """One patient at a time, gradients accumulated over a step, nothing of the loop but its draw of patients."""
    fast = [v for n, v in model.named_parameters() if n.startswith("network.dsmil.")]
    slow = [v for n, v in model.named_parameters() if not n.startswith("network.dsmil.")]
    groups = [{"params": slow}, *([{"params": fast}] if fast else [])]
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.SGD
    options = {} if recipe.optimizer == "adam" else {"momentum": 0.9}
    optimizer = kind(groups, lr=1.0, weight_decay=recipe.weight_decay, foreach=False, fused=False, **options)
    everybody = data.batch(range(len(data)))
    alone = list(zip(everybody.inputs.split(), everybody.target.split(), strict=True))
    means = []
    for epoch in range(recipe.epochs):
        rate = recipe.learning_rate
        if recipe.schedule == "cosine":
            rate *= (1 + math.cos(math.pi * epoch / recipe.epochs)) / 2
        for group, factor in zip(optimizer.param_groups, (1, 10), strict=False):
            group["lr"] = rate * factor
        generator = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
        order, total = draw_patients(data.target, recipe.sampler, generator), 0.0
        while order:
            step, order = order[: recipe.patients_per_step], order[recipe.patients_per_step :]
            optimizer.zero_grad()
            for i in step:
                inputs, target = alone[i]
                output = model(inputs)
                loss = model.survival_loss(output, target, alpha=recipe.nll_alpha)
                loss = (loss + sum(model.extra_losses(output, target).values())).sum()
                (loss / len(step)).backward()
                total += loss.item()
            optimizer.step()
        means.append(total / len(data))
    return means


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("abmil", SGD | {"schedule": "cosine", "nll_alpha": 0.4}),
        ("meanmil", ADAM | {"sampler": "shuffled"}),
        ("snn", ADAM | {"schedule": "cosine"}),
        ("mcti", SGD | {"learning_rate": 1e-3}),
    ],
)
def test_a_training_equals_a_loop_written_by_hand_however_it_is_cut_into_passes(toy, name, changes):
    data, how = toy.dataset("train"), recipe(**changes)
    assert len(data) % how.patients_per_step  # the last step is smaller
    theirs = toy.model(name)
    means = train_by_hand(theirs, data, how, seed=5)
    for most in (1, 20, 10_000):
        ours = toy.model(name)
        progress = fit(ours, data, recipe=how, spec=TrainingSpec(seed=5, choose="last", patches_per_pass=most))
        assert [row["train_loss"] for row in progress.history] == pytest.approx(means, rel=1e-5)
        for (label, mine), hand in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert_close(mine, hand, atol=2e-6, rtol=1e-5, msg=lambda m, w=label, n=most: f"{w}, {n} a pass: {m}")


def test_the_gradient_of_a_step_does_not_depend_on_its_passes(toy):
    data, grads = toy.dataset("train"), []
    for most in (1, 15, 10_000):
        model = toy.model("mcti")

        class Keep(torch.optim.SGD):
            def step(self, kept=grads):
                kept.append([p.grad.clone() for g in self.param_groups for p in g["params"] if p.numel()])

        how = recipe(patients_per_step=100)
        train_epoch(
            model, data, Keep(model.parameters()), recipe=how, spec=TrainingSpec(patches_per_pass=most), epoch=0
        )
    assert len(grads) == 3
    for each in grads[1:]:
        for ours, theirs in zip(each, grads[0], strict=True):
            assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_memory_that_cannot_be_used_again_is_looked_for_after_every_step_and_every_evaluation(toy, monkeypatch):
    looks = []

    @contextmanager
    def counted():
        yield lambda: looks.append("")

    monkeypatch.setattr("prognoscope.training.loop.freed_memory_kept", counted)
    data, spec = toy.dataset("train"), TrainingSpec(choose="last")
    fit(toy.model("snn"), data, validation=toy.dataset("validation"), recipe=recipe(epochs=3), spec=spec)
    assert len(looks) == 3 * (math.ceil(len(data) / 8) + 1)


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=30),
    patients_per_step=st.integers(1, 9),
    most=st.integers(1, 60),
)
def test_steps_hold_every_patient_once_and_passes_no_more_patches_than_they_may(lengths, patients_per_step, most):
    steps = plan_steps(lengths, patients_per_step, most)
    assert [place for step in steps for each in step.passes for place in each] == list(range(len(lengths)))
    assert [step.size for step in steps[:-1]] == [patients_per_step] * (len(steps) - 1)
    assert 1 <= steps[-1].size <= patients_per_step
    passes = [each for step in steps for each in step.passes]
    assert all(len(each) == 1 or sum(lengths[place] for place in each) <= most for each in passes)


@given(n=st.integers(1, 30), patients_per_step=st.integers(2, 9))
def test_a_patient_who_would_be_alone_in_the_last_step_joins_the_step_before(n, patients_per_step):
    apart = [step.size for step in plan_steps([1] * n, patients_per_step, 5)]
    together = [step.size for step in plan_steps([1] * n, patients_per_step, 5, join_last=True)]
    if n > 1 and apart[-1] == 1:
        assert together == [*apart[:-2], patients_per_step + 1]
    else:
        assert together == apart


def target_of(bins, events) -> Target:
    return Target(torch.tensor(bins), torch.tensor(events, dtype=torch.bool), torch.ones(len(bins)))


def test_the_balanced_sampler_draws_every_stratum_alike():
    target = target_of([0] * 60 + [1] * 30 + [1] * 8 + [3] * 2, [0] * 60 + [0] * 30 + [1] * 8 + [1] * 2)
    generator = np.random.default_rng(0)
    drawn = np.concatenate([draw_patients(target, "balanced", generator) for _ in range(200)])
    assert len(drawn) == 200 * 100
    stratum = np.searchsorted([60, 90, 98], drawn, side="right")
    assert np.bincount(stratum) / len(drawn) == pytest.approx([0.25] * 4, abs=0.015)
    of_each = np.bincount(drawn, minlength=100)
    assert of_each[:60] / len(drawn) == pytest.approx([0.25 / 60] * 60, rel=0.5)


def test_the_shuffled_sampler_draws_everybody_once():
    target = target_of([0, 1, 2, 1], [0, 1, 0, 1])
    drawn = [draw_patients(target, "shuffled", np.random.default_rng(seed)) for seed in range(20)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in drawn)
    assert len(set(map(tuple, drawn))) > 5


def test_rates_follow_the_schedule_and_the_factors_of_the_model(toy):
    assert [learning_rate(recipe(), epoch) for epoch in range(4)] == [1e-2] * 4
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    for epoch in range(4):
        assert learning_rate(recipe(schedule="cosine"), epoch) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    model = toy.model("mcti")
    factors = {
        id(p): group["factor"] for group in make_optimizer(model, recipe()).param_groups for p in group["params"]
    }
    names = {name: factors[id(p)] for name, p in model.named_parameters()}
    of_dsmil = {name for name in names if name.startswith("network.dsmil.")}
    assert {name for name, factor in names.items() if factor == 10} == of_dsmil
    assert set(names.values()) == {1.0, 10.0}


def test_equal_seeds_give_equal_numbers_and_other_seeds_other_ones(toy):
    def train(seed):
        torch.rand(())  # what was drawn before counts for nothing
        model = toy.model("abmil", dropout=0.3)
        spec = TrainingSpec(seed=seed)
        history = fit(
            model, toy.dataset("train"), validation=toy.dataset("validation"), recipe=recipe(), spec=spec
        ).history
        return history, weights(model)

    first, again, other = train(1), train(1), train(2)
    assert first[0] == again[0] != other[0]
    assert all(torch.equal(value, again[1][name]) for name, value in first[1].items())
    assert not torch.equal(first[1]["head.weight"], other[1]["head.weight"])


def test_a_training_leaves_threads_and_random_numbers_of_its_caller_alone(toy):
    before, state = torch.get_num_threads(), torch.get_rng_state()
    seen = []
    try:
        torch.set_num_threads(2)
        model = toy.model("abmil", dropout=0.3)
        fit(
            model,
            toy.dataset("train"),
            recipe=recipe(epochs=1),
            spec=TrainingSpec(choose="last"),
            on_epoch=lambda *_: seen.append(torch.get_num_threads()),
        )
        predict(model, toy.dataset("test"), spec=TrainingSpec())
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert torch.equal(torch.get_rng_state(), state)


def test_in_every_epoch_the_network_learns_as_in_training_and_is_measured_as_it_predicts(toy):
    model, seen = toy.model("abmil", dropout=0.3).eval(), []
    model.register_forward_hook(lambda *_: seen.append(model.training))
    fit(model, toy.dataset("train"), validation=toy.dataset("validation"), recipe=recipe(epochs=2), spec=TrainingSpec())
    assert [is_training for is_training, _ in groupby(seen)] == [True, False, True, False]


def test_a_training_in_bf16_stays_close(toy):
    results = []
    for precision in ("float32", "bf16"):
        for name in ("abmil", "mcti"):
            model = toy.model(name)
            spec = TrainingSpec(choose="last", precision=precision)
            fit(model, toy.dataset("train"), recipe=recipe(learning_rate=1e-3, epochs=2), spec=spec)
            assert {value.dtype for value in model.parameters()} == {torch.float32}
            results.append(predict(model, toy.dataset("test"), spec=spec).prediction.risk)
    for plain, half in zip(results[:2], results[2:], strict=True):
        assert not np.array_equal(plain, half)
        assert half == pytest.approx(plain, abs=0.05)


def test_a_loss_that_is_no_number_names_the_patient(toy):
    data = toy.dataset("train")
    data.omics[0][3] = math.nan
    with pytest.raises(
        TrainingError, match=r"not a finite number in epoch 0, for .* the first of patient P\d\d\d. Lower"
    ):
        fit(toy.model("snn"), data, recipe=recipe(sampler="shuffled"), spec=TrainingSpec(choose="last"))


def test_of_several_patients_whose_loss_is_no_number_the_first_is_named(toy):
    losses = {"survival": torch.tensor([1.0, math.inf, 2.0, math.nan])}
    with pytest.raises(TrainingError, match=r"in epoch 3, for 2 of 4 draws, the first of patient P1\. "):
        _check_finite(toy.model("abmil"), losses, ["P0", "P1", "P2", "P3"], 3)


def test_a_diverging_training_stops_even_if_its_losses_were_finite(toy):
    how = recipe(learning_rate=1e40, optimizer="sgd", patients_per_step=100)
    with pytest.raises(TrainingError, match="Weights are no finite numbers after epoch 0: .*Lower training.learning"):
        fit(toy.model("abmil"), toy.dataset("train"), recipe=how, spec=TrainingSpec(choose="last"))
    with pytest.raises(TrainingError, match="The risk of 12 of 12 patients is not .* Or lower training.learning_rate"):
        fit(
            toy.model("abmil"),
            toy.dataset("train"),
            recipe=recipe(learning_rate=1e30, optimizer="sgd", patients_per_step=100),
            validation=toy.dataset("validation"),
            spec=TrainingSpec(),
        )


def no_pairs(risk, *, time, event):
    raise MetricError("No pair of patients is comparable.")


def test_a_c_index_that_is_not_defined_is_recorded_as_such_and_chooses_nothing(toy):
    model, parts = toy.model("abmil"), {"validation": toy.dataset("validation"), "test": toy.dataset("test")}
    history = fit(model, toy.dataset("train"), **parts, recipe=recipe(), spec=TrainingSpec(), metric=no_pairs).history
    assert all(math.isnan(row["validation_c_index"]) and math.isfinite(row["validation_loss"]) for row in history)
    for rule in ("validation_c_index", "test_c_index"):
        with pytest.raises(TrainingError, match=r"patients cannot choose an epoch by their C-index: No pair .* larger"):
            fit(model, toy.dataset("train"), **parts, spec=TrainingSpec(choose=rule), metric=no_pairs)


def test_rules_without_their_patients_or_metric_are_refused(toy):
    data = toy.dataset("train")
    with pytest.raises(TrainingError, match="validation_loss needs validation patients; none were given"):
        fit(toy.model("abmil"), data, spec=TrainingSpec())
    with pytest.raises(TrainingError, match="test_c_index needs a metric"):
        fit(toy.model("abmil"), data, test=toy.dataset("test"), spec=TrainingSpec(choose="test_c_index"))
    for bad in ({"seed": -1}, {"patience": 0}, {"threads": 0}, {"patches_per_pass": 0}):
        with pytest.raises(InputError, match=rf"{next(iter(bad))} must be at least [01], not -?[01]\."):
            TrainingSpec(**bad)


def test_nobody_to_train_and_a_method_without_steps_are_refused(toy):
    nobody = prepared_dataset(toy.cohort, (), toy.preparation, open_bags(toy.pack))
    with pytest.raises(TrainingError, match="There are no patients to train on"):
        fit(toy.model("abmil"), nobody, spec=TrainingSpec(choose="last"))
    with pytest.raises(TrainingError, match="validation_loss needs validation patients; none were given"):
        fit(toy.model("abmil"), toy.dataset("train"), validation=nobody, spec=TrainingSpec())
    with pytest.raises(TrainingError, match="CoxPH is solved at once by its own `fit`, not by gradient steps"):
        fit(toy.model("coxph"), toy.dataset("train"), spec=TrainingSpec(choose="last"))


def test_a_validation_loss_that_is_no_number_is_refused_by_its_part(toy):
    model = toy.model("abmil")
    plain = model.survival_loss
    model.survival_loss = lambda *args, **how: plain(*args, **how) * (1.0 if model.training else math.inf)
    with pytest.raises(TrainingError, match="The validation loss is not a finite number; patients: P022, .* Lower"):
        fit(model, toy.dataset("train"), validation=toy.dataset("validation"), recipe=recipe(), spec=TrainingSpec())


def test_a_loss_of_nothing_is_refused_after_one_epoch_and_a_small_one_that_moves_is_not(toy):
    model = toy.model("abmil")
    plain = model.survival_loss
    for size in (1e-7, 0.0):
        model.survival_loss = lambda *args, by=size, **how: plain(*args, **how) * by
        if size:
            fit(model, toy.dataset("train"), recipe=recipe(), spec=TrainingSpec(choose="last"))
        else:
            with pytest.raises(TrainingError, match="The training loss was 0 in every one of 1 epochs, so nothing was"):
                fit(model, toy.dataset("train"), recipe=recipe(epochs=1), spec=TrainingSpec(choose="last"))


@pytest.mark.parametrize(
    ("losses", "is_refused"),
    [
        ([1.0, 1.0 + 4e-7, 1.0], True),  # the rounding of float32
        ([1.0, 1.0 + 6e-7, 1.0], False),
        ([-2.0, -2.0 - 9e-7], True),  # relative to their size, whatever their sign
        ([-2.0, -2.0 - 11e-7], False),
        ([0.0, 0.0], True),
        ([0.0], True),  # of one epoch, nothing else can be told
        ([1.0], False),
        ([0.0, 1e-12], False),
    ],
)
@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_loss_that_stays_what_it_was_but_for_rounding_is_refused(part, losses, is_refused):
    moving = {"train_loss": 3.0} if part == "validation" else {}
    rows = [moving | {f"{part}_loss": loss, "epoch": epoch} for epoch, loss in enumerate(losses)]
    for row in rows[1:]:
        if moving:
            row["train_loss"] = 2.0
    told = {"train": "training", "validation": "validation"}[part]
    message = f"The {told} loss was {losses[0]:g} in every one of {len(losses)} epochs, .*learning_rate, 0.01, and"
    with pytest.raises(TrainingError, match=message) if is_refused else nullcontext():
        _check_learned(Progress(rows), recipe())


def test_the_first_epochs_are_chosen_only_while_there_are_no_later_ones(toy):
    for warm_up, best in ((0, 0), (2, 2), (9, 3)):
        falling = iter(range(9, 0, -1))
        progress = fit(
            toy.model("abmil"),
            toy.dataset("train"),
            validation=toy.dataset("validation"),
            metric=lambda risk, f=falling, **_: float(next(f)),
            recipe=recipe(),
            spec=TrainingSpec(choose="validation_c_index", warm_up=warm_up),
        )
        assert progress.best_epoch == best, warm_up


@pytest.mark.parametrize("rule", ["last", "validation_loss", "validation_c_index", "test_c_index"])
def test_the_weights_kept_are_those_of_the_chosen_epoch(toy, rule):
    model, after = toy.model("abmil"), []
    progress = fit(
        model,
        toy.dataset("train"),
        validation=toy.dataset("validation"),
        test=toy.dataset("test"),
        metric=c_index,
        recipe=recipe(epochs=8, learning_rate=5e-2),
        spec=TrainingSpec(choose=rule),
        on_epoch=lambda *_: after.append(weights(model)),
    )
    column = {"last": "epoch"}.get(rule, rule)
    values = np.array([row[column] for row in progress.history])
    best = values.argmin() if rule == "validation_loss" else values.argmax()  # numpy takes the first of equals too
    assert progress.best_epoch == best
    assert all(torch.equal(value, after[best][name]) for name, value in model.state_dict().items())
    assert not model.training


def test_test_patients_only_watch(toy):
    kept = []
    for test in (None, toy.dataset("test")):
        model = toy.model("abmil", dropout=0.3)
        fit(
            model,
            toy.dataset("train"),
            validation=toy.dataset("validation"),
            test=test,
            metric=c_index,
            recipe=recipe(),
            spec=TrainingSpec(),
        )
        kept.append(weights(model))
    assert all(torch.equal(value, kept[1][name]) for name, value in kept[0].items())


class Rememberer(ABMIL):
    """Keeps a row a step: the patients of it, in the order in which they came."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.steps: list[list[int]] = []

    def to_remember(self, output, target):
        assert self.training
        return {"patient": target.patient}

    def remember(self, kept):
        self.steps.append(kept["patient"].tolist())


@pytest.mark.parametrize("patches_per_pass", [1, 20, 10_000])
def test_a_method_remembers_the_patients_of_a_step_once_and_in_order_however_it_is_cut(toy, patches_per_pass):
    data, how = toy.dataset("train"), recipe(epochs=1)
    model = Rememberer(data.embeddings.embedding_dim, 4, hidden_dim=8)
    spec = TrainingSpec(seed=5, choose="last", patches_per_pass=patches_per_pass)
    fit(model, data, recipe=how, spec=spec, test=toy.dataset("test"))
    order = draw_patients(data.target, "balanced", np.random.default_rng(np.random.SeedSequence([5, 0])))
    assert model.steps == [order[i : i + 8] for i in range(0, len(order), 8)]


def test_targets_carry_the_genes_that_inputs_have(toy):
    batch = toy.dataset("train").batch([3, 1])
    assert batch.target.patient.tolist() == [3, 1]
    for taught, seen in zip(batch.target.omics, batch.inputs.omics, strict=True):
        assert torch.equal(taught, seen)
    assert [one.patient.item() for one in batch.target.split()] == [3, 1]


def test_a_recipe_slows_parts_of_a_network_and_is_told_of_parts_that_are_not_there(toy):
    model = toy.model("abmil")
    optimizer = make_optimizer(model, recipe(learning_rate_factors={"head": 0.1, "attend.score": 0.5}))
    rates = {id(p): group["factor"] for group in optimizer.param_groups for p in group["params"]}
    found = {name: rates[id(p)] for name, p in model.named_parameters()}
    assert {found[n] for n in found if n.startswith("head.")} == {0.1}
    assert found["attend.score.weight"] == 0.5 and found["attend.tanh_branch.0.weight"] == 1.0
    with pytest.raises(ModelError, match="learning_rate_factors names 'haed', which is no part .* did you mean 'head'"):
        make_optimizer(model, recipe(learning_rate_factors={"haed": 0.1}))


def test_a_state_to_continue_from_is_not_kept_before_its_time(toy, tmp_path):
    spec = TrainingSpec(choose="last", save_every_s=60.0)
    fit(toy.model("abmil"), toy.dataset("train"), recipe=recipe(), spec=spec, state_file=tmp_path / "state")
    assert not list(tmp_path.iterdir())
