"""CMTA's and DualTrans' laws: patients keep apart, copies fold back, options and checkpoints do what they say."""

import re

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import rename
from prognoscope.models.cmta.names import NAMES
from prognoscope.models.cmta.network import CMTA
from prognoscope.models.creation import create_model
from prognoscope.models.dualtrans.network import DualTrans
from prognoscope.models.layers.nystrom_encoder import NystromEncoder
from prognoscope.models.layers.ppeg import fold_copies, side_of_square, without_copies

GROUPS = (4, 1, 3)
SMALL = {"d": 16, "patch_hidden": 12, "gene_hidden": (8,), "landmarks": 8}
OPTIONS = [
    {},
    {"variant": "released"},
    {"fusion": "bilinear"},
    {"cross_attention": False},
    {"ppeg": False},
    {"final_norm": False},
    {"attention": "exact"},
    {"likelihood": "ce"},
    {"alpha": 0.0},
    {"detach": False},
    *({"alignment": kind} for kind in ("mse", "kl", "cosine", "orthogonal")),
]


def name_of(options):
    return ",".join(f"{key}={value}" for key, value in options.items()) or "default"


def model_with(kind=CMTA, **options):
    with seeded(0):
        return kind(10, GROUPS, 4, **{**SMALL, **options}).eval()


def batch_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = len(lengths)
    omics = tuple(torch.randn(n, genes, generator=generator) for genes in GROUPS)
    inputs = Inputs(Bags(torch.randn(sum(lengths), 10, generator=generator), torch.tensor(lengths)), omics)
    bins = torch.randint(0, 4, (n,), generator=generator)
    return inputs, Target(bins, torch.rand(n, generator=generator) < 0.6, torch.ones(n))


def losses_of(model, inputs, target):
    output = model(inputs)
    return sum([model.survival_loss(output, target), *model.extra_losses(output, target).values()])


def published(model, **changes):
    """A state dict with published names."""
    theirs = {ours: name for name, ours in NAMES.items()}
    return {rename(name, theirs): value for name, value in model.state_dict().items()} | changes


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_a_batch_has_the_losses_and_gradients_of_patients_one_by_one(options):
    inputs, target = batch_of([1, 40, 4, 4])
    inputs = inputs.to("cpu", dtype=torch.float64)
    together, apart = model_with(**options).double(), model_with(**options).double()
    loss = losses_of(together, inputs, target)
    loss.mean().backward()
    for one, its_target, ours in zip(inputs.split(), target.split(), loss, strict=True):
        alone = losses_of(apart, one, its_target)
        assert_close(alone[0], ours)
        (alone.sum() / len(target)).backward()
    for (name, ours), theirs in zip(together.named_parameters(), apart.parameters(), strict=True):
        assert ours.grad is not None, name
        assert_close(ours.grad, theirs.grad, atol=1e-9, rtol=1e-6, msg=lambda m, w=name: f"{w}: {m}")


@pytest.mark.parametrize("kind", [CMTA, DualTrans])
@pytest.mark.parametrize("options", [{}, {"attention": "exact", "final_norm": False}], ids=name_of)
def test_attention_and_maps_have_a_row_a_patch(kind, options):
    inputs, _ = batch_of([1, 7, 30])
    output = model_with(kind, **options)(inputs)
    assert_close(inputs.bags.sum(output.attention["patches"]), torch.ones(3))
    if kind is CMTA:
        assert_close(inputs.bags.sum(output.attention["gene_to_patch"]), torch.ones(3, 3))
        assert_close(output.attention["patch_to_gene"].sum(dim=1), torch.ones(38))


def test_without_cross_attention_the_class_token_explains_in_evaluation():
    inputs, _ = batch_of([5, 9])
    model = model_with(cross_attention=False)
    assert_close(inputs.bags.sum(model(inputs).attention["patches"]), torch.ones(2))
    assert model.train()(inputs).attention == {}


