"""CLAM's laws: which patches teach which classifier, and what no published code does: short bags, censored patients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from prognoscope.models.creation import create_model

NAMES = ("clam_sb", "clam_mb")
K, K_SAMPLE = 4, 3


def model_of(name, **options):
    with seeded(0):
        small = {"hidden_dim": 16, "attention_dim": 8, "k_sample": K_SAMPLE}
        return create_model(name, embedding_dim=10, n_bins=K, **{**small, **options}).eval()


def batch_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = len(lengths)
    bins, event = torch.randint(0, K, (n,), generator=generator), torch.rand(n, generator=generator) < 0.6
    values = torch.randn(sum(lengths), 10, generator=generator)
    return Inputs(Bags(values, torch.tensor(lengths))), Target(bins, event, torch.ones(n))


def told_patch_by_patch(model, output, target, *, subtyping, svm):
    """The instance loss as the specification words it, one patient, one class and one patch at a time."""
    losses, start = [], 0
    for n, label in zip(output.details["lengths"].tolist(), target.bin.tolist(), strict=True):
        patches = output.details["patches"][start : start + n]
        scores = output.details["attention_logits"][start : start + n]
        start += n
        total = 0.0
        for c in range(K):
            order = scores[:, min(c, scores.shape[1] - 1)].argsort(descending=True).tolist()
            k = min(K_SAMPLE, n)
            taught = [(i, int(c == label)) for i in order[:k]] if c == label or subtyping else []
            taught += [(i, 0) for i in order[::-1][:k]] if c == label else []
            each = []
            for i, answer in taught:
                said = model.instances[c](patches[i])
                margins = said - said[answer] + torch.tensor([float(j != answer) for j in (0, 1)])
                right = F.cross_entropy(said[None], torch.tensor([answer]))
                each.append(margins.logsumexp(0) if svm else right)
            total += torch.stack(each).mean() if each else 0.0
        losses.append(total / K if subtyping else total)
    return torch.stack(losses)


@pytest.mark.parametrize("svm", [False, True])
@pytest.mark.parametrize("subtyping", [False, True])
@pytest.mark.parametrize("name", NAMES)
@given(lengths=st.lists(st.integers(2, 12), min_size=1, max_size=4))
@settings(max_examples=10)
def test_the_instance_loss_is_that_of_patches_taken_one_by_one(name, subtyping, svm, lengths):
    loss = "smooth_top1_svm" if svm else "cross_entropy"
    model = model_of(name, subtyping=subtyping, instance_loss=loss, inst_on_censored=True, instance_weight=0.4)
    inputs, target = batch_of(lengths, seed=sum(lengths))
    output = model(inputs)
    expected = told_patch_by_patch(model, output, target, subtyping=subtyping, svm=svm)
    assert_close(model.extra_losses(output, target)["instance"], 0.4 * expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_single_patch_and_a_censored_patient_teach_no_classifier(name):
    inputs, target = batch_of([1, 6, 6])
    target = Target(target.bin, torch.tensor([True, False, True]), target.time)
    for on_censored, taught in ((False, [False, False, True]), (True, [False, True, True])):
        model = model_of(name, inst_on_censored=on_censored)
        loss = model.extra_losses(model(inputs), target)["instance"]
        assert (loss > 0).tolist() == taught


@pytest.mark.parametrize("name", NAMES)
def test_without_instance_weight_the_loss_is_the_likelihood(name):
    model = model_of(name, instance_weight=0)
    inputs, target = batch_of([4, 9])
    output = model(inputs)
    assert model.extra_losses(output, target) == {}
    assert torch.equal(model.survival_loss(output, target), discrete_nll(output.logits, target))


def test_branches_that_agree_are_a_single_branch():
    single, multi = model_of("clam_sb"), model_of("clam_mb")
    state = single.state_dict()
    for part in ("weight", "bias"):
        state[f"attend.score.{part}"] = state[f"attend.score.{part}"].expand(
            K, *state[f"attend.score.{part}"].shape[1:]
        )
        rows = state.pop(f"heads.0.{part}")
        state |= {f"heads.{c}.{part}": rows[c : c + 1] for c in range(K)}
    multi.load_state_dict(state)
    inputs, target = batch_of([4, 1, 9])
    ours, theirs = multi(inputs), single(inputs)
    assert_close(ours.logits, theirs.logits)
    assert_close(ours.attention["patches"], theirs.attention["patches"])
    assert_close(multi.extra_losses(ours, target), single.extra_losses(theirs, target))


def test_patches_are_ranked_by_logits_where_weights_would_tie():
    model = model_of("clam_sb", k_sample=1, inst_on_censored=True)
    inputs, target = batch_of([3])
    output = model(inputs)
    logits = torch.tensor([[300.0], [0.0], [-300.0]])  # weights 1, 0, 0 in float32
    output.details["attention_logits"] = logits[[1, 0, 2]]
    own = target.bin.item()
    _, chosen, _ = model.instance_clustering(output, target)
    assert chosen.rows[0, own].tolist() == [1, 2]


@pytest.mark.parametrize("name", NAMES)
def test_losses_under_autocast_are_finite_and_in_float32(name):
    model = model_of(name, inst_on_censored=True).train()
    inputs, target = batch_of([30, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(inputs)
    loss = model.extra_losses(output, target)["instance"]
    loss.sum().backward()
    assert loss.dtype == torch.float32 and loss.isfinite().all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"instance_loss": "svm"}, "has no instance_loss 'svm'; known: cross_entropy, smooth"),
        ({"k_sample": 0}, "k_sample=0. Give a whole number from 1 on"),
        ({"instance_weight": 1.5}, "instance_weight=1.5. Give a number from 0 to 1"),
        ({"dropout": 1.0}, "dropout=1.0. Give a number from 0 to below 1"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_options_that_cannot_work_are_refused(name, options, says):
    with pytest.raises(ModelError, match=f"{name}.*{says}"):
        model_of(name, **options)


def published(name, *, place=3, gate=True):
    """A checkpoint as CLAM's own code names it, of `model_of(name)`."""
    ours = model_of(name, gate=gate).state_dict()
    last = f"module.{place}" if not gate else "attention_c"
    names = {
        "project.0": "attention_net.0",
        "attend.tanh_branch.0": f"attention_net.{place}." + ("attention_a.0" if gate else "module.0"),
        "attend.gate_branch.0": f"attention_net.{place}.attention_b.0",
        "attend.score": f"attention_net.{place}.{last}",
        **{f"instances.{c}": f"instance_classifiers.{c}" for c in range(K)},
        **({f"heads.{c}": f"classifiers.{c}" for c in range(K)} if name == "clam_mb" else {"heads.0": "classifiers"}),
    }
    renamed = {}
    for ours_name, value in ours.items():
        module, _, part = ours_name.rpartition(".")
        renamed[f"{names[module]}.{part}"] = value
    return renamed


