"""PORPOISE: its fusions against plain equations, gates, repeated genes, checkpoints."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError, ModelError
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model
from prognoscope.models.layers.dropout import AlphaDropout, Dropout
from prognoscope.models.porpoise.names import NAMES
from prognoscope.models.porpoise.network import PORPOISE

GENES = (5, 3)
SMALL = {"hidden_dim": 12, "d": 16, "fusion_hidden": 10}


def make(**options):
    torch.manual_seed(0)
    names = {"gene_names": options.pop("gene_names", ())}
    return PORPOISE(6, GENES, 4, **names, **(SMALL | options)).eval()


def draw(lengths, groups=GENES):
    generator = torch.Generator().manual_seed(0)
    bags = Bags(torch.randn(sum(lengths), 6, generator=generator), torch.tensor(lengths))
    return Inputs(bags, tuple(torch.randn(len(lengths), size, generator=generator) for size in groups))


@pytest.mark.parametrize("skip", [True, False])
def test_the_product_runs_over_all_pairs_with_the_slide_slow(skip):
    model = make(skip=skip, scale_dim1=4, scale_dim2=8)
    details = model(draw([5, 1])).details
    for i in range(2):
        x = [*details["gated_patch"][i], torch.ones(())]
        y = [*details["gated_gene"][i], torch.ones(())]
        assert (len(x), len(y)) == (5, 3)
        wide = model.fuse.widen[0](torch.stack([a * b for a in x for b in y])).relu()
        seen = torch.cat([wide, details["patch"][i], details["gene"][i]]) if skip else wide
        assert_close(model.fuse.end[0](seen).relu(), details["fused"][i])


def test_the_low_rank_fusion_is_the_outer_product_against_a_tensor_of_that_rank():
    model = make(fusion="lowrank", rank=3)
    nn.init.normal_(model.fuse.bias)
    output = model(draw([5, 2]))
    x, y = (torch.cat([torch.ones(2, 1), output.details[name]], dim=1) for name in ("gated_patch", "gated_gene"))
    tensor = torch.einsum("k,kio,kjo->ijo", model.fuse.weight[0], *model.fuse.factors)
    assert_close(output.logits, torch.einsum("pi,pj,ijo->po", x, y, tensor) + model.fuse.bias)
    assert "fused" not in output.details and "head.weight" not in model.state_dict()


@pytest.mark.parametrize(("gate", "side", "other"), [("gate_path", 0, 1), ("gate_omic", 1, 0)])
def test_a_gate_that_is_off_keeps_weights_that_nothing_reads(gate, side, other):
    model, inputs = make(scale_dim1=2, scale_dim2=2, **{gate: False}), draw([4])
    before = model(inputs).logits
    model.fuse.gate[side][0].weight.data.add_(1)
    assert torch.equal(model(inputs).logits, before)
    model.fuse.gate[other][0].weight.data.add_(1)
    assert not torch.equal(model(inputs).logits, before)


def test_a_gene_in_two_groups_is_seen_once():
    model = make(gene_names=(("A", "B", "C", "D", "E"), ("B", "F", "A")))
    assert model.genes[0][0].in_features == 6
    inputs = draw([4])
    second = inputs.omics[1] + torch.tensor([[1.0, 0.0, 1.0]])
    changed = Inputs(inputs.bags, (inputs.omics[0], second))
    assert torch.equal(model(changed).logits, model(inputs).logits)


@pytest.mark.parametrize(("block", "layers"), [("snn", (nn.ELU, AlphaDropout)), ("mlp", (nn.ReLU, Dropout))])
def test_the_block_of_genes(block, layers):
    for each in make(omic_block=block).genes:
        assert tuple(map(type, list(each)[1:])) == layers


def test_dropout_is_where_the_method_has_it():
    rates = {name: layer.p for name, layer in make().named_modules() if isinstance(layer, nn.Dropout)}
    assert rates["drop_input"] == 0.1
    assert rates["fuse.widen.2"] == rates["fuse.end.2"] == 0.0  # where MCAT has some
    assert rates["fuse.mix.0.2"] == rates["fuse.dropout"] == rates["narrow.2"] == rates["project.2"] == 0.25


@pytest.mark.parametrize(("fusion", "millions"), [("bilinear", 2.42), ("concat", 2.09)])
def test_the_default_has_the_size_of_the_published_network(fusion, millions):
    size = sum(p.numel() for p in PORPOISE(1024, (3524,), 4, fusion=fusion).parameters())
    assert round(size / 1e6, 2) == millions


@pytest.mark.parametrize("fusion", ["bilinear", "concat", "lowrank"])
def test_one_patch_will_do_and_none_is_refused(fusion):
    output = make(fusion=fusion)(draw([1, 3]))
    assert output.attention["patches"][0] == 1 and output.logits.isfinite().all()
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        make(fusion=fusion)(draw([3, 0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": "bilinearr"}, "porpoise has no fusion 'bilinearr'; did you mean 'bilinear'"),
        ({"omic_block": "cnn"}, "porpoise has no omic_block 'cnn'"),
        ({"scale_dim1": 17}, "cannot divide a width of 16 by scale dimensions of 17 and 8"),
        ({"scale_dim2": 0}, "take numbers from 1 to 16"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ModelError, match=message):
        make(**options)


def published(model, *, shift, wrapped):
    theirs = {ours: name for name, ours in NAMES.items() if not name.startswith(("attention_net", "attend"))}
    net = "attention_net.module" if wrapped else "attention_net"
    theirs |= {"project.0": f"{net}.{shift}"}
    theirs |= {
        f"attend.{ours}": f"{net}.{3 + shift}.attention_{letter}"
        for ours, letter in {"tanh_branch": "a", "gate_branch": "b", "score": "c"}.items()
    }
    state = {}
    for name, value in model.state_dict().items():
        prefix = max((p for p in theirs if name.startswith(f"{p}.")), key=len)
        state[theirs[prefix] + name.removeprefix(prefix)] = value.clone()
    return state


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("options", [{"scale_dim1": 5, "scale_dim2": 3}, {"skip": False}, {"fusion": "concat"}])
def test_published_checkpoints_load_however_they_were_trained(shift, wrapped, options, tmp_path):
    model, inputs = make(**options), draw([4])
    state = published(model, shift=shift, wrapped=wrapped)
    save_file(state, tmp_path / "theirs.safetensors")
    again = create_model("porpoise", weights=tmp_path / "theirs.safetensors")
    alone = Inputs(inputs.bags, (torch.cat(inputs.omics, dim=1),))
    assert torch.equal(again(alone).logits, model(inputs).logits)
    in_groups = create_model("porpoise", weights=tmp_path / "theirs.safetensors", group_sizes=GENES)
    assert torch.equal(in_groups(inputs).logits, model(inputs).logits)


def test_a_checkpoint_with_a_strange_parameter_is_named():
    state = published(make(), shift=1, wrapped=False) | {"mm.strange": torch.zeros(1)}
    with pytest.raises(ModelError, match="left over mm.strange"):
        load_released("porpoise", state)


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("wrapped", [True, False])
def test_what_a_checkpoint_lacks_has_the_name_that_it_has_in_such_checkpoints(shift, wrapped):
    whole = published(make(), shift=shift, wrapped=wrapped)
    for lacking in (name for name in whole if name.startswith("attention_net") and name.endswith("bias")):
        with pytest.raises(ModelError, match=f"missing {lacking}; left over nothing"):
            load_released("porpoise", {name: value for name, value in whole.items() if name != lacking})
