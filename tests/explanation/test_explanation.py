"""Explanations against what is known exactly."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import ModelError
from prognoscope.explanation.attention import patch_attention, percentile_rank
from prognoscope.explanation.gradients import gene_attribution, patch_attribution
from prognoscope.explanation.perturbation import gene_group_effects
from prognoscope.models.abmil.network import ABMIL
from prognoscope.models.ccl.network import CCL
from prognoscope.models.meanmil.network import MeanMIL
from prognoscope.models.snn.network import SNN


def patients(n=3, n_patches=6):
    generator = torch.Generator().manual_seed(0)
    bags = Bags(torch.randn(n * n_patches, 8, generator=generator), torch.full((n,), n_patches))
    return Inputs(bags, tuple(torch.randn(n, size, generator=generator) for size in (5, 4)))


def test_attention_is_split_by_patient_and_sums_to_one():
    inputs = patients()
    weights = patch_attention(ABMIL(8, 4, hidden_dim=8, attention_dim=4), inputs)
    assert [len(w) for w in weights] == [6, 6, 6]
    assert_close(torch.stack(weights).sum(dim=1), torch.ones(3))


def test_a_method_without_attention_says_what_to_do():
    with pytest.raises(ModelError, match="explain its risk by gradients"):
        patch_attention(SNN((5, 4), 4), patients())


def test_integrated_gradients_add_up_to_the_change_of_risk():
    inputs, model = patients(), SNN((5, 4), 4, widths=(16, 16)).eval()
    average = Inputs(inputs.bags, tuple(torch.zeros_like(group) for group in inputs.omics))
    change = model(inputs).risk - model(average).risk
    total = sum(group.sum(dim=1) for group in gene_attribution(model, inputs, steps=200))
    assert_close(total, change.detach(), atol=1e-3, rtol=1e-3)


def test_leaving_out_a_group_that_is_average_already_changes_nothing():
    inputs = patients()
    inputs = Inputs(inputs.bags, (inputs.omics[0], torch.zeros(3, 4)))
    effects = gene_group_effects(SNN((5, 4), 4), inputs)
    assert effects.shape == (3, 2)
    assert effects[:, 0].abs().min() > 0 and not effects[:, 1].any()


def test_patch_attribution_of_equal_patches_is_equal():
    values = torch.randn(1, 8, generator=torch.Generator().manual_seed(1)).expand(5, 8).clone()
    attribution = patch_attribution(MeanMIL(8, 4, widths=(8, 8)), Inputs(Bags(values, torch.tensor([5]))))
    assert_close(attribution, attribution[:1].expand(5))


@pytest.mark.parametrize("model", [CCL(8, (5, 4), 4, k=2, d=16, gene_hidden=8, heads=2), SNN((5, 4), 4)])
def test_patches_without_a_gradient_are_refused(model):
    with pytest.raises(ModelError, match="No gradient reaches the patches of"):
        patch_attribution(model, patients())


def test_percentile_ranks_are_even_and_ties_share():
    assert_close(percentile_rank(torch.tensor([3.0, 1.0, 2.0, 10.0])), torch.tensor([0.75, 0.25, 0.5, 1.0]) - 0.0)
    ranks = percentile_rank(torch.tensor([1.0, 1.0, 5.0]))
    assert ranks[0] == ranks[1] < ranks[2] == 1.0
