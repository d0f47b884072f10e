"""Nystrom attention on packed sequences against the published text, taken literally, one sequence at a time."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.errors import ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.layers import nystrom
from prognoscope.models.layers.nystrom import NystromAttention, NystromLayer

DIM, HEADS, LANDMARKS = 16, 4, 8


def attention(seed=0, kind=NystromAttention, **options):
    with seeded(seed):
        return kind(DIM, heads=HEADS, landmarks=LANDMARKS, dropout=0.0, **options).double()


def sequences(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(lengths), DIM, generator=generator, dtype=torch.float64) * 3
    return Bags(values.requires_grad_(), torch.tensor(lengths))


def literal(module, x):
    """Section 2 of the specification: padding, all landmarks, full matrices, one scale for the sequence."""
    n, m, e = len(x), module.landmarks, DIM // HEADS
    p = -n % m
    padded = F.pad(x, (0, 0, p, 0))
    q, k, v = (y.view(n + p, HEADS, e).transpose(0, 1) for y in module.to_qkv(padded).chunk(3, dim=1))
    q = q * e**-0.5
    q_mean, k_mean = (y.view(HEADS, m, -1, e).mean(dim=2) for y in (q, k))
    a1, a2, a3 = ((a @ b.mT).softmax(dim=-1) for a, b in ((q, k_mean), (q_mean, k_mean), (q_mean, k)))
    z = a2.mT / (a2.sum(-1).max() * a2.sum(-2).max())
    eye = torch.eye(m, dtype=x.dtype)
    for _ in range(module.steps):
        w = a2 @ z
        z = 0.25 * z @ (13 * eye - w @ (15 * eye - w @ (7 * eye - w)))
    taps = F.pad(v, (0, 0, 16, 16)).unfold(1, 33, 1)  # (h, n + p, e, 33)
    filtered = (taps * module.convolve.weight.view(HEADS, 1, 1, 33)).sum(-1)
    out = module.to_out((a1 @ z @ a3 @ v + filtered).transpose(0, 1).flatten(1))
    return out[:n] if module.legacy else out[p:]


@pytest.mark.parametrize("legacy", [False, True])
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6))
@settings(max_examples=20)
def test_packed_sequences_equal_the_literal_text_with_gradients(legacy, lengths):
    module, bags = attention(legacy=legacy), sequences(lengths)
    upstream = torch.randn(bags.values.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    variables = [bags.values, *module.parameters()]
    ours, theirs = module(bags), torch.cat([literal(module, x) for x in bags.split(bags.values)])
    assert_close(ours, theirs, atol=1e-9, rtol=1e-9)
    gradients = (torch.autograd.grad(y, variables, upstream) for y in (ours, theirs))
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("options", [{}, {"legacy": True}, {"exact": True}])
@pytest.mark.parametrize("kind", [NystromAttention, NystromLayer])
def test_first_tokens_alone_equal_those_of_all(kind, options):
    module, bags = attention(kind=kind, **options), sequences([1, 5, 8, 9, 17, 40, 5])
    assert_close(module(bags, first_only=True), module(bags)[bags.starts])


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("options", [{}, {"legacy": True}, {"exact": True}])
def test_rows_kept_on_the_way_are_the_first_of_each_map(options, first_only):
    module, bags, rows = attention(**options), sequences([1, 5, 8, 9, 17, 40, 5, 1030, 1030]), []
    module(bags, first_only=first_only, rows=rows)
    maps = [module.map(x, first_only=True)[:, 0, -len(x) :].mT for x in bags.split(bags.values)]
    assert_close(rows[0], torch.cat(maps).detach())
    assert not rows[0].requires_grad


def test_in_float32_long_and_short_sequences_together_equal_each_alone():
    module = attention().float()
    bags = Bags(torch.randn(9000 + 3 + 700, DIM), torch.tensor([9000, 3, 700]))
    assert_close(module(bags), torch.cat([module(one) for one in bags.each()]), atol=1e-5, rtol=0)


def test_exact_is_ordinary_attention_for_short_sequences_and_changes_nothing_for_long_ones():
    exact, plain = attention(exact=True), attention()
    short, long = sequences([LANDMARKS]), sequences([LANDMARKS + 1])
    q, k, v = (y.view(LANDMARKS, HEADS, -1).transpose(0, 1) for y in exact.to_qkv(short.values).chunk(3, dim=1))
    weights = (q @ k.mT * (DIM // HEADS) ** -0.5).softmax(dim=-1)
    filtered = F.pad(v, (0, 0, 16, 16)).unfold(1, 33, 1) @ exact.convolve.weight.view(HEADS, 1, 33, 1)
    expected = exact.to_out((weights @ v + filtered[..., 0]).transpose(0, 1).flatten(1))
    assert_close(exact(short), expected)
    assert_close(exact.map(short.values), weights)
    assert_close(exact(long), plain(long))
    assert not torch.allclose(exact(short), plain(short))


def test_a_long_layer_computed_twice_gives_the_same_gradients(monkeypatch):
    module, bags = attention(kind=NystromLayer), sequences([30, 4])
    gradients = []
    for above in (10, 100):
        monkeypatch.setattr(nystrom, "RECOMPUTE_ABOVE", above)
        gradients.append(torch.autograd.grad(module(bags).square().sum(), [bags.values, *module.parameters()]))
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other)


def test_attention_stays_in_float32_under_autocast():
    module = attention().float()
    bags = Bags(torch.randn(50, DIM), torch.tensor([45, 5]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse = module(bags)
    assert (coarse - module(bags)).abs().max() < 0.1


def test_widths_and_filters_that_do_not_fit_are_named():
    with pytest.raises(ModelError, match="width 10 cannot be cut into 8 equal heads"):
        NystromAttention(10)
    with pytest.raises(ModelError, match="odd number of taps, not 32"):
        NystromAttention(16, kernel=32)
