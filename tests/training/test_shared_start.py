"""Ablations and points of a sweep start as their method does: the same weights, the same order of patients."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from prognoscope.training.method import Method
from prognoscope.training.trained import _copy_random, new_model

SMALL = {"d": 16, "heads": 2, "landmarks": 4, "patch_hidden": 16, "gene_hidden": (8, 8)}


@pytest.mark.parametrize(
    "options", [{"alignment": "kl"}, {"ppeg": False}, {"cross_attention": False}, {"patch_hidden": 8}]
)
def test_weights_of_one_name_and_shape_start_alike(toy, options):
    whole = Method("cmta", "whole", SMALL)
    part = Method("cmta", "part", SMALL | options, starts_as=whole)
    job = toy.job(Path())
    own, ours, alone = (
        dict(new_model(method, job.data(), job.spec).named_parameters())
        for method in (whole, part, replace(part, starts_as=None))
    )
    alike = {name for name in ours if name in own and own[name].shape == ours[name].shape}
    assert len(alike) > 10 and all(torch.equal(own[name], ours[name]) for name in alike)
    assert any(not torch.equal(own[name], alone[name]) for name in alike)


def test_a_constant_which_an_option_may_have_set_is_kept():
    source, target = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)), nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    nn.init.constant_(target[1].weight, 7.0)
    _copy_random(source, target)
    assert torch.equal(source[0].weight, target[0].weight) and (target[1].weight == 7).all()


def test_another_network_shares_the_order_of_patients_alone(toy):
    job = toy.job(Path())
    whole = Method("meanmil", "whole", {"widths": (16, 16)})
    part = Method("abmil", "part", {"hidden_dim": 16}, starts_as=whole)
    assert part.seed(5, 1) == whole.seed(5, 1) != replace(part, starts_as=None).seed(5, 1)
    alone = new_model(replace(part, title="whole", starts_as=None), job.data(), job.spec).state_dict()
    assert all(
        torch.equal(alone[name], ours) for name, ours in new_model(part, job.data(), job.spec).state_dict().items()
    )


def test_a_fold_tells_as_what_it_started(toy):
    alone = toy.job(Path())
    shared = replace(alone, method=replace(alone.method, title="part", starts_as=alone.method))
    before, now = alone.made_of.parts, shared.made_of.parts
    assert {name for name in now if before.get(name) != now[name]} == {"method", "start"}
    other = replace(alone.method, options={**alone.method.options, "hidden_dim": 8})
    moved = replace(shared, method=replace(shared.method, starts_as=other))
    assert shared.made_of.differences(moved.made_of) == ["the start"]
