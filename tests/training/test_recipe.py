"""Every field of a recipe does what it says: rates, decay, norms, the L1 term, the patches of an epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.cohort.dataset import PatientDataset, loaded_ahead
from prognoscope.cohort.patch_draw import PatchDraw
from prognoscope.cohort.resident import ResidentEmbeddings
from prognoscope.core.errors import ModelError
from prognoscope.models.abmil.network import ABMIL
from prognoscope.models.recipe import Recipe
from prognoscope.training.loop import fit, train_epoch
from prognoscope.training.optimizer import finish_gradients, learning_rate, make_optimizer, set_learning_rate
from prognoscope.training.spec import TrainingSpec
from tests.training.toys import weights


def recipe(**changes) -> Recipe:
    return Recipe(**{"learning_rate": 1.0, "epochs": 4, "patients_per_step": 8} | changes)


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({"schedule": "linear"}, [0.8, 0.6, 0.4, 0.2]),
        ({"schedule": "step", "step_epochs": 3}, [1, 1, 1, 0.1]),
        ({"schedule": "cosine", "warm_up_epochs": 1, "epochs": 5}, [0.5, 1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4]),
        ({"schedule": "constant", "warm_up_epochs": 3}, [0.25, 0.5, 0.75, 1]),
        ({"schedule": "cosine", "warm_up_epochs": 9}, [0.1, 0.2, 0.3, 0.4]),
    ],
    ids=str,
)
def test_the_rate_of_every_epoch(changes, rates):
    how = recipe(**changes)
    assert [learning_rate(how, epoch) for epoch in range(how.epochs)] == pytest.approx(rates)


def stepped(toy, how: Recipe, gradient: float = 0.0):
    """The weights before and after one step at a constant gradient."""
    model = toy.model("abmil")
    before = weights(model)
    optimizer = make_optimizer(model, how)
    set_learning_rate(optimizer, how, 0)
    for value in model.parameters():
        value.grad = torch.full_like(value, gradient)
    optimizer.step()
    return before, weights(model)


@pytest.mark.parametrize("optimizer", ["adamw", "radam"])
def test_decoupled_decay_shrinks_weights_by_rate_times_decay(toy, optimizer):
    how = recipe(optimizer=optimizer, learning_rate=0.1, weight_decay=0.5)
    before, after = stepped(toy, how)
    for name, value in before.items():
        assert_close(after[name], 0.95 * value)


def test_betas_are_those_of_the_recipe(toy):
    how = recipe(learning_rate=0.1, weight_decay=0.0, betas=(0.5, 0.75))
    model = toy.model("abmil")
    before, optimizer = weights(model), make_optimizer(model, how)
    set_learning_rate(optimizer, how, 0)
    for gradient in (1.0, -1.0):
        for value in model.parameters():
            value.grad = torch.full_like(value, gradient)
        optimizer.step()
    # the first step is one rate; then the mean is 0.5 * 0.5 - 0.5 = -0.25, over 1 - 0.5**2: -1/3 of a rate
    for name, value in weights(model).items():
        assert_close(value, before[name] - 0.1 + 0.1 / 3, atol=1e-6, rtol=0)


def norm_of(model, *parts) -> float:
    grads = [p.grad for name, p in model.named_parameters() if name.split(".")[0] in parts]
    return torch.stack([g.norm() for g in grads]).norm().item()


def test_each_part_of_the_network_has_a_norm_of_its_own(toy):
    model = toy.model("abmil")
    others = {name.split(".")[0] for name, _ in model.named_parameters()} - {"project", "head"}
    for value in model.parameters():
        value.grad = torch.ones_like(value)
    long = norm_of(model, "head")
    assert long > 1 and others
    finish_gradients(model, recipe(clip_norm={"project": 0.5, "": 0.25, "head": 1e3}))
    assert norm_of(model, "project") == pytest.approx(0.5, rel=1e-4)
    assert norm_of(model, *others) == pytest.approx(0.25, rel=1e-4)
    assert norm_of(model, "head") == long
    finish_gradients(model, recipe(clip_norm={"": 0.1}))
    assert norm_of(model, "project", "head", *others) == pytest.approx(0.1, rel=1e-4)


def test_a_norm_for_no_part_of_the_network_is_refused(toy):
    with pytest.raises(ModelError, match="clip_norm names 'haed', which is no part .* did you mean 'head'"):
        make_optimizer(toy.model("abmil"), recipe(clip_norm={"haed": 5.0}))


def test_the_l1_term_pulls_every_trained_weight_by_its_sign_once_a_step(toy):
    data, grads = toy.dataset("train"), []

    class Keep(torch.optim.SGD):
        def step(self):
            grads.append([p.grad.clone() for group in self.param_groups for p in group["params"]])

    for l1 in (0.0, 0.3):
        model = toy.model("abmil")
        model.head.bias.requires_grad_(False)
        trained = [p for p in model.parameters() if p.requires_grad]
        how, spec = recipe(patients_per_step=len(data), l1=l1), TrainingSpec(patches_per_pass=15)
        train_epoch(model, data, Keep(trained), recipe=how, spec=spec, epoch=0)
        assert model.head.bias.grad is None
    for weight, without, with_l1 in zip(trained, *grads, strict=True):
        assert_close(with_l1 - without, 0.3 * weight.sign(), atol=1e-6, rtol=0)


@given(
    length=st.integers(0, 200), place=st.integers(0, 50), low=st.floats(0, 1), width=st.floats(0, 1), most=st.just(40)
)
def test_draws_are_as_many_as_announced_and_in_the_order_of_the_bag(length, place, low, width, most):
    shares = (low, min(1.0, low + width))
    draw = PatchDraw(shares, (3, 1))
    rows = draw.rows(place, length)
    rows = np.arange(length) if rows is None else rows
    assert len(rows) == draw.count(place, length)
    assert len(rows) >= min(1, length) and len(rows) <= max(1, int(shares[1] * length))
    assert (np.diff(rows) >= 0).all() and set(rows) <= set(range(length))
    few = PatchDraw(most, (3, 1)).rows(place, length)
    assert few is None if length <= most else (len(few) == most and (np.diff(few) > 0).all())


def test_a_draw_is_of_its_seed_epoch_and_place_alone_and_evenly_spread():
    shares, few = PatchDraw((0.5, 1.0), (0, 0)), PatchDraw(10, (0, 0))
    counts = [shares.count(place, 1000) for place in range(2000)]
    assert np.mean(counts) == pytest.approx(750, abs=10) and min(counts) < 510 and max(counts) > 990
    assert any(len(set(shares.rows(place, 20))) < shares.count(place, 20) for place in range(9))  # with replacement
    seen = np.bincount(np.concatenate([few.rows(place, 40) for place in range(2000)]), minlength=40)
    assert seen == pytest.approx(np.full(40, 500), rel=0.2)
    for other in (replace(few, seed=(1, 0)), replace(few, seed=(0, 1))):
        assert not np.array_equal(other.rows(0, 40), few.rows(0, 40))
    assert not np.array_equal(few.rows(1, 40), few.rows(0, 40))


def patches_seen(toy, how, passes=None, **spec) -> list[list[torch.Tensor]]:
    """The training bags of two epochs, in their order; `passes` is told the lengths of those of each pass."""
    data, epochs, passes = toy.dataset("train"), [], [] if passes is None else passes

    class Watch(ABMIL):
        def forward(self, inputs):
            if self.training and torch.is_grad_enabled():
                epochs[-1] += list(inputs.bags.values.split(inputs.bags.lengths.tolist()))
                passes.append(inputs.bags.lengths.tolist())
            return super().forward(inputs)

    model = Watch(data.embeddings.embedding_dim, 3, hidden_dim=4)
    optimizer = make_optimizer(model, how)
    for epoch in range(2):
        epochs.append([])
        train_epoch(model, data, optimizer, recipe=how, spec=TrainingSpec(**spec), epoch=epoch)
    return epochs


@pytest.mark.parametrize("patch_draw", [(0.3, 0.9), 3])
def test_the_patches_of_an_epoch_do_not_depend_on_its_passes(toy, patch_draw):
    whole, cut = (
        patches_seen(toy, recipe(patch_draw=patch_draw, sampler="shuffled"), patches_per_pass=most) for most in (999, 4)
    )
    for one, other in zip(whole, cut, strict=True):
        assert len(one) == len(other) and all(map(torch.equal, one, other))
    longest = max(toy.dataset("train").lengths)
    assert max(map(len, whole[0])) <= (3 if patch_draw == 3 else 0.9 * longest)
    assert sorted(bag.sum().item() for bag in whole[0]) != sorted(bag.sum().item() for bag in whole[1])


def test_as_many_bags_make_a_pass_as_have_room_with_the_patches_that_are_drawn(toy):
    passes = []
    patches_seen(toy, recipe(patch_draw=3, sampler="shuffled"), passes, patches_per_pass=6)
    assert max(map(sum, passes)) == 6 and max(map(len, passes)) > 1


def test_batches_hold_the_drawn_rows_read_from_file_or_held_on_a_device(toy):
    data = toy.dataset("train")
    draw, parts = PatchDraw((0.5, 1.0), (7, 2)), [[4, 0], [4], [2, 1, 3]]
    held = replace(data, resident=ResidentEmbeddings(data.embeddings, "cpu"))
    place = 0
    for read, ready in zip(loaded_ahead(data, parts, "cpu", draw), loaded_ahead(held, parts, "cpu", draw), strict=True):
        for bag, coords, patient in zip(*bags_of(read), read.patients, strict=True):
            whole, at = data.embeddings.bag(patient)
            rows = draw.rows(place, len(whole))
            assert np.array_equal(bag, whole[rows].astype(np.float32)) and np.array_equal(coords, at[rows])
            place += 1
        assert torch.equal(read.inputs.bags.values, ready.inputs.bags.values)
        assert torch.equal(read.inputs.bags.coords, ready.inputs.bags.coords)
        assert torch.equal(read.target.patient, ready.target.patient)


def bags_of(batch):
    bags = batch.inputs.bags
    return ([each.numpy() for each in part.split(bags.lengths.tolist())] for part in (bags.values, bags.coords))


class Stopped(Exception):
    pass


def test_a_stopped_training_with_every_field_gives_the_unbroken_numbers(toy, tmp_path):
    how = recipe(learning_rate=1e-2, optimizer="radam", schedule="cosine", warm_up_epochs=1, epochs=5, l1=1e-3)
    how = replace(how, clip_norm={"head": 0.5}, patch_draw=(0.5, 1.0), betas=(0.8, 0.9))

    def train(state_file, stop=None):
        def tell(done, _):
            if done == stop:
                raise Stopped

        model, spec = toy.model("abmil", dropout=0.3), TrainingSpec(choose="last", save_every_s=0.0)
        fit(model, toy.dataset("train"), recipe=how, spec=spec, state_file=state_file, on_epoch=tell)
        return weights(model)

    whole = train(None)
    for stop in range(1, 6):
        with pytest.raises(Stopped):
            train(tmp_path / "state.safetensors", stop)
    again = train(tmp_path / "state.safetensors")
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_validation_and_prediction_see_whole_bags(toy, monkeypatch):
    drawn = []
    batch = PatientDataset.batch

    def spy(self, index, *rest):
        drawn.append((len(self), len(rest) > 1 and rest[1] is not None))
        return batch(self, index, *rest)

    monkeypatch.setattr(PatientDataset, "batch", spy)
    parts = {part: toy.dataset(part) for part in ("validation", "test")}
    fit(toy.model("abmil"), toy.dataset("train"), recipe=recipe(patch_draw=2, epochs=1), spec=TrainingSpec(), **parts)
    assert {size for size, was_drawn in drawn if was_drawn} == {len(toy.split.train)}
    assert {size for size, was_drawn in drawn if not was_drawn} == {len(toy.split.validation), len(toy.split.test)}


def test_a_method_that_keeps_something_of_every_patch_takes_no_draw(toy):
    model = toy.model("abmil")
    model.profile = replace(model.profile, keeps_patches=True)
    with pytest.raises(ModelError, match="ABMIL keeps something of every patch .* set patch_draw to all"):
        fit(model, toy.dataset("train"), recipe=recipe(patch_draw=2), spec=TrainingSpec(choose="last"))
    fit(model, toy.dataset("train"), recipe=recipe(epochs=1), spec=TrainingSpec(choose="last"))
