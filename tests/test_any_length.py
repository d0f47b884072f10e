"""Bags of one patch and of five thousand in one batch: the same numbers and gradients as one by one."""

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.models.registry import profile_of
from tests.test_every_model import NAMES, batch_of, tiny_model, total_loss

WITH_BAGS = [name for name in NAMES if "bag" in profile_of(name).needs and profile_of(name).recipe is not None]
LENGTHS = st.one_of(st.integers(1, 40), st.integers(1, 2_000))


@pytest.mark.parametrize("name", WITH_BAGS)
@given(lengths=st.lists(LENGTHS, min_size=2, max_size=4))
@example(lengths=[5_000, 1, 300])
@example(lengths=[18, 1892, 399, 24])
@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_lengths_together_equal_them_alone_forward_and_gradients(name, lengths):
    inputs, target = batch_of(lengths, seed=sum(lengths))
    inputs = inputs.to("cpu", dtype=torch.float64)
    together, apart = tiny_model(name).double(), tiny_model(name).double()
    output = together(inputs)
    total_loss(together, output, target).mean().backward()
    alone = []
    for one, its_target in zip(inputs.split(), target.split(), strict=True):
        alone.append(apart(one))
        (total_loss(apart, alone[-1], its_target).sum() / len(lengths)).backward()
    assert_close(output.logits, torch.cat([each.logits for each in alone]), atol=1e-6, rtol=1e-6)
    ours = {label: value.grad for label, value in together.named_parameters() if value.grad is not None}
    largest = max(gradient.abs().max() for gradient in ours.values())
    for label, theirs in apart.named_parameters():
        if label in ours:
            assert_close(
                ours[label], theirs.grad, atol=1e-6 * largest.item(), rtol=1e-5, msg=lambda m, w=label: f"{w}: {m}"
            )
