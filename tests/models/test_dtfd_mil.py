"""DTFD-MIL's laws: how bags are cut, what stands for a part, which tier learns from what."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.core.seeded import seeded
from prognoscope.explanation.gradients import patch_attribution
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model
from prognoscope.models.dtfd_mil.names import NAMES
from prognoscope.models.dtfd_mil.network import DTFDMIL, partition

SMALL = {"hidden_dim": 16, "attention_dim": 8}


def model_with(**options):
    with seeded(0):
        return DTFDMIL(10, 4, **{**SMALL, **options}).eval()


def inputs_of(*lengths):
    generator = torch.Generator().manual_seed(0)
    return Inputs(Bags(torch.randn(sum(lengths), 10, generator=generator), torch.tensor(lengths)))


def target_of(n):
    return Target(torch.arange(n) % 4, torch.arange(n) % 2 == 0, torch.ones(n))


@given(st.integers(0, 50), st.integers(1, 6))
def test_a_bag_is_cut_into_nearly_equal_parts_the_first_ones_larger(n, n_groups):
    sizes = torch.bincount(partition(torch.tensor([n]), n_groups, seed=3), minlength=n_groups).tolist()
    assert sum(sizes) == n
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1


def test_predictions_cut_the_same_way_whatever_happened_before_and_training_does_not():
    model, inputs = model_with(), inputs_of(30, 12)
    before = model(inputs)
    torch.rand(7)
    assert torch.equal(model(inputs).logits, before.logits)
    assert torch.equal(model(inputs.split()[1]).details["group_id"], before.details["group_id"][30:])
    model.train()
    with seeded(5):
        first, second = model(inputs).details["group_id"], model(inputs).details["group_id"]
        torch.manual_seed(5)
        assert torch.equal(model(inputs).details["group_id"], first)
    assert not torch.equal(first, second)


def test_one_group_with_pooled_features_is_gated_attention():
    model, inputs = model_with(num_groups=1), inputs_of(9)
    patches = model.reduce(inputs.bags.values)
    pooled = model.attend(patches).softmax(dim=0) @ patches
    assert_close(model(inputs).logits, model.tier2["head"](pooled)[None])


def test_bags_of_few_patches_have_a_pseudo_bag_for_each():
    output = model_with(num_groups=4)(inputs_of(1, 3, 10))
    assert output.details["group_sizes"].tolist() == [[1, 0, 0, 0], [1, 1, 1, 0], [3, 3, 2, 2]]
    assert len(output.details["tier2_input"]) == 1 + 3 + 4
    assert output.logits.isfinite().all()
    tier1 = model_with().extra_losses(output, target_of(3))["tier1"]
    assert_close(tier1[0], discrete_nll(output.details["tier1_logits"][0, :1], target_of(1))[0])
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(inputs_of(3, 0))


@pytest.mark.parametrize("cam_score", ["risk", "last"])
def test_chosen_patches_are_the_best_and_the_worst_and_none_of_them_twice(cam_score):
    model = model_with(num_groups=2, total_instance=5, distill="maxmins", cam_score=cam_score)
    inputs = inputs_of(11, 3)
    output, reduced = model(inputs), model.reduce(inputs.bags.values)
    cam = Output(output.details["cam"])
    score = cam.risk if cam_score == "risk" else cam.logits.softmax(dim=1)[:, -1]
    expected = []
    for rows in (torch.arange(11), torch.arange(11, 14)):
        for g in range(2):
            part = rows[output.details["group_id"][rows] == g]
            part = part[score[part].argsort(descending=True)].tolist()
            expected += part if len(part) < 4 else part[:2] + part[-2:]
    assert len(expected) == 4 + 4 + 2 + 1
    assert_close(output.details["tier2_input"], reduced[expected])
    chosen = torch.zeros(14, dtype=torch.bool)
    chosen[expected] = True
    assert torch.equal(output.attention["patches"] > 0, chosen)


@pytest.mark.parametrize("distill", ["afs", "maxs", "maxmins"])
def test_the_first_tier_learns_from_the_second_only_if_not_detached(distill):
    for detach in (True, False):
        model = model_with(distill=distill, detach_tier2=detach)
        model.survival_loss(model(inputs_of(20, 9)), target_of(2)).sum().backward()
        assert (model.reduce[0].weight.grad is None) == detach
        assert model.tier2["head"].weight.grad.any()


def test_several_partitions_are_averaged_by_their_hazards():
    inputs = inputs_of(13, 6)
    model = model_with(num_mean_inference=3)
    output = model(inputs)
    alone = [model.predict(inputs, partition(inputs.bags.lengths, 4, seed)) for seed in range(3)]
    assert not torch.equal(alone[0].logits, alone[1].logits)
    assert_close(output.hazard, torch.stack([each.hazard for each in alone]).mean(0))
    assert_close(inputs.bags.sum(output.attention["patches"]), torch.ones(2))


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ModelError, match="dtfd_mil has no distill 'max'"):
        model_with(distill="max")
    with pytest.raises(ModelError, match="num_groups=4 pseudo-bags, so total_instance is at least as large, not 3"):
        model_with(distill="maxs", total_instance=3)
    with pytest.raises(ModelError, match="num_mean_inference=0"):
        model_with(num_mean_inference=0)


def test_the_published_file_of_four_networks_is_read_and_a_missing_parameter_is_named(tmp_path):
    model = model_with(residual_blocks=1)
    networks, flat = {}, {}
    for name, value in model.state_dict().items():
        theirs = next(t for t, ours in NAMES.items() if name.startswith(f"{ours}."))
        flat[theirs + name.removeprefix(NAMES[theirs])] = value
    for name, value in flat.items():
        network, rest = name.split(".", 1)
        networks.setdefault(network, {})[rest] = value
    assert set(networks) == {"dim_reduction", "attention", "classifier", "att_classifier"}
    torch.save(networks, tmp_path / "dtfd.pth")
    again, inputs = create_model("dtfd_mil", weights=tmp_path / "dtfd.pth"), inputs_of(8, 5)
    assert torch.equal(again(inputs).logits, model(inputs).logits)
    del flat["classifier.fc.bias"]
    with pytest.raises(ModelError, match=r"missing classifier\.fc\.bias; left over nothing"):
        load_released("dtfd_mil", flat)


def test_patches_are_ranked_in_float32_under_autocast():
    model, inputs = model_with(distill="maxs", total_instance=8), inputs_of(30, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, reduced = model(inputs), model.reduce(inputs.bags.values)
    expected = (reduced.float() @ model.tier1_head.weight.T) * output.attention["tier1"][:, None]
    assert_close(output.details["cam"], expected, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("distill", ["afs", "maxs", "maxmins"])
def test_a_patch_has_the_attribution_of_the_undetached_network(distill):
    inputs = inputs_of(30, 2)
    ours, joint = (
        patch_attribution(model_with(distill=distill, total_instance=8, detach_tier2=detach), inputs)
        for detach in (True, False)
    )
    assert_close(ours, joint)
    assert (inputs.bags.sum(ours.abs()) > 0).all()
