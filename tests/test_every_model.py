"""What all of MODELS owe: shapes, batches, gradients, patch order, save and load."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.creation import create_model
from prognoscope.models.registry import MODELS, card_of, list_models, model_class, profile_of
from prognoscope.models.sizes import Sizes
from prognoscope.runs.card import ModelCard
from prognoscope.runs.layout import FoldFiles
from prognoscope.training.checkpoint import load_model, save_model, sizes_card

SIZES = Sizes(n_bins=4, embedding_dim=12, group_sizes=(5, 7), n_clinical=2, n_subtypes=2)
SMALL = {
    "abmil": {"hidden_dim": 16, "attention_dim": 8},
    "ccl": {"k": 3, "d": 16, "gene_hidden": 8, "heads": 2},
    "clam_mb": {"hidden_dim": 16, "attention_dim": 8, "k_sample": 3},
    "clam_sb": {"hidden_dim": 16, "attention_dim": 8, "k_sample": 3},
    "cmta": {"d": 16, "patch_hidden": 16, "gene_hidden": (8,), "landmarks": 8},
    "deepattnmisl": {"num_clusters": 3, "hidden_dim": 16, "attention_dim": 8},
    "dsmil": {"query_dim": 8},
    "dtfd_mil": {"num_groups": 3, "num_mean_inference": 2, "hidden_dim": 16, "attention_dim": 8},
    "dualtrans": {"d": 16, "patch_hidden": 16, "gene_hidden": (8,), "landmarks": 8},
    "ghanet": {"hidden_dim": 16, "heads": 2, "attention_dim": 8, "compress_dim": 8},
    "gpdbn": {"dim": 8, "bilinear_hidden": 4, "encoder_widths": (16, 8)},
    "hfbsurv": {"dim": 8, "hidden": 8, "rank": 3, "out_intra": 4, "out_inter": 4, "cox_hidden": 16, "code_dim": 8},
    "m3if": {"d": 8, "img_layers": 2},
    "kd": {
        "student_options": {"hidden_dim": 16, "attention_dim": 8, "k_sample": 3},
        "teacher_options": {"d": 16, "heads": 2, "feed_forward": 20},
    },
    "mcat": {"d": 16, "heads": 2, "feed_forward": 20},
    "coxph": {"penalizers": (0.1,)},
    "late": {
        "members": [{"name": "coxph", "penalizers": (0.1,)}, {"name": "abmil", "hidden_dim": 16, "attention_dim": 8}]
    },
    "maxmil": {"widths": (16, 16)},
    "motcat": {"d": 16, "heads": 2, "feed_forward": 20},
    "porpoise": {"hidden_dim": 16, "d": 16, "fusion_hidden": 8},
    "mcti": {"k": 4, "d": 16, "gene_hidden": 8, "layers": 2, "gene_groups": 2, "gene_heads": 2},
    "snntrans": {"d": 16, "gene_hidden": (8,), "landmarks": 8},
    "survpath": {"d": 16},
    "transmil": {"hidden_dim": 16, "landmarks": 8},
    "surformer": {"n_prototypes": 4, "hidden_dim": 16, "heads": 2, "head_dim": 4, "local_dim": 6},
}
IN_ORDER = {"cmta", "dtfd_mil", "dualtrans", "transmil"}  # by specification the order of patches matters
IDLE: dict[str, set[str]] = {  # parameters without a gradient by the method's own algebra, kept for checkpoints
    "clam_mb": {"attend.score.bias"},  # a softmax follows
    "clam_sb": {"attend.score.bias"},
    "deepattnmisl": {"attend.score.bias"},
    "dtfd_mil": {"attend.score.bias", "tier2.attend.score.bias"},
    "ghanet": {"pool.gate.score.bias"},  # a softmax follows
    "kd": {"student.attend.score.bias"},
    "mcat": {"summaries.patches.attend.score.bias", "summaries.genes.attend.score.bias"},
    "porpoise": {"attend.score.bias"},
    "motcat": {"summaries.patches.attend.score.bias", "summaries.genes.attend.score.bias"},
    "gpdbn": {"path.attend.score.bias"},
    "hfbsurv": {"read_bag.attend.score.bias"},
    "m3if": {"score.bias"},
}
NAMES = list_models()


def tiny_model(name):
    """A small model of a method with seed 0, to be changed at will."""
    return deepcopy(_tiny_model(name))


@cache
def _tiny_model(name):
    with seeded(0):
        model = create_model(name, sizes=SIZES, **SMALL.get(name, {}))
        if model.profile.members:
            join_fitted(model)
        elif model.profile.recipe is None:
            inputs, target = batch_of([1] * 40)
            model.fit(target, [0, 1, 2, 3, 9], lambda rows: inputs if len(rows) > 1 else inputs.split()[rows[0]])
        if (taught_by := model.profile.teacher) is not None:
            model.learn_from(create_model(taught_by[0], sizes=SIZES, **taught_by[1]))
            inputs, target = batch_of([3] * 5)
            model.before_training(target, lambda rows: inputs.split()[rows[0]])
    return model.eval()


def join_fitted(model):
    """Members with what they say of patients, as if these had been held out."""
    inputs, target = batch_of([3] * 40)
    members = [create_model(name, sizes=SIZES, **options) for name, options in model.profile.members.values()]
    for member in members:
        if member.profile.recipe is None:
            member.fit(target, [0, 1, 2, 3, 9], lambda _: inputs)
    with torch.no_grad():
        risks = torch.stack([member.eval()(inputs).risk for member in members], dim=1)
    model.join(dict(zip(model.profile.members, members, strict=True)), risks, inputs, target, [0, 1, 2, 3, 9])


def batch_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = len(lengths)
    values = torch.randn(sum(lengths), SIZES.embedding_dim, generator=generator)
    omics = tuple(torch.randn(n, size, generator=generator) for size in SIZES.group_sizes)
    clinical = torch.randn(n, SIZES.n_clinical, generator=generator)
    target = Target(
        torch.randint(0, 4, (n,), generator=generator),
        torch.rand(n, generator=generator) < 0.6,
        torch.rand(n, generator=generator) * 50 + 1,
        torch.randint(-1, 2, (n,), generator=generator),
        omics,
        torch.arange(n),
    )
    return Inputs(Bags(values, torch.tensor(lengths)), omics, clinical), target


def total_loss(model, output, target):
    return sum([model.survival_loss(output, target), *model.extra_losses(output, target).values()])


@pytest.mark.parametrize("name", NAMES)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5))
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
def test_patients_predicted_together_equal_patients_predicted_alone(name, lengths):
    model = tiny_model(name)
    inputs, _ = batch_of(lengths, seed=sum(lengths))
    alone = torch.cat([model(one).logits for one in inputs.split()])
    assert_close(model(inputs).logits, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if profile_of(name).recipe is not None])
def test_the_gradient_of_a_step_is_that_of_patients_accumulated_one_by_one(name):
    inputs, target = batch_of([3, 1, 17, 6])
    together, apart = tiny_model(name), tiny_model(name)
    total_loss(together, together(inputs), target).mean().backward()
    for one, its_target in zip(inputs.split(), target.split(), strict=True):
        (total_loss(apart, apart(one), its_target).sum() / 4).backward()
    largest = max(p.grad.abs().max() for p in together.parameters())
    for (label, ours), theirs in zip(together.named_parameters(), apart.parameters(), strict=True):
        assert_close(ours.grad, theirs.grad, atol=1e-5 * largest.item(), rtol=1e-3, msg=lambda m, w=label: f"{w}: {m}")


@pytest.mark.parametrize("name", [name for name in NAMES if profile_of(name).recipe is not None])
def test_every_parameter_learns(name):
    model = tiny_model(name)
    inputs, target = batch_of([9, 12, 20, 5])
    total_loss(model, model(inputs), target).mean().backward()
    idle = [label for label, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert set(idle) <= IDLE.get(name, set())  # what is zero by algebra may be a little off by rounding


@pytest.mark.parametrize("name", NAMES)
def test_hazard_survival_and_risk_are_what_their_names_say(name):
    output = tiny_model(name)(batch_of([4, 9, 2])[0])
    assert output.logits.shape == (3, 4)
    assert ((output.hazard >= 0) & (output.hazard <= 1)).all()
    assert (output.survival.diff(dim=1) <= 0).all()
    assert output.risk.shape == (3,)
    assert_close(output.log_survival.exp(), output.survival)


@pytest.mark.parametrize("name", NAMES)
def test_attention_over_patches_sums_to_one_within_each_patient(name):
    inputs, _ = batch_of([4, 9, 1])
    attention = tiny_model(name)(inputs).attention
    if "bag" in profile_of(name).needs:
        assert_close(inputs.bags.sum(attention["patches"]), torch.ones(3))
    else:
        assert "patches" not in attention


@pytest.mark.parametrize("name", [n for n in NAMES if "bag" in profile_of(n).needs and n not in IN_ORDER])
def test_the_order_of_patches_does_not_matter(name):
    inputs, _ = batch_of([25])
    model = tiny_model(name)
    order = torch.randperm(25, generator=torch.Generator().manual_seed(1))
    shuffled = Inputs(inputs.bags.replace(inputs.bags.values[order]), inputs.omics, inputs.clinical)
    assert_close(model(shuffled).logits, model(inputs).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_predicts_the_same(name, tmp_path):
    model = tiny_model(name)
    sizes, bins = sizes_card(name, SIZES), (None, 6.0, 12.0, None)
    card = ModelCard(name, name, SMALL.get(name, {}), sizes, fold=0, bins=bins, preparation={})
    save_model(FoldFiles(tmp_path), model, card)
    again, card = load_model(FoldFiles(tmp_path))
    inputs, _ = batch_of([4, 9, 2])
    assert torch.equal(again(inputs).logits, model(inputs).logits)
    assert card.name == name


@pytest.mark.parametrize("name", NAMES)
def test_every_method_names_its_paper_and_states_its_needs(name):
    assert card_of(name).paper and model_class(name).__doc__
    assert tiny_model(name).profile.needs <= {"bag", "omics", "clinical"}


def test_unknown_methods_and_options_suggest_the_nearest():
    with pytest.raises(ModelError, match="There is no method 'abmill'; did you mean 'abmil'"):
        create_model("abmill", embedding_dim=3, n_bins=4)
    with pytest.raises(ModelError, match="abmil has no option 'hiden_dim'; did you mean 'hidden_dim'"):
        create_model("abmil", embedding_dim=3, n_bins=4, hiden_dim=8)
    with pytest.raises(ModelError, match="abmil also needs to be told embedding_dim"):
        create_model("abmil", n_bins=4)
    assert set(NAMES) == set(MODELS)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_tells_what_each_patch_and_gene_group_counts_together_as_alone(name):
    model = tiny_model(name)
    inputs, _ = batch_of([9, 4, 12])
    told = model.explain(inputs)
    alone = [model.explain(one) for one in inputs.split()]
    if "bag" in model.profile.needs:
        assert told.patches, "a method that reads patches has a map of them"
    for kind, count in (("patches", 25), ("gene_groups", 3)):
        for map_name, scores in getattr(told, kind).items():
            assert scores.values.shape[0] == count and scores.values.ndim <= 3
            assert bool(scores.kind.columns) == (scores.values.ndim > (1 if kind == "patches" else 2))
            assert scores.kind.meaning.endswith(".") and scores.kind.unit
            parts = torch.cat([getattr(one, kind)[map_name].values for one in alone])
            assert_close(scores.values.float(), parts.float(), atol=1e-5, rtol=1e-4)
