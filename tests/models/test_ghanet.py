"""G-HANet's laws: genes teach and are never read, patients keep apart, options do what they say."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.genes import GeneSelection
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model
from prognoscope.models.ghanet.names import NAMES as PUBLISHED
from prognoscope.models.ghanet.network import GHANet, scaled_cosine_error
from prognoscope.models.layers.token_attention import TokenAttention
from prognoscope.models.registry import card_of, model_class, profile_of

GENES = (4, 1, 6)
SMALL = {"hidden_dim": 16, "heads": 2, "attention_dim": 8, "compress_dim": 8}
OPTIONS = [
    {},
    {"variant": "released"},
    *({"preset": f"model{i}"} for i in range(1, 7)),
    {"cab": "gated", "pooling": "genomic", "ratio": 0.5},
    {"variant": "released", "fusion": "concat", "recon_reduction": "mean", "sce_gamma": 1.0},
]
NAMES = [",".join(f"{key}={value}" for key, value in options.items()) or "default" for options in OPTIONS]


def model_with(genes=GENES, **options):
    with seeded(0):
        return GHANet(10, genes, 4, **{**SMALL, **options}).eval()


def batch_of(lengths, seed=0, genes=GENES):
    generator = torch.Generator().manual_seed(seed)
    n = len(lengths)
    values = torch.randn(sum(lengths), 10, generator=generator)
    omics = tuple(torch.randn(n, size, generator=generator) for size in genes)
    bins, event = torch.randint(0, 4, (n,), generator=generator), torch.rand(n, generator=generator) < 0.6
    return Inputs(Bags(values, torch.tensor(lengths))), Target(bins, event, torch.ones(n), omics=omics)


def loss_of(model, inputs, target):
    output = model(inputs)
    return sum([model.survival_loss(output, target), *model.extra_losses(output, target).values()])


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_batch_equals_alone(model, lengths, seed):
    inputs, target = batch_of(lengths, seed)
    target.omics[0][::2] = torch.nan
    output, alone = model(inputs), [model(one) for one in inputs.split()]
    assert_close(output.logits, torch.cat([one.logits for one in alone]), atol=1e-5, rtol=1e-5)
    for kind in ("attention", "details"):
        for name, each in getattr(output, kind).items():
            assert_close(each, torch.cat([getattr(one, kind)[name] for one in alone]), atol=1e-5, rtol=1e-5)
    model.zero_grad()
    loss_of(model, inputs, target).sum().backward()
    together = {name: gradient.clone() for name, gradient in gradients(model).items()}
    model.zero_grad()
    for one, its_target in zip(inputs.split(), target.split(), strict=True):
        loss_of(model, one, its_target).sum().backward()
    largest = max(each.abs().max().item() for each in together.values())
    for name, each in gradients(model).items():
        assert_close(together[name], each, atol=1e-5 * largest, rtol=1e-4)


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=4)
def test_patients_in_one_batch_equal_patients_alone_forward_and_backward(options, lengths, seed):
    assert_batch_equals_alone(model_with(**options), lengths, seed)


@pytest.mark.parametrize("options", [{}, {"preset": "model1"}], ids=str)
def test_bags_of_one_patch_and_of_twenty_thousand_share_a_batch(options):
    assert_batch_equals_alone(model_with(**options), [1, 20_000, 3, 777], 5)


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_genes_are_never_read(options):
    inputs, target = batch_of([9, 1, 30])
    model = model_with(**options)
    logits = model(inputs).logits
    for omics in (target.omics, tuple(torch.full_like(group, torch.nan) for group in target.omics)):
        assert torch.equal(model(Inputs(inputs.bags, omics)).logits, logits)


def test_without_genes_to_learn_from_the_error_says_so():
    inputs, target = batch_of([5, 8])
    model = model_with()
    slides_alone = Target(target.bin, target.event, target.time)
    with pytest.raises(InputError, match="the patients to train on have no genes.*not needed to predict"):
        model.extra_losses(model(inputs), slides_alone)
    with pytest.raises(InputError, match=r"made for gene groups of \(4, 1, 6\) genes, not of \(4, 6\)"):
        model.extra_losses(model(inputs), batch_of([5, 8], genes=(4, 6))[1])
    with pytest.raises(ModelError, match="there are no genes. Give cohort.omics"):
        create_model("ghanet", embedding_dim=10, group_sizes=(), n_bins=4)
    assert (profile_of("ghanet").needs, profile_of("ghanet").learns_from) == ({"bag"}, {"omics"})


def test_a_patient_without_genes_learns_from_survival_alone():
    inputs, target = batch_of([5, 8])
    for group in target.omics:
        group[0] = torch.nan
    model = model_with()
    losses = model.extra_losses(model(inputs), target)
    assert set(losses) == {"sce", "mse"}
    assert all(loss[0] == 0 and loss[1] > 0 for loss in losses.values())
    loss_of(model, inputs, target).sum().backward()
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model).values())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("gamma", [1.0, 2.5])
def test_losses_are_those_of_a_loop_over_groups(reduction, gamma):
    genes = (4, 0, 1, 6)
    inputs, target = batch_of([5, 8], genes=genes)
    target.omics[3][1] = torch.nan
    model = model_with(genes, recon_reduction=reduction, sce_gamma=gamma, alpha_recon=0.7)
    output = model(inputs)
    losses = model.extra_losses(output, target)
    assert "reconstruction_1" not in output.details
    for patient, groups in enumerate([(0, 2, 3), (0, 2)]):
        pairs = [(output.details[f"reconstruction_{i}"][patient], target.omics[i][patient]) for i in groups]
        mse = sum(F.mse_loss(*pair) for pair in pairs)
        sce = sum((1 - F.cosine_similarity(*pair, dim=0)) ** gamma for pair in pairs if len(pair[0]) > 1)
        share = 0.7 / (len(groups) if reduction == "mean" else 1)
        assert_close(losses["mse"][patient], share * mse)
        assert_close(losses["sce"][patient], share * sce)


def test_the_cosine_error_of_equal_vectors_is_zero_with_a_finite_gradient():
    found = torch.tensor([[0.1, 0.2, 0.7], [3.0, 1.0, 2.0]], requires_grad=True)
    for gamma in (1.0, 1.5, 3.0):
        loss = scaled_cosine_error(found, 2 * found.detach(), gamma)
        assert_close(loss, torch.zeros(2), atol=1e-6, rtol=0)
        assert torch.isfinite(torch.autograd.grad(loss.sum(), found)[0]).all()


def test_keys_folded_into_queries_and_values_after_pooling_are_ordinary_attention():
    torch.manual_seed(1)
    attend, tokens, patches = (
        TokenAttention(16, 4).double(),
        torch.randn(1, 3, 16).double(),
        torch.randn(9, 16).double(),
    )
    drawn, scores = attend.over(tokens, Bags(patches, torch.tensor([9])))
    q, k, v = (to(x).unflatten(1, (4, 4)).transpose(0, 1) for to, x in zip(
        (attend.to_q, attend.to_k, attend.to_v), (tokens[0], patches, patches), strict=True))  # fmt: skip
    plain = q @ k.mT / 2
    assert_close(scores.permute(1, 2, 0), plain)
    assert_close(drawn[0], attend.to_out((plain.softmax(-1) @ v).transpose(0, 1).flatten(1)))


def test_the_same_share_of_every_patient_is_selected_and_ties_all_stay():
    inputs, _ = batch_of([1, 3, 4, 20, 57])
    model = model_with()
    output = model(inputs)
    counts = inputs.bags.sum(output.details["topk_mask"].float())
    assert counts.tolist() == [[k] * 3 for k in (1, 1, 1, 4, 11)]
    for scores, mask in zip(
        *map(inputs.bags.split, (output.attention["association"], output.details["topk_mask"])), strict=True
    ):
        assert scores.where(mask, torch.inf).amin(0).ge(scores.where(~mask, -torch.inf).amax(0)).all()
    ties = torch.tensor([3.0, 1, 1, 1, 0, 0, 0, 0, 0, 0])[:, None]
    assert model.pool._select(Bags(ties, torch.tensor([10])), ties)[:, 0].tolist() == [True] * 4 + [False] * 6


def test_weights_explain_the_pooling():
    inputs, _ = batch_of([12, 5])
    output = model_with()(inputs)
    ones = torch.ones(2, 3)
    for name in ("genomic", "hyper"):
        assert_close(inputs.bags.sum(output.attention[name]), ones)
    for name in ("patches", "morphology"):
        assert_close(inputs.bags.sum(output.attention[name]), ones[:, 0])
    assert not output.attention["genomic"][~output.details["topk_mask"]].any()
    for options in ({"preset": "model1"}, {"preset": "model2"}):
        attention = model_with(**options)(inputs).attention
        assert_close(inputs.bags.sum(attention["hyper"]), ones)
        assert set(attention) == {"association", "hyper", "patches"}
    genomic = model_with(pooling="genomic")(inputs).attention
    assert torch.equal(genomic["hyper"], genomic["genomic"]) and "morphology" not in genomic


def test_survival_reaches_the_associating_branch_through_the_bridge_alone():
    inputs, target = batch_of([12, 5])
    for bridge in (True, False):
        model = model_with(bridge=bridge)
        model.survival_loss(model(inputs), target).sum().backward()
        assert any(name.startswith("associate.") for name in gradients(model)) is bridge
    model = model_with()
    sum(model.extra_losses(model(inputs), target).values()).sum().backward()
    assert {name.split(".")[0] for name in gradients(model)} == {"associate", "reconstruct"}


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_every_parameter_learns_in_training(options):
    inputs, target = batch_of([9, 12, 20])
    model = model_with(**options).train()
    with seeded(3):
        loss_of(model, inputs, target).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle <= {"pool.gate.score.bias", "associate.gate.score.bias"}  # a softmax follows


def test_under_autocast_scores_weights_and_losses_stay_in_float32():
    inputs, target = batch_of([30, 3])
    model = model_with()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(inputs)
    assert {each.dtype for each in output.attention.values()} == {torch.float32}
    losses = [model.survival_loss(output, target), *model.extra_losses(output, target).values()]
    assert {loss.dtype for loss in losses} == {torch.float32}
    assert_close(output.hazard.float(), model(inputs).hazard, atol=0.05, rtol=0)
    sum(losses).sum().backward()
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model).values())


def test_variants_presets_and_given_options():
    paper, released = model_with(), model_with(variant="released")
    assert (paper.fusion, paper.recon_reduction) == ("concat", "mean")
    assert (released.fusion, released.recon_reduction) == ("mean", "sum")
    assert model_with(preset="model4").norm.normalized_shape == (16,)
    assert model_with(preset="model4", bridge=True).norm.normalized_shape == (32,)
    whole = model_with(preset="model7").state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in paper.state_dict().items())
    assert [row.label for row in card_of("ghanet").ablations] == [f"model{i}" for i in range(7)]
    for row in card_of("ghanet").ablations:
        model_class(row.method) if row.method else model_with(**row.options)


def test_which_genes_a_fold_chooses():
    assert profile_of("ghanet").gene_selection == GeneSelection("auto")
    assert profile_of("ghanet", {"preset": "model6", "ratio": 0.3}).gene_selection == GeneSelection("none")
    assert profile_of("ghanet", {"preset": "model6", "differential": "welch"}).gene_selection.rule == "welch"
    options = {"differential": "welch", "adjust": "bh", "min_genes": 5, "round_counts": True}
    assert profile_of("ghanet", options).gene_selection == GeneSelection("welch", "bh", min_genes=5, round_counts=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "model0"}, "model0 is the method abmil"),
        ({"preset": "modell5"}, "no preset 'modell5'; did you mean 'model5'"),
        ({"variant": "relased"}, "no variant 'relased'; did you mean 'released'"),
        ({"fusion": "concatt"}, "no fusion 'concatt'; did you mean 'concat'"),
        ({"cab": "gate"}, "no cab 'gate'; did you mean 'gated'"),
        ({"differential": "wetch"}, "'wetch'; did you mean 'welch'"),
        ({"ratio": 0}, "ratio=0. Give a number above 0 and at most 1"),
        ({"sce_gamma": 0.5}, "sce_gamma=0.5. Give a number from 1 on"),
        ({"dropout": 1}, "dropout=1. Give a number from 0 to below 1"),
        ({"num_tokens": 6}, "one token per gene group, of which there are 3, not num_tokens=6"),
        ({"heads": 3}, "width hidden_dim=16 into heads=3 equal parts"),
    ],
)
def test_wrong_options_are_errors_that_say_what_to_do(options, message):
    with pytest.raises(ModelError, match=message):
        model_with(**options)


def test_patients_without_patches_are_named():
    with pytest.raises(InputError, match="1 of 2 patients have no patches"):
        model_with()(batch_of([3, 0])[0])


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_a_model_written_by_published_names_is_read_back(variant):
    model = model_with(variant=variant)
    theirs = sorted(((ours, name) for name, ours in PUBLISHED.items()), reverse=True)
    state = {}
    for name, value in model.state_dict().items():
        ours, published = next(pair for pair in theirs if name == pair[0] or name.startswith(f"{pair[0]}."))
        state[published + name.removeprefix(ours)] = value
    inputs, _ = batch_of([9, 3])
    state["recon_net.cross_attention1.to_v.weight"] = torch.zeros(16, 16)  # never used by the published code
    again = load_released("ghanet", state, heads=2)
    assert again.group_sizes == GENES
    assert torch.equal(again(inputs).logits, model(inputs).logits)
    lacking = {name: value for name, value in state.items() if name != "recon_net.ln_3.bias"} | {"what": torch.zeros(1)}
    with pytest.raises(ModelError, match=r"missing \S+\.bias; left over what\."):
        load_released("ghanet", lacking, heads=2)
    del state["recon_net.tokens"]
    with pytest.raises(ModelError, match=r"not one of ghanet: it lacks '\S+\.tokens'"):
        load_released("ghanet", state)
