"""Dropout drops by its rate, each entry by itself, keeps the mean, and is what every method has."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from prognoscope.core.seeded import seeded
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.dropout import MANY_WORDS, AlphaDropout, Dropout, relu_dropout
from prognoscope.models.layers.relu_layers import ReLULayers
from tests.test_every_model import NAMES, tiny_model

N = 2**18


def dropped(layer, x, seed=0):
    with seeded(seed):
        return layer(x)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_share_of_entries_is_zero_and_the_others_grow_by_as_much(rate, dtype):
    x = torch.ones(N, dtype=dtype, requires_grad=True)
    y = dropped(Dropout(rate), x)
    kept = y > 0
    deviation = (rate * (1 - rate) / N) ** 0.5
    assert abs(kept.double().mean().item() - (1 - rate)) < 4 * deviation
    assert_close(y.detach(), kept.to(dtype) / (1 - rate), atol=0, rtol=1e-4 if dtype == torch.float32 else 4e-3)
    (3 * y).sum().backward()
    assert torch.equal(x.grad, 3 * y.detach())  # of what was dropped none, of the others by the same factor


def test_entries_are_dropped_each_by_itself():
    kept = (dropped(Dropout(0.5), torch.ones(512, 513)) > 0).double()  # entries are drawn by four
    for far in (1, 2, 3, 4, 5, 513):
        apart = kept.flatten()[far:], kept.flatten()[:-far]
        assert abs(torch.corrcoef(torch.stack(apart))[0, 1].item()) < 4 / kept.numel() ** 0.5
    shares = kept.flatten()[: kept.numel() // 4 * 4].reshape(-1, 4).mean(dim=0)
    assert (shares - 0.5).abs().max() < 4 * 0.5 / (kept.numel() / 4) ** 0.5


@pytest.mark.parametrize("layer", [Dropout(0.3), AlphaDropout(0.3)], ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("shape", [(7, 13), (4 * MANY_WORDS, 1)], ids=["small", "large"])
def test_a_seed_fixes_what_is_dropped_and_a_state_that_was_kept_goes_on_alike(layer, shape):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(dropped(layer, x), dropped(layer, x))
    assert not torch.equal(dropped(layer, x), dropped(layer, x, seed=1))
    with seeded(0):
        layer(x)
        state = torch.get_rng_state()
        second = layer(x)
        torch.set_rng_state(state)
        assert torch.equal(layer(x), second) and not torch.equal(second, dropped(layer, x))


@pytest.mark.parametrize("kind", [Dropout, AlphaDropout])
def test_nothing_is_dropped_outside_of_training_or_at_rate_zero_and_all_at_one(kind):
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(kind(0.4).eval()(x), x) and torch.equal(kind(0.0)(x), x)
    assert torch.equal(kind(1.0)(x), torch.zeros(5, 3))
    assert kind(0.4)(torch.zeros(0, 3)).shape == (0, 3) and kind(0.4)(torch.tensor(1.0)).shape == ()
    with pytest.raises(ValueError):
        kind(1.5)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    x = torch.randn(N, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = dropped(AlphaDropout(rate), x)
    assert abs(y.mean().item()) < 0.01 and y.var().item() == pytest.approx(1, abs=0.02)
    y.sum().backward()
    kept = x.grad > 0
    assert abs(kept.float().mean().item() - (1 - rate)) < 0.005 and len(x.grad.unique()) == 2
    assert len(y.detach()[~kept].unique()) == 1


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.6])
def test_relu_and_dropout_in_one_keep_the_mean_and_pass_the_gradient_of_what_they_keep(rate):
    x = torch.randn(301, 307, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.equal(relu_dropout(x, rate, training=False), x.relu())
    with seeded(0):
        y = relu_dropout(x, rate, training=True)
    kept = y > 0
    assert_close(y, x.relu() * kept / (1 - rate), atol=0, rtol=1e-4)  # rates are rounded to 1 / 65536
    assert abs(kept[x > 0].float().mean().item() - (1 - rate)) < 0.01
    (y * y).sum().backward()
    assert_close(x.grad, 2 * y * kept / (1 - rate), atol=0, rtol=1e-4)


def test_relu_layers_are_linear_relu_and_dropout_one_after_the_other():
    layers = ReLULayers(5, 7, 3, dropout=0.4)
    x = torch.randn(11, 5, generator=torch.Generator().manual_seed(0))
    assert_close(layers.eval()(x), nn.Sequential(*layers)(x))
    assert list(layers.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    both = [dropped(each, x) for each in (layers.train(), nn.Sequential(*layers))]
    assert_close(*both, atol=1e-6, rtol=1e-4)
    layers[2].p = layers[5].p = 0.0
    assert_close(layers(x), layers.eval()(x))


def test_gated_attention_keeps_what_neither_branch_drops():
    attend = GatedAttention(2, 512, 0.25, outputs=512)
    for branch in (attend.tanh_branch, attend.gate_branch):
        branch[0].bias.data.fill_(50.0)  # so that both branches are one
    attend.score.weight.data.copy_(torch.eye(512))
    attend.score.bias.data.zero_()
    y = dropped(attend, torch.zeros(300, 2)).detach()
    assert abs((y > 0).float().mean().item() - 0.75**2) < 0.005
    assert_close(y, (y > 0) / 0.75**2, atol=0, rtol=1e-4)
    assert torch.equal(attend.eval()(torch.zeros(3, 2)), torch.ones(3, 512))


@pytest.mark.parametrize("name", NAMES)
def test_no_method_drops_by_torchs_own_masks(name):
    parts = tiny_model(name).named_modules()
    slow = [label for label, part in parts if type(part) in (nn.Dropout, nn.AlphaDropout)]
    assert all(".transformer.layers." in label for label in slow)  # torch's own encoder, of a few tokens a patient
