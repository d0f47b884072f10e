"""M3IF's laws: the method written out patch by patch, and options that do what they say."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.m3if.names import NAMES
from prognoscope.models.m3if.network import M3IF


def model_with(**options):
    with seeded(0):
        return M3IF(5, (3, 4), 4, **{"d": 6, **options}).eval()


def batch_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(lengths), 5, generator=generator, requires_grad=True)
    omics = tuple(torch.randn(len(lengths), size, generator=generator) for size in (3, 4))
    return Inputs(Bags(values, torch.tensor(lengths)), omics)


def written_out(model, patches, genes):
    """The specification for one patient, with the guide repeated for every patch."""
    t0 = model.genes(genes)
    h = patches
    for layer in model.tune:
        h = layer(h)
    m = h.mean(dim=0, keepdim=True)
    e = F.relu(model.squeeze(torch.cat([t0, m], dim=1)))
    t1, gate = t0 * torch.sigmoid(model.gate_genes(e)), torch.sigmoid(model.gate_patches(e))
    m1, gated = m * gate, h * gate
    both = torch.cat([gated, m1.detach().expand_as(gated)], dim=1)
    weights = model.score(F.leaky_relu(model.attend(both), 0.01)).softmax(dim=0)
    fused = torch.cat([model.end_genes(t1), (weights * gated).sum(dim=0, keepdim=True), m1], dim=1)
    return model.head(model.widen(fused)), weights[:, 0]


@pytest.mark.parametrize("options", [{}, {"img_layers": 1, "gate_ratio": 1, "head_activation": "relu"}])
def test_a_batch_is_the_method_written_out_and_so_are_its_gradients(options):
    model, inputs = model_with(**options), batch_of([4, 1, 7])
    output = model(inputs)
    genes = torch.cat(inputs.omics, dim=1)
    parts = inputs.bags.values.detach().split([4, 1, 7])
    parts = [part.requires_grad_() for part in parts]
    expected = [written_out(model, part, genes[i : i + 1]) for i, part in enumerate(parts)]
    assert_close(output.logits, torch.cat([logits for logits, _ in expected]))
    assert_close(output.attention["patches"], torch.cat([weights for _, weights in expected]))
    (gradient,) = torch.autograd.grad(output.logits.pow(2).sum(), inputs.bags.values)
    theirs = torch.autograd.grad(sum(logits.pow(2).sum() for logits, _ in expected), parts)
    assert_close(gradient, torch.cat(theirs))


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ModelError, match="m3if's gate has no width left with gate_ratio=50"):
        model_with(gate_ratio=50)
    with pytest.raises(ModelError, match="m3if has no head_activation 'gelu'"):
        model_with(head_activation="gelu")
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(batch_of([2, 0]))


@pytest.mark.parametrize("gate_ratio", [1, 2, 3, 4, 7])
def test_a_published_checkpoint_tells_its_sizes_and_must_be_whole(gate_ratio):
    model = model_with(gate_ratio=gate_ratio)
    ours = {name: theirs for theirs, name in NAMES.items()}
    state = {
        ours[prefix] + name.removeprefix(prefix): value
        for name, value in model.state_dict().items()
        for prefix in ours
        if name.startswith(f"{prefix}.")
    }
    state["wsi_select_gate.0.weight"] = torch.ones(1, 5)
    inputs = batch_of([3])
    whole = Inputs(inputs.bags, (torch.cat(inputs.omics, dim=1),))
    assert torch.equal(load_released("m3if", state)(whole).logits, model(inputs).logits)
    del state["mmtm.fc_tab.bias"]
    with pytest.raises(ModelError, match="missing mmtm.fc_tab.bias; left over nothing"):
        load_released("m3if", state)
