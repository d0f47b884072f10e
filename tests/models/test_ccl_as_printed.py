"""What CCL's paper prints and its released code does otherwise, each beside a plain reading of the formula."""

from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from prognoscope.core.batch import Target
from prognoscope.models.ccl.cohort_bank import Neighbours, cohort_loss
from prognoscope.models.ccl.knowledge import Interaction
from prognoscope.models.layers.kmeans import slots_of
from tests.models.test_ccl import batch_of, model_of

DRAW = torch.Generator().manual_seed(3)


def drawn(*shape):
    return torch.randn(*shape, generator=DRAW)


def projected(layers, x):
    """Linear, norm over the features, ReLU."""
    linear, norm = layers[0], layers[1]
    y = linear.weight.detach().numpy() @ x + linear.bias.detach().numpy()
    y = (y - y.mean()) / np.sqrt(y.var() + 1e-5)
    return np.maximum(y * norm.weight.detach().numpy() + norm.bias.detach().numpy(), 0)


@pytest.mark.parametrize("value", ["projected", "raw"])
@pytest.mark.parametrize("gate", ["sigmoid", "linear"])
def test_the_interaction_weighs_each_side_by_the_reduced_matrix_of_all_products(value, gate):
    encoder = Interaction(6, value, gate)
    gene, slide = drawn(1, 6).relu(), drawn(1, 6).relu()
    ours = encoder(gene, slide)[0].detach().numpy()
    f_g, f_p = gene[0].numpy(), slide[0].numpy()
    g, p = projected(encoder.gene, f_g), projected(encoder.slide, f_p)
    products = np.outer(g, p)  # the matrix itself, features of genes by features of the slide
    reduce = [(each.weight.detach().numpy()[0], each.bias.item()) for each in (encoder.gene_gate, encoder.slide_gate)]
    of_gene = products @ reduce[0][0] + reduce[0][1]
    of_slide = products.T @ reduce[1][0] + reduce[1][1]
    if gate == "sigmoid":
        of_gene, of_slide = 1 / (1 + np.exp(-of_gene)), 1 / (1 + np.exp(-of_slide))
    weighed = (f_g, f_p) if value == "raw" else (g, p)
    assert_allclose(ours, weighed[0] * of_gene + weighed[1] * of_slide, atol=1e-6)
    assert_allclose(encoder.gates(gene, slide)[0].detach().numpy(), [of_gene, of_slide], atol=1e-6)


def test_raw_summaries_under_sigmoids_leave_synergy_no_way_out_of_them():
    encoder = Interaction(64, "raw", "sigmoid")
    gene, slide = drawn(50, 64).relu(), drawn(50, 64).relu()
    printed = encoder(gene, slide)
    nothing = (gene == 0) & (slide == 0)
    assert nothing.any() and not printed[nothing].any()
    assert (printed >= 0).all() and ((printed * gene).sum(1) > 0).all()  # so never at a right angle
    encoder.gate = "linear"
    assert (encoder(gene, slide) < 0).any()


def test_centres_take_the_order_of_greatest_similarity():
    centres, anchor = drawn(3, 4, 5), drawn(4, 5)
    found = slots_of(centres, anchor, "cosine")
    for each, slots in zip(centres.numpy(), found.tolist(), strict=True):
        unit, fixed = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (each, anchor.numpy()))
        total = {order: sum(unit[i] @ fixed[slot] for i, slot in enumerate(order)) for order in permutations(range(4))}
        assert tuple(slots) == max(total, key=total.__getitem__)
    longer = centres * torch.tensor([9.0, 1.0, 0.1, 4.0])[:, None]  # lengths say nothing of similarity, but of distance
    assert torch.equal(slots_of(longer, anchor, "cosine"), found)
    assert not torch.equal(slots_of(longer, anchor), slots_of(centres, anchor))


def test_the_components_losses_are_summed_as_printed():
    z, others = drawn(1, 4, 6), drawn(5, 4, 6)
    positive = torch.tensor([[True, True, False, False, False]])
    neighbours = Neighbours(positive, ~positive)
    expected = 0.0
    for q in range(4):
        d = [np.exp((z[0, q] * each[q] / 2).numpy()).mean() for each in others]
        expected -= np.log(sum(d[:2]) / sum(d))
    assert cohort_loss(z, others, neighbours, reduction="sum").item() == pytest.approx(expected, rel=1e-5)
    assert cohort_loss(z, others, neighbours).item() == pytest.approx(expected / 4, rel=1e-5)


def test_groups_of_all_times_have_equal_sizes_whoever_was_censored():
    times = torch.randperm(24, generator=DRAW).float() + 1
    target = Target(torch.zeros(24, dtype=torch.int64), times > 20, times)
    for groups in (2, 4, 6):
        model = model_of(groups=groups, groups_by="all_times")
        model.before_training(target, lambda rows: batch_of([3])[0])
        found = model._group(target).numpy()
        assert np.bincount(found).tolist() == [24 // groups] * groups
        assert (found == np.argsort(np.argsort(times.numpy())) * groups // 24).all()
    model = model_of(groups_by="event_times")  # as many as time bins, of the four events
    model.before_training(target, lambda rows: batch_of([3])[0])
    assert np.bincount(model._group(target).numpy()).tolist() == [21, 1, 1, 1]
    assert (
        model_of(groups=3).options["groups_by"] == "event_times" and model_of(groups=4).options["groups_by"] == "bins"
    )


def test_a_feed_forward_part_follows_each_attention():
    model, (inputs, _) = model_of(feed_forward=True).eval(), batch_of([9])
    tokens = model.stages(inputs)["tokens"][:, 0].detach()
    for i, (attend, more) in enumerate(zip(model.fusion, model.feed_forward, strict=True)):
        after = attend(tokens[i][None])[0].detach().numpy().astype(float)
        norm, wide, _, _, narrow, _ = more
        x = (after - after.mean(1, keepdims=True)) / np.sqrt(after.var(1, keepdims=True) + 1e-5)
        x = x * norm.weight.detach().numpy() + norm.bias.detach().numpy()
        hidden = np.maximum(x @ wide.weight.detach().numpy().T + wide.bias.detach().numpy(), 0)
        expected = after + hidden @ narrow.weight.detach().numpy().T + narrow.bias.detach().numpy()
        assert_allclose(tokens[i + 1].numpy(), expected, atol=1e-5)
    assert hidden.shape == (5, 64)


def test_a_slide_clustered_once_ignores_the_anchor_but_for_the_order_of_its_centres():
    inputs, _ = batch_of([40])
    one, other = (model_of(seed=seed, center_cache="once") for seed in (0, 1))
    sets = [sorted(map(tuple, model(inputs).details["centres"][0].tolist())) for model in (one, other)]
    assert not torch.equal(one.anchor, other.anchor) and sets[0] == sets[1]


def test_all_as_printed_trains():
    model, (inputs, target) = model_of(variant="printed").train(), batch_of([12, 3, 1])
    model.before_training(target, lambda rows: inputs)
    output = model(inputs)
    model.remember(model.to_remember(output, target))
    total = model.survival_loss(output, target) + sum(model.extra_losses(output, target).values())
    total.sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())