def test_class_token_rows_are_those_of_the_full_map_folded():
    inputs, _ = batch_of([5])
    model = model_with()
    rows = model.stages(inputs)
    tokens = torch.cat([model.patch_encoder.class_token[0], model.project(inputs.bags.values)])
    squared = torch.cat([tokens, tokens[1:5]])  # 5 patches fill a square of 9 with copies of the first 4
    layer = model.patch_encoder.layer1
    full = layer.attend.map(layer.norm(squared)).detach()[:, -10, -9:].mT
    assert_close(rows["patch_encoder.layer1"], torch.cat([full[:4] + full[5:], full[4:5]]))
    assert rows["patch_decoder.layer2"].shape == (5, 8)
    assert rows["patch_tokens"].shape == (9, 16)


def test_copies_fold_back_to_their_patches():
    bags = Bags(torch.zeros(6, 1), torch.tensor([2, 4]))
    after = torch.arange(8.0)  # 2 patches become 4, 4 stay
    assert fold_copies(after, bags).tolist() == [0 + 2, 1 + 3, 4, 5, 6, 7]
    assert without_copies(after, bags).tolist() == [0, 1, 4, 5, 6, 7]
    assert [side_of_square(n) for n in (1, 2, 4, 5, 9, 10)] == [1, 2, 2, 3, 3, 4]


def test_alignment_moves_summaries_only_without_detaching():
    inputs, target = batch_of([9, 5])
    for detach in (True, False):
        model = model_with(detach=detach, cross_attention=False)
        output = model(inputs)
        summaries = [output.details[name] for name in ("p", "g")]
        (loss,) = model.extra_losses(output, target).values()
        moved = torch.autograd.grad(loss.sum(), summaries, allow_unused=True)
        assert all((each is None) == detach for each in moved)


def test_alpha_weighs_the_alignment_and_zero_leaves_it_out():
    inputs, target = batch_of([9, 5])
    one, ten = (model_with(alpha=alpha) for alpha in (1.0, 10.0))
    assert_close(
        10 * one.extra_losses(one(inputs), target)["alignment"], ten.extra_losses(ten(inputs), target)["alignment"]
    )
    assert model_with(alpha=0.0).extra_losses(one(inputs), target) == {}


def test_saturated_hazards_cost_what_the_released_code_says():
    logits = torch.tensor([[0.0, 0, 0, -40]], requires_grad=True)
    target = Target(torch.tensor([3]), torch.tensor([True]), torch.ones(1))
    output = model_with()(batch_of([3])[0])
    object.__setattr__(output, "logits", logits)
    loss = model_with(variant="released").survival_loss(output, target)
    assert_close(loss.item(), 16.118 + 3 * 0.6931, atol=1e-3, rtol=0)
    assert model_with().survival_loss(output, target).item() > 40


def test_a_patient_without_genes_harms_nobody_else():
    inputs, _ = batch_of([6, 9])
    inputs.omics[0][1] = torch.nan
    logits = model_with()(inputs).logits
    assert_close(logits[:1], model_with()(inputs.split()[0]).logits)
    assert logits[1].isnan().all()


def test_dropout_works_in_training_and_every_parameter_moves():
    inputs, target = batch_of([9, 30])
    for kind, options in ((CMTA, {}), (CMTA, {"model_size": "large", "d": 32}), (DualTrans, {"fusion": "transformer"})):
        model = model_with(kind, **options).train()
        losses_of(model, inputs, target).mean().backward()
        assert all(p.grad.any() for p in model.parameters())
        assert not torch.equal(model(inputs).logits, model(inputs).logits)


def test_weights_start_as_the_specification_says():
    encoder = NystromEncoder(256)
    assert 0.5e-6 < encoder.class_token.std() < 2e-6
    model = model_with(d=64, variant="released")
    linear = model.patch_encoder.layer1.attend.to_qkv
    assert_close(linear.weight.std().item(), (2 / (64 + 192)) ** 0.5, rtol=0.05, atol=0)
    assert not model.head.bias.any() and not model.cross.of_patches.in_proj_bias.any()
    assert model.cross.of_patches.in_proj_weight.abs().max() <= (6 / (64 + 192)) ** 0.5


