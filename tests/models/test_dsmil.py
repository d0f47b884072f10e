"""Dual-stream attention: patients keep apart in every version, and the original's start."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.models.layers.dsmil import DSMIL

OPTIONS = [{}, {"nonlinear": False}, {"passing_v": True, "dropout_v": 0.4}, {"variant": "mcti", "nonlinear": False}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_bags_together_equal_bags_alone(options):
    generator = torch.Generator().manual_seed(0)
    bags = Bags(torch.randn(28, 6, generator=generator), torch.tensor([1, 20, 7]))
    layer = DSMIL(6, 3, query_dim=5, **options).eval()
    together, alone = layer(bags), [layer(one) for one in bags.each()]
    for name in ("bag_logits", "max_logits", "attention", "pooled"):
        assert_close(getattr(together, name), torch.cat([getattr(each, name) for each in alone]))
    assert_close(bags.sum(together.attention), torch.ones(3, 3))
    assert torch.equal(together.attention[:1], torch.ones(1, 3))


def test_values_drop_out_in_training_only():
    bags = Bags(torch.randn(9, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([9]))
    layer = DSMIL(6, 2, passing_v=True, dropout_v=0.5)
    assert not torch.equal(layer(bags).pooled, layer(bags).pooled)
    layer.eval()
    assert torch.equal(layer(bags).pooled, layer(bags).pooled)


def test_the_original_starts_with_orthogonal_weights_and_no_biases():
    layer = DSMIL(32, 3, query_dim=8, start="orthogonal")
    for name, value in layer.named_parameters():
        if value.ndim == 1:
            assert not value.any(), name
        else:
            rows = value.detach().flatten(1)
            assert_close(rows @ rows.T, torch.eye(len(rows)), atol=1e-5, rtol=0)
