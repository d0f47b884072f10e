"""MCAT: folded attention, any number of groups, how it starts, checkpoints."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError, ModelError
from prognoscope.models.creation import create_model
from prognoscope.models.layers.coattention import OneHeadAttention
from prognoscope.models.mcat.names import NAMES
from prognoscope.models.mcat.network import MCAT

GENES = (5, 3)
SMALL = {"d": 16, "heads": 2, "feed_forward": 12}


def draw(lengths, groups=GENES, dim=6):
    generator = torch.Generator().manual_seed(0)
    bags = Bags(torch.randn(sum(lengths), dim, generator=generator), torch.tensor(lengths))
    return Inputs(bags, tuple(torch.randn(len(lengths), size, generator=generator) for size in groups))


def test_the_folded_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = OneHeadAttention(8), nn.MultiheadAttention(8, 1, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    ours.load_state_dict(theirs.state_dict())
    bags, groups = draw([4, 9], dim=8).bags, torch.randn(2, 3, 8)
    read, weights, _ = ours.groups_read(groups, bags)
    for i, bag in enumerate(bags.each()):
        expected, expected_weights = theirs(groups[i : i + 1], bag.values[None], bag.values[None])
        assert_close(read[i], expected[0])
        assert_close(bags.split(weights)[i].mT, expected_weights[0])


@pytest.mark.parametrize("n_groups", [1, 6, 25])
@pytest.mark.parametrize("fusion", ["concat", "bilinear"])
def test_any_number_of_groups_and_one_patch_will_do(n_groups, fusion):
    groups = tuple(range(1, n_groups + 1))
    model, inputs = MCAT(6, groups, 4, fusion=fusion, **SMALL).eval(), draw([1, 7], groups)
    output = model(inputs)
    assert output.details["coattention"].shape == output.details["coattention_logits"].shape == (8, n_groups)
    assert torch.equal(output.details["coattention"][0], torch.ones(n_groups))
    assert_close(inputs.bags.sum(output.attention["gene_to_patch"]), torch.ones(2, n_groups))
    assert_close(output.details["patch_pool"].sum(1), torch.ones(2))
    assert output.logits.isfinite().all()


def test_the_gene_side_does_not_see_the_slide():
    model, inputs = MCAT(6, GENES, 4, **SMALL).eval(), draw([5])
    other = Inputs(inputs.bags.replace(inputs.bags.values + 1), inputs.omics)
    before, after = model(inputs).details, model(other).details
    assert torch.equal(before["gene"], after["gene"])
    assert not torch.equal(before["patch"], after["patch"])


def test_risk_has_a_gradient_for_genes_and_patches_of_each_patient_alone():
    model, inputs = MCAT(6, GENES, 4, **SMALL).eval(), draw([5, 2])
    leaves = [inputs.bags.values.requires_grad_(), *(group.requires_grad_() for group in inputs.omics)]
    model(inputs).risk[0].backward()
    patches, *genes = (leaf.grad for leaf in leaves)
    assert patches[:5].any() and not patches[5:].any()
    assert all(gene[0].any() and not gene[1].any() for gene in genes)


def test_layers_of_a_transformer_start_alike_and_the_attention_without_biases():
    model = MCAT(6, GENES, 4, **SMALL)
    first, second = model.summaries.patches.transformer.layers
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert not model.coattend.in_proj_bias.any() and not model.coattend.out_proj.bias.any()
    bound = (6 / (4 * SMALL["d"])) ** 0.5  # Xavier over the stacked (3d, d) matrix
    assert 0.9 * bound < model.coattend.in_proj_weight.abs().max() <= bound


def test_the_wide_gene_networks_have_three_layers_of_1024():
    model = MCAT(6, GENES, 4, omic_width="big", **SMALL)
    assert [block[0].out_features for block in model.genes[0]] == [1024, 1024, 1024, 16]


def test_the_default_has_the_size_of_the_published_network():
    size = sum(p.numel() for p in MCAT(1024, (91, 353, 553, 480, 1565, 482), 4).parameters())
    assert round(size / 1e6, 2) == 4.53


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": "sum"}, "mcat has no fusion 'sum'"),
        ({"omic_width": "bigg"}, "mcat has no omic_width 'bigg'; did you mean 'big'"),
        ({"heads": 3}, "d=16 between heads=3"),
        ({"fusion": "bilinear", "scale_dim2": 32}, "a width of 16 by scale dimensions of 8 and 32; take"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ModelError, match=message):
        MCAT(6, GENES, 4, **(SMALL | options))


def test_a_bag_without_patches_and_other_groups_are_refused():
    model = MCAT(6, GENES, 4, **SMALL)
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model(draw([3, 0]))
    with pytest.raises(InputError, match="gene groups of"):
        model(draw([3], (5,)))


def published(model):
    """Its weights by their published names."""
    theirs = {ours: name for name, ours in NAMES.items()}
    state = {}
    for name, value in model.state_dict().items():
        prefix = max((p for p in theirs if name == p or name.startswith(f"{p}.")), key=len)
        state[theirs[prefix] + name.removeprefix(prefix)] = value.clone().contiguous()
    return state


@pytest.mark.parametrize("options", [{}, {"fusion": "bilinear", "scale_dim1": 4}, {"gene_hidden": (9, 7), "layers": 1}])
def test_a_published_checkpoint_tells_its_sizes(options, tmp_path):
    model = MCAT(6, GENES, 3, **(SMALL | options)).eval()
    save_file(published(model), tmp_path / "theirs.safetensors")
    again = create_model("mcat", weights=tmp_path / "theirs.safetensors", heads=2)
    assert torch.equal(again(draw([4])).logits, model(draw([4])).logits)


def test_a_checkpoint_with_other_parameters_is_named(tmp_path):
    state = published(MCAT(6, GENES, 3, **SMALL))
    assert "path_attention_head.attention_a.0.weight" in state and "coattn.in_proj_weight" in state
    state["coattn.strange"] = state.pop("coattn.in_proj_weight")
    save_file(state, tmp_path / "theirs.safetensors")
    with pytest.raises(ModelError, match="missing coattn.in_proj_weight; left over coattn.strange"):
        create_model("mcat", weights=tmp_path / "theirs.safetensors", heads=2)