@pytest.mark.parametrize(("place", "gate"), [(3, True), (2, True), (3, False), (2, False)])
@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_of_the_original_code_load(name, place, gate):
    inputs, _ = batch_of([5, 2])
    model = load_released(name, published(name, place=place, gate=gate))
    assert torch.equal(model(inputs).logits, model_of(name, gate=gate)(inputs).logits)


def test_of_two_heads_the_one_that_the_port_uses_is_read():
    state = published("clam_sb")
    state |= {f"cls_head.{part}": state[f"classifiers.{part}"] + 1 for part in ("weight", "bias")}
    for order in (1, -1):
        model = load_released("clam_sb", dict(list(state.items())[::order]))
        assert torch.equal(model.heads[0].bias, state["cls_head.bias"])


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_with_a_name_too_few_or_too_many_is_refused_in_a_sentence(name):
    state = published(name)
    with pytest.raises(ModelError, match="left over rho.0.weight"):
        load_released(name, state | {"rho.0.weight": torch.zeros(1)})
    for lacking in ("attention_net.0.weight", "instance_classifiers.2.bias"):
        with pytest.raises(ModelError, match=f"(lacks|missing).*{lacking}"):
            load_released(name, {key: value for key, value in state.items() if key != lacking})
    with pytest.raises(ModelError, match="lacks 'classifiers"):
        load_released(name, {key: value for key, value in state.items() if not key.startswith("classifiers")})