def test_parameters_number_as_published():
    blca = (94, 334, 521, 468, 1496, 479)
    count = {
        ("released", "small", "concat"): 8_259_140,
        ("released", "small", "bilinear"): 8_458_244,
        ("released", "large", "concat"): 21_182_276,
    }
    for (variant, size, fusion), n in count.items():
        model = CMTA(1024, blca, 4, variant=variant, model_size=size, fusion=fusion)
        assert sum(p.numel() for p in model.parameters()) == n
    for fusion, n in {"concat": 6_656_548, "transformer": 6_986_548}.items():
        assert sum(p.numel() for p in DualTrans(1024, blca, 4, fusion=fusion).parameters()) == n


@pytest.mark.parametrize("options", [{}, {"variant": "released", "fusion": "bilinear"}, {"ppeg": False}], ids=name_of)
def test_a_published_file_loads_with_its_sizes(options, tmp_path):
    model = model_with(**options)
    torch.save({"epoch": 3, "state_dict": published(model), "best_score": 0.7}, tmp_path / "model.pt")
    given = {"variant": options["variant"]} if "variant" in options else {}
    again = create_model("cmta", weights=tmp_path / "model.pt", landmarks=8, **given)
    inputs, _ = batch_of([5, 30])
    assert_close(again(inputs).logits, model(inputs).logits)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda s: s.pop("classifier.weight"), "The checkpoint is not one of cmta: it lacks 'classifier.weight'."),
        (
            lambda s: s.pop("pathomics_encoder.layer2.attn.to_out.0.bias"),
            "The checkpoint does not fit cmta: missing pathomics_encoder.layer2.attn.to_out.0.bias; left over nothing.",
        ),
        (
            lambda s: s.update({"mm.7.weight": torch.zeros(2)}),
            "The checkpoint does not fit cmta: missing nothing; left over mm.7.weight.",
        ),
        (
            lambda s: s.update({"mm.2.weight": torch.zeros(2, 3)}),
            "The checkpoint does not fit cmta with these options: mm.2.weight is (2, 3), not (16, 16).",
        ),
        (
            lambda s: [s.pop(name) for name in list(s)] + [s.update({"attention.0.weight": torch.zeros(2, 3)})],
            "The checkpoint is not one of cmta: it lacks",
        ),
    ],
    ids=["no-head", "missing", "extra", "shape", "another-method"],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(spoil, says, tmp_path):
    state = published(model_with(variant="released"))
    spoil(state)
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ModelError, match=re.escape(says)) as caught:
        create_model("cmta", variant="released", weights=tmp_path / "model.pt", landmarks=8)
    assert "\n" not in str(caught.value)


def test_the_variant_asked_for_must_be_the_file_s(tmp_path):
    torch.save(published(model_with()), tmp_path / "model.pt")
    with pytest.raises(ModelError, match=r"missing P_in_G_Att\.in_proj_weight.* left over cross\.U"):
        create_model("cmta", variant="released", weights=tmp_path / "model.pt", landmarks=8)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (CMTA, {"alignment": "l2"}, "cmta has no alignment 'l2'; known: cosine, kl, l1"),
        (CMTA, {"fusion": "concatt"}, "cmta has no fusion 'concatt'; did you mean 'concat'"),
        (CMTA, {"alpha": -1}, "cannot be negative: alpha=-1"),
        (CMTA, {"d": 18}, "Tokens of width 18 cannot be cut into 8 equal heads"),
        (DualTrans, {"fusion": "bilinear"}, "dualtrans has no fusion 'bilinear'"),
    ],
)
def test_options_that_do_not_exist_are_named(kind, options, says):
    with pytest.raises(ModelError, match=re.escape(says)):
        model_with(kind, **options)


@pytest.mark.parametrize("kind", [CMTA, DualTrans])
def test_inputs_that_do_not_fit_are_named(kind):
    model = model_with(kind)
    with pytest.raises(InputError, match="1 of 2 patients have no patches. Leave them out"):
        model(batch_of([0, 5])[0])
    inputs, _ = batch_of([4])
    with pytest.raises(InputError, match=r"gene groups of \(4, 1, 3\) genes, not of \(4, 1\)"):
        model(Inputs(inputs.bags, inputs.omics[:2]))
    with pytest.raises(ModelError, match="Every gene group needs at least one gene"):
        kind(10, (), 4)
