"""MOTCat: its plan, where the loss flows, micro-batches, options."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.motcat.micro_batches import MicroBatches, draw_groups
from prognoscope.models.motcat.network import MOTCat

GENES = (5, 3, 4)
SMALL = {"d": 16, "heads": 2, "feed_forward": 12}


def make(**options):
    torch.manual_seed(0)
    return MOTCat(6, options.pop("group_sizes", GENES), 4, **SMALL, **options).eval()


def draw(lengths, groups=GENES):
    generator = torch.Generator().manual_seed(1)
    bags = Bags(torch.randn(sum(lengths), 6, generator=generator), torch.tensor(lengths))
    return Inputs(bags, tuple(torch.randn(len(lengths), size, generator=generator) for size in groups))


def truth(n):
    return Target(torch.arange(n) % 4, torch.arange(n) % 2 == 0, torch.ones(n))


def plan_of(lengths, **options):
    return make(**options)(draw(lengths)).details["plan"]


@pytest.mark.parametrize("reg", [0.05, 0.1])
@pytest.mark.parametrize("n", [4, 60])
def test_both_kernels_give_plans_in_the_proportion_that_algebra_gives(reg, n):
    entropy, kl = (plan_of([n], ot_reg=reg, ot_kernel=kernel) for kernel in ("entropy", "kl"))
    factor = (1 / (len(GENES) * n)) ** (reg / (reg + 2 * 0.5))
    assert_close(kl, factor * entropy, rtol=1e-5, atol=0)


def test_a_dear_marginal_keeps_the_mass_and_a_cheap_one_does_not():
    dear, usual = plan_of([30], ot_tau=1e4), plan_of([30])
    assert_close(dear.sum(0), torch.full((3,), 1 / 3), rtol=1e-3, atol=0)
    assert (usual.sum(0) - 1 / 3).abs().max() > 1e-2


def test_the_balanced_plan_has_the_shares_of_shifted_features_as_marginals():
    model, inputs = make(ot_impl="balanced"), draw([9, 4])
    details = model(inputs).details
    for plan, tokens, genes in zip(
        *(inputs.bags.split(details[name]) for name in ("plan", "patches")), details["gene_groups"], strict=True
    ):
        for axis, features in ((1, tokens), (0, genes)):
            mass = (features - features.amin(1, keepdim=True)).sum(1)
            assert_close(plan.sum(axis), mass / mass.sum(), rtol=1e-5, atol=1e-7)


def test_the_loss_flows_around_the_plan():
    model, inputs = make(), draw([7])
    details = model(inputs).details
    assert not details["plan"].requires_grad
    details["patch"].sum().backward()
    assert all(weight.grad is None for weight in model.genes.parameters())
    assert model.project[0].weight.grad.any()


def test_each_patient_stops_at_its_own_round():
    model, inputs = make(), draw([1, 40, 7])
    together = model(inputs).details
    assert len(set(together["rounds"].tolist())) > 1
    for i, one in enumerate(inputs.split()):
        alone = model(one).details
        assert alone["rounds"].item() == together["rounds"][i].item()
        assert_close(alone["plan"], inputs.bags.split(together["plan"])[i], rtol=1e-6, atol=1e-9)
    assert (together["change"] < 1e-6).all()


@pytest.mark.parametrize("implementation", ["unbalanced", "balanced"])
def test_patches_all_alike_and_patches_of_nothing_are_moved_alike(implementation):
    inputs = draw([4, 3])
    alike = inputs.bags.replace(torch.ones_like(inputs.bags.values))
    model = make(ot_impl=implementation)
    output = model(Inputs(alike, inputs.omics))
    assert_close(output.attention["patches"], torch.tensor([0.25] * 4 + [1 / 3] * 3))
    model.project[0].weight.data.zero_(), model.project[0].bias.data.zero_()
    for block in model.genes:
        block[-1][0].weight.data.zero_(), block[-1][0].bias.data.zero_()
    assert model(inputs).logits.isfinite().all()  # all costs are zero


@pytest.mark.parametrize("n_groups", [1, 25])
def test_any_number_of_groups_and_one_patch_will_do(n_groups):
    groups = (3,) * n_groups
    output = make(group_sizes=groups)(draw([1, 5], groups))
    assert output.details["plan"].shape == (6, n_groups) and output.logits.isfinite().all()
    assert output.details["group_mass"].shape == (2, n_groups)


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (8, [8]), (9, [4, 5]), (16, [8, 8]), (20, [6, 7, 7])])
def test_micro_batches_are_few_and_near_equal(n, sizes):
    group = draw_groups(torch.tensor([n]), 8, fixed=True)
    assert sorted(torch.bincount(group).tolist()) == sizes


def test_micro_batches_are_the_same_at_each_evaluation_and_others_at_each_step():
    lengths = torch.tensor([5, 20])
    alone, together = draw_groups(lengths[1:], 8, fixed=True), draw_groups(lengths, 8, fixed=True)
    assert torch.equal(alone, together[5:])
    model, inputs = make(micro_batch=8), draw([30])
    assert torch.equal(model(inputs).logits, model(inputs).logits)
    model.train()
    torch.manual_seed(3)
    assert not torch.equal(*(draw_groups(torch.tensor([30]), 8, fixed=False) for _ in range(2)))


def test_a_patient_in_micro_batches_is_the_mean_of_patients_of_these_patches():
    model, inputs = make(micro_batch=4), draw([3, 10, 9])
    output, target = model(inputs), truth(3)
    losses = model.survival_loss(output, target)
    whole = make()
    whole.load_state_dict(model.state_dict())
    for i, one in enumerate(inputs.split()):
        group = draw_groups(one.bags.lengths, 4, fixed=True)
        rows = [torch.nonzero(group == k)[:, 0] for k in group.unique()]
        parts = [Inputs(Bags(one.bags.values[r], torch.tensor([len(r)])), one.omics) for r in rows]
        alone = [whole(part) for part in parts]
        assert_close(output.risk[i], torch.stack([each.risk[0] for each in alone]).mean())
        assert_close(output.survival[i], torch.cat([each.survival for each in alone]).mean(0))
        expected = torch.cat([discrete_nll(each.logits, target.split()[i]) for each in alone]).mean()
        assert_close(losses[i], expected)
        for r, each in zip(rows, alone, strict=True):
            assert_close(inputs.bags.split(output.details["plan"])[i][r], each.details["plan"], rtol=1e-5, atol=1e-8)
    assert_close(inputs.bags.sum(output.attention["patches"]), torch.ones(3))


def test_bags_no_larger_than_a_micro_batch_are_whole():
    model, inputs = make(micro_batch=10), draw([3, 10])
    output, whole = model(inputs), model.predict_in_groups(inputs, None)
    assert_close(output.logits, whole.logits)
    assert_close(model.survival_loss(output, truth(2)), model.survival_loss(whole, truth(2)))
    assert_close(output.details["patches"], whole.details["patches"])


def test_logits_of_the_mean_survival_hold_where_survival_is_tiny():
    logits = torch.tensor([[40.0, 30.0], [38.0, -50.0]])
    one = MicroBatches.of(torch.tensor([1, 1]), torch.tensor([0, 0]))
    assert_close(one.logits(logits), logits)
    pair = MicroBatches.of(torch.tensor([2]), torch.tensor([0, 1]))
    assert_close(
        pair.logits(logits).sigmoid()[0, 1], torch.tensor(2.0).neg().sigmoid()
    )  # exp(-40) dies of exp(-40) + exp(-38)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ot_kernel": "entropie"}, "motcat has no ot_kernel 'entropie'; did you mean 'entropy'"),
        ({"ot_impl": "exact"}, "motcat has no ot_impl 'exact'"),
        ({"ot_reg": 0.0}, "must be above zero"),
        ({"micro_batch": 0}, "micro_batch=0"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ModelError, match=message):
        make(**options)


def test_a_bag_without_patches_is_refused():
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        make(micro_batch=4)(draw([3, 0]))


def test_the_default_has_the_size_of_the_published_network():
    size = sum(p.numel() for p in MOTCat(1024, (91, 353, 553, 480, 1565, 482), 4).parameters())
    assert round(size / 1e6, 2) == 4.26


def test_a_checkpoint_of_mcat_is_no_checkpoint_of_motcat():
    with pytest.raises(ModelError, match=r"it lacks 'wsi_net\.0\.weight'"):
        load_released("motcat", {"coattn.in_proj_weight": torch.zeros(3, 1)})
