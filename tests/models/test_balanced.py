"""`recipe: balanced`: any network of slides and genes, kept from learning its patients by heart."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import ModelError
from prognoscope.models.balanced.network import Balanced, GroupComponents
from prognoscope.models.creation import create_model
from prognoscope.models.registry import list_models, profile_of
from tests.test_every_model import SIZES, SMALL, batch_of, total_loss

CAN = [
    name
    for name in list_models()
    if profile_of(name).recipe is not None and "omics" not in profile_of(name).learns_from
]


def balanced(name):
    torch.manual_seed(0)
    model = create_model(name, sizes=SIZES, recipe="balanced", **SMALL.get(name, {}))
    inputs, target = batch_of([6] * 30)
    alone = inputs.split()
    model.before_training(target, lambda rows: alone[rows[0]])
    return model


@pytest.mark.parametrize("name", CAN)
def test_every_network_trains_and_predicts_who_lacks_a_modality(name):
    model = balanced(name)
    assert isinstance(model, Balanced)
    inputs, target = batch_of([5, 9, 3, 7])
    model.train()
    total_loss(model, model(inputs), target).mean().backward()
    assert any(value.grad is not None and value.grad.any() for value in model.parameters())
    model.eval()
    assert {*model.profile.enough} <= {frozenset({"bag"}), frozenset({"omics"}), model.profile.needs}
    for has in model.profile.enough:
        omics = inputs.omics if "omics" in has else tuple(torch.full_like(g, torch.nan) for g in inputs.omics)
        empty = Bags(torch.zeros(0, SIZES.embedding_dim), torch.zeros(4, dtype=torch.int64))
        bags = inputs.bags if "bag" in has else empty
        assert model(Inputs(bags, omics, inputs.clinical)).logits.isfinite().all()


def test_patients_are_dropped_in_training_alone_and_never_from_both_sides():
    model = balanced("porpoise")
    inputs, _ = batch_of([4] * 600)
    seen = model.train()._seen(inputs)
    no_genes = torch.stack([(group == 0).all(dim=1) for group in seen.omics]).all(dim=0)
    no_slides = seen.bags.lengths == 1
    assert 0.25 < no_genes.float().mean() < 0.42 and 0.25 < no_slides.float().mean() < 0.42
    assert not (no_genes & no_slides).any()
    seen = model.eval()._seen(inputs)
    assert (seen.bags.lengths == 4).all() and not (seen.omics[0] == 0).all(dim=1).any()


def test_components_are_those_of_the_training_patients_and_a_patient_without_genes_has_the_mean():
    torch.manual_seed(1)
    genes = torch.randn(80, 3) @ torch.randn(3, 9) + 2
    components = GroupComponents((9,))
    components.fit((torch.cat([genes, torch.full((1, 9), torch.nan)]),))
    (told,) = components((genes,))
    assert told.shape == (80, 4)
    assert_close(told[:, 0].std(correction=0), torch.tensor(1.0), atol=1e-4, rtol=1e-4)
    assert_close(told.mean(dim=0), torch.zeros(4), atol=1e-4, rtol=0)
    assert_close(told.T @ told / 80, torch.diag((told**2).mean(dim=0)), atol=1e-4, rtol=0)  # at right angles
    assert components((torch.full((2, 9), torch.nan),))[0].eq(0).all()


def test_gradients_reach_single_genes():
    model = balanced("mcat").eval()
    inputs, _ = batch_of([5, 9])
    omics = tuple(group.requires_grad_() for group in inputs.omics)
    model(Inputs(inputs.bags, omics, inputs.clinical)).risk.sum().backward()
    assert all(group.grad.any() for group in omics)


@pytest.mark.parametrize("name", ["coxph", "gpcox"])
def test_what_is_solved_at_once_has_no_such_recipe(name):
    with pytest.raises(ModelError, match=rf"{name} has no option 'recipe'|{name} has no recipe: balanced"):
        create_model(name, sizes=SIZES, recipe="balanced")


@pytest.mark.parametrize("name", ["ghanet", "kd"])
def test_what_learns_to_tell_genes_keeps_them(name):
    with pytest.raises(ModelError, match=rf"{name} has no recipe: balanced, because it learns to tell the genes"):
        profile_of(name, {"recipe": "balanced"})


def test_another_recipe_is_refused():
    with pytest.raises(ModelError, match="mcat has no recipe 'even'; known: balanced, published"):
        profile_of("mcat", {"recipe": "even"})
