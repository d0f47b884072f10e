"""SurvPath's laws: small networks as batched products, a masked attention without its mask, and no filled bags."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.survpath.attention import LandmarkAttention, PathwayAttention
from prognoscope.models.survpath.names import NAMES
from prognoscope.models.survpath.network import SurvPath
from prognoscope.models.survpath.pathway_networks import PathwayNetworks

GENES = (3, 1, 6)


def model_with(genes=GENES, **options):
    with seeded(0):
        return SurvPath(5, genes, 4, **{"d": 8, "dropout": 0.0, "forward_dropout": 0.0, **options}).eval()


def batch_of(lengths, seed=0, genes=GENES):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(lengths), 5, generator=generator)
    omics = tuple(torch.randn(len(lengths), size, generator=generator) for size in genes)
    return Inputs(Bags(values, torch.tensor(lengths)), omics)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(1, 4))
def test_networks_together_are_the_networks_one_by_one(sizes, patients):
    networks = PathwayNetworks(sizes, 5, dropout=0.0).double()
    omics = tuple(torch.randn(patients, size, dtype=torch.float64) for size in sizes)
    tokens, rows = [], networks.first.split(sizes)
    for s, values in enumerate(omics):
        hidden = F.elu(values @ rows[s] + networks.first_bias[s])
        tokens.append(F.elu(hidden @ networks.second[s] + networks.second_bias[s]))
    expected = torch.stack(tokens, dim=1)
    assert_close(networks(omics), expected)
    weights = torch.randn_like(expected)
    ours, theirs = (
        torch.autograd.grad((weights * each).sum(), list(networks.parameters())) for each in (networks(omics), expected)
    )
    assert_close(ours, theirs)


def test_a_published_number_of_pathways_has_no_more_weights_than_published():
    sizes = [1 + (i * i) % 58 for i in range(331)]
    networks = PathwayNetworks(sizes, 16)
    assert sum(p.numel() for p in networks.parameters()) == sum((g + 1) * 16 + 17 * 16 for g in sizes)
    starts = networks.first.split(sizes)
    assert all(start.abs().max() <= size**-0.5 for start, size in zip(starts, sizes, strict=True))
    assert networks(tuple(torch.randn(2, size) for size in sizes)).shape == (2, 331, 16)
    with pytest.raises(ModelError, match="Every gene group needs at least one gene"):
        PathwayNetworks([2, 0], 4)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3))
@settings(max_examples=10)
def test_attention_is_that_under_a_mask_of_patches_on_patches(lengths):
    attend = PathwayAttention(6).double()
    bags = Bags(torch.randn(sum(lengths), 6, dtype=torch.float64), torch.tensor(lengths))
    pathways = torch.randn(len(lengths), 4, 6, dtype=torch.float64)
    attended = attend(pathways, bags)
    starts = [0, *torch.tensor(lengths).cumsum(0).tolist()]
    for i, n in enumerate(lengths):
        tokens = torch.cat([pathways[i], bags.values[starts[i] : starts[i + 1]]])
        q, k, v = attend.to_qkv(attend.norm(tokens)).chunk(3, dim=1)
        hidden = torch.zeros(4 + n, 4 + n, dtype=torch.bool)
        hidden[4:, 4:] = True
        weights = (q @ k.T / 3**0.5).masked_fill(hidden, -torch.inf).softmax(dim=1)
        ours = torch.cat([attended.pathways[i], attended.patches[starts[i] : starts[i + 1]]])
        assert_close(ours, weights @ v)
        assert_close(attended.to_all[i], weights[:4])
        assert_close(attended.to_pathways[i], weights[4:, :4])


def test_maps_are_softmaxes_of_what_explain_gives():
    model, inputs = model_with(), batch_of([4, 1, 7])
    output, stages = model(inputs), model.stages(inputs)
    to_patch, among = output.attention["pathway_to_patch"], output.details["pathway_to_pathway"]
    assert_close(among.sum(dim=2) + inputs.bags.sum(to_patch), torch.ones(3, 3))
    assert_close(output.attention["patch_to_pathway"], stages["raw_patch_to_pathway"].softmax(dim=1))
    share = to_patch.mean(dim=1)
    assert_close(output.attention["patches"], share / inputs.bags.sum(share)[inputs.bags.owner])
    odds = (stages["raw_pathway_to_patch"][:4, 1] - stages["raw_pathway_to_pathway"][0, 1, 0]).exp()
    assert_close(to_patch[:4, 1], odds * among[0, 1, 0])


def test_only_the_release_fills_short_bags_with_zeros_and_only_in_training(monkeypatch):
    monkeypatch.setattr("prognoscope.models.survpath.network.DRAWN", 9)
    inputs = batch_of([4, 7])
    zeros = [torch.cat([bag, torch.zeros(9 - len(bag), 5)]) for bag in inputs.bags.split(inputs.bags.values)]
    filled = Inputs(Bags.pack([Bag(bag) for bag in zeros]), inputs.omics)
    ours, released = model_with(), model_with(variant="released")
    assert torch.equal(ours.train()(inputs).logits, ours.eval()(inputs).logits)
    assert_close(released.train()(inputs).logits, ours(filled).logits)
    assert torch.equal(released.eval()(inputs).logits, ours(inputs).logits)
    assert (ours(filled).logits - ours(inputs).logits).abs().max() > 1e-4


@pytest.mark.parametrize("n_pathways", [2, 3])
def test_matrices_on_pathways_or_on_patches_give_the_same(n_pathways):
    attend, generator = PathwayAttention(10).double(), torch.Generator().manual_seed(0)
    pathways, patches = (torch.randn(n, 10, generator=generator, dtype=torch.float64) for n in (n_pathways, 9))
    found = attend(pathways[None], Bags(patches, torch.tensor([9])))
    q, k, v = attend.to_qkv(attend.norm(torch.cat([pathways, patches]))).chunk(3, dim=1)
    scores = q @ k.T / 5**0.5
    assert_close(found.raw_to_all[0], scores[:n_pathways])
    assert_close(found.raw_to_pathways[0], scores[n_pathways:, :n_pathways])
    assert_close(found.pathways[0], scores[:n_pathways].softmax(dim=1) @ v)
    assert_close(found.patches, scores[n_pathways:, :n_pathways].softmax(dim=1) @ v[:n_pathways])


@pytest.mark.parametrize(("pool", "kept"), [("pathways", slice(4)), ("patches", slice(4, 8))])
def test_one_kind_of_token_alone_can_predict(pool, kept):
    inputs = batch_of([4, 2])
    whole, part = model_with()(inputs).details["embedding"], model_with(pool=pool)(inputs).details["embedding"]
    assert torch.equal(part, whole[:, kept])


def landmark_map(attend, tokens, m):
    """The published map, zeros in front included, written out; rows and columns are those of the tokens."""
    padded = F.pad(tokens, (0, 0, -len(tokens) % m, 0))
    q, k, v = attend.to_qkv(padded).chunk(3, dim=1)
    q_mean, k_mean = (x.view(m, -1, x.shape[1]).mean(dim=1) for x in (q, k))
    scale = q.shape[1] ** -0.5
    a1, a2, a3 = ((scale * x @ y.T).softmax(dim=1) for x, y in ((q, k_mean), (q_mean, k_mean), (q_mean, k)))
    z = a2.T / (a2.abs().sum(0).max() * a2.abs().sum(1).max())
    eye = torch.eye(m, dtype=z.dtype)
    for _ in range(attend.steps):
        w = a2 @ z
        z = 0.25 * z @ (13 * eye - w @ (15 * eye - w @ (7 * eye - w)))
    return (a1 @ z @ a3)[-len(tokens) :], v


@pytest.mark.parametrize("n", [2, 4, 7, 16])
def test_landmark_attention_is_the_published_one(n):
    attend, tokens = LandmarkAttention(6, landmarks=4).double(), torch.randn(n, 6, dtype=torch.float64)
    weights, v = landmark_map(attend, tokens, 4)
    expected = attend.to_out(weights @ v)
    assert_close(attend(Bags(tokens, torch.tensor([n]))), expected)
    assert_close(attend.mean_map(tokens, 2), weights[:2, -n:].mean(dim=0))


def test_all_tokens_through_landmarks_keeps_patients_apart_and_explains():
    model, inputs = model_with(attention="nystrom", landmarks=4), batch_of([4, 1, 7])
    output = model(inputs)
    assert_close(output.logits, torch.cat([model(one).logits for one in inputs.split()]))
    assert_close(inputs.bags.sum(output.attention["patches"]), torch.ones(3))
    assert output.details["embedding"].shape == (3, 16)
    model.train()(inputs).logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_what_cannot_be_is_refused():
    with pytest.raises(ModelError, match="survpath has no pool 'patch'; did you mean 'patches'"):
        model_with(pool="patch")
    for width in (2, 9):
        with pytest.raises(ModelError, match=f"an even width of at least 4, not d={width}"):
            model_with(d=width)
    assert model_with(d=10).narrow[0].out_features == 2
    with pytest.raises(InputError, match=r"reads gene groups of \(3, 1, 6\) genes, not of \(3, 1, 5\)"):
        model_with()(batch_of([2], genes=(3, 1, 5)))
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(batch_of([2, 0]))


def test_a_published_checkpoint_tells_its_pathways_and_must_be_whole():
    model, ours = model_with(), {name: theirs for theirs, name in NAMES.items()}
    state = {}
    for name, value in model.state_dict().items():
        prefix, kind = name.rsplit(".", 1)
        if prefix in ours:
            state[f"{ours[prefix]}.{kind}"] = value
    for s, weight in enumerate(model.pathways.first.split(GENES)):
        state[f"sig_networks.{s}.0.0.weight"], state[f"sig_networks.{s}.1.0.weight"] = (
            weight.T,
            model.pathways.second[s].T,
        )
        state[f"sig_networks.{s}.0.0.bias"] = model.pathways.first_bias[s]
        state[f"sig_networks.{s}.1.0.bias"] = model.pathways.second_bias[s]
    inputs = batch_of([3, 5])
    assert torch.equal(load_released("survpath", state)(inputs).logits, model(inputs).logits)
    with pytest.raises(ModelError, match=r"with these options: narrow.0.weight is \(2, 8\), not \(2, 4\)"):
        load_released("survpath", state, pool="pathways")
    del state["sig_networks.1.0.0.weight"]
    with pytest.raises(ModelError, match="missing sig_networks.1.0.0.weight; left over extra"):
        load_released("survpath", state | {"extra": torch.ones(1)})
    with pytest.raises(ModelError, match="does not fit survpath: missing wsi_projection_net.0.weight"):
        load_released("survpath", {})
