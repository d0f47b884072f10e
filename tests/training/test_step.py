"""A step cut into passes is the whole step, for networks in which patients meet too."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from prognoscope.cohort.dataset import PatientDataset
from prognoscope.core.bags import Bags
from prognoscope.core.batch import Batch, Inputs, Target
from prognoscope.core.errors import CohortError, ModelError, TrainingError
from prognoscope.core.losses import cox_loss
from prognoscope.core.outcome import Outcome
from prognoscope.core.seeded import seeded
from prognoscope.features.store import Embeddings, PackedEmbeddings, pack_embeddings
from prognoscope.models.creation import create_model
from prognoscope.models.recipe import Recipe
from prognoscope.models.sizes import Sizes
from prognoscope.training.loop import fit, train_epoch
from prognoscope.training.optimizer import make_optimizer
from prognoscope.training.predict import predict
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.step import check_recipe, learn, plan_steps, reading_order

SIZES = Sizes(n_bins=3, embedding_dim=4, group_sizes=(3, 2), gene_names=(("a", "b", "c"), ("d_cnv", "e_mut")))
SMALL = {
    "deepattnmisl": {"num_clusters": 3, "hidden_dim": 6, "attention_dim": 4},
    "hfbsurv": {"dim": 4, "hidden": 3, "rank": 2, "out_intra": 2, "out_inter": 2, "cox_hidden": 5, "code_dim": 4},
    "gpdbn": {"dim": 3, "bilinear_hidden": 2, "encoder_widths": (5, 4)},
}
STILL = {  # without dropout
    "deepattnmisl": {"dropout": 0.0},
    "hfbsurv": {"product_dropout": 0.0, "dropout": 0.0, "adapter_dropout": 0.0},
    "gpdbn": {"dropout": 0.0, "adapter_dropout": 0.0},
}
COX = [
    ("deepattnmisl", {"variant": "original"}),
    ("hfbsurv", {"head": "cox"}),
    ("hfbsurv", {"head": "cox", "norm": "layer"}),
    ("hfbsurv", {"head": "cox", "variant": "released"}),
    ("gpdbn", {"head": "cox"}),
    ("gpdbn", {"head": "cox", "variant": "released"}),
]
ONE_EACH = [COX[0], COX[1], COX[4]]
MIXING = [*COX, ("hfbsurv", {})]  # whose patients meet in a normalisation


def model_of(name, options, *, seed=0, dropout=False):
    with seeded(seed):
        return create_model(name, sizes=SIZES, **SMALL[name], **({} if dropout else STILL[name]), **options)


def patients_of(lengths, seed=0, dtype=torch.float64) -> Batch:
    generator, n = torch.Generator().manual_seed(seed), len(lengths)
    bags = Bags(torch.randn(sum(lengths), 4, generator=generator, dtype=dtype), torch.tensor(lengths))
    omics = tuple(torch.randn(n, size, generator=generator, dtype=dtype) for size in SIZES.group_sizes)
    time = torch.randint(1, 6, (n,), generator=generator).to(dtype)  # with ties
    event = torch.rand(n, generator=generator) < 0.6
    target = Target((time // 2).long(), event, time, patient=torch.arange(n))
    return Batch(tuple(map(str, range(n))), Inputs(bags, omics), target)


def cut(batch: Batch, steps, order) -> list[Batch]:
    alone = list(zip(batch.inputs.split(), batch.target.split(), strict=True))
    parts = []
    for places in order:
        inputs = [alone[place][0] for place in places]
        bags = Bags(torch.cat([one.bags.values for one in inputs]), torch.cat([one.bags.lengths for one in inputs]))
        omics = tuple(torch.cat(groups) for groups in zip(*(one.omics for one in inputs), strict=True))
        target = batch.target.take(torch.tensor(places))
        parts.append(Batch(tuple(batch.patients[place] for place in places), Inputs(bags, omics), target))
    return parts


def learned(model, batch: Batch, most: int, seed=0, precision="float32"):
    """What `learn` makes of the patients as one step: gradients, losses and what is remembered."""
    model.train().zero_grad(set_to_none=True)
    lengths = batch.inputs.bags.lengths.tolist()
    (step,) = steps = plan_steps(lengths, len(lengths), most)
    batches = iter(cut(batch, steps, reading_order(model, steps)))
    with seeded(seed):
        spec = TrainingSpec(precision=precision)
        losses, kept = learn(model, step, batches, Recipe(patients_per_step=64), spec)
    assert next(batches, None) is None
    assert not any(each.requires_grad for each in (*losses.values(), *kept.values()))
    return {name: p.grad for name, p in model.named_parameters()}, losses, kept


@pytest.mark.parametrize(("name", "options"), MIXING, ids=str)
@given(lengths=st.lists(st.integers(1, 5), min_size=2, max_size=7), most=st.integers(1, 12), seed=st.integers(0, 99))
@settings(max_examples=10)
def test_any_cut_into_passes_gives_the_gradient_of_the_whole_step(name, options, lengths, most, seed):
    model, batch = model_of(name, options, seed=seed).double(), patients_of(lengths, seed)
    output = model.train()(batch.inputs)  # by hand, without anything of a step
    loss = model.survival_loss(output, batch.target)
    loss.mean().backward()
    whole = {name: p.grad for name, p in model.named_parameters()}
    grads, losses, kept = learned(model, batch, most)
    assert_close(losses["survival"], loss.detach())
    for label, expected in whole.items():
        if expected is None:  # nothing reads this weight
            assert grads[label] is None, label
        else:
            assert_close(grads[label], expected, rtol=1e-6, atol=1e-9, msg=lambda m, w=label: f"{w}: {m}")
    if output.log_hazard_ratio is not None:
        assert_close(kept["log_hazard_ratio"], output.log_hazard_ratio.detach())
        assert kept["bin"].tolist() == batch.target.bin.tolist()


def test_a_loss_that_compares_patients_is_not_zero_however_the_step_is_cut():
    batch = patients_of([3, 2, 4, 1, 5, 2])
    for name, options in COX:
        for most in (1, 4, 100):
            assert learned(model_of(name, options).double(), batch, most)[1]["survival"].sum() > 0, (name, most)


@pytest.mark.parametrize(("name", "options"), MIXING, ids=str)
def test_a_pass_drops_the_same_out_when_it_goes_through_the_network_again(name, options):
    model, batch, seen = model_of(name, options, dropout=True).double(), patients_of([3, 2, 4, 1, 5, 2]), []
    read = model.read

    def watched(inputs):
        reading = read(inputs)
        seen.append(reading.vector.detach())
        return reading

    model.read = watched
    _, losses, _ = learned(model, batch, 4)
    once = len(seen) // 2
    assert once > 1
    for first, again in zip(seen[:once], seen[once:], strict=True):
        assert torch.equal(first, again)
    seed_again, other = learned(model, batch, 4)[1], learned(model, batch, 4, seed=1)[1]
    assert torch.equal(seed_again["survival"], losses["survival"])
    assert not torch.equal(other["survival"], losses["survival"])


def test_after_a_step_random_numbers_go_on_as_if_the_network_had_been_gone_through_once():
    model, batch = model_of("hfbsurv", {"head": "cox"}, dropout=True).double().train(), patients_of([3, 2, 4, 1, 5, 2])
    (step,) = steps = plan_steps([3, 2, 4, 1, 5, 2], 6, 6)
    states = []
    with seeded(0):
        learn(model, step, iter(cut(batch, steps, reading_order(model, steps))), Recipe(), TrainingSpec())
        states.append(torch.get_rng_state())
        torch.manual_seed(0)
        model.judge(torch.cat([model.read(each.inputs).vector for each in cut(batch, steps, step.passes)]))
        assert len(step.passes) > 1 and torch.equal(states[0], torch.get_rng_state())


@pytest.mark.parametrize(("name", "options"), MIXING, ids=str)
def test_a_step_of_one_pass_goes_through_the_network_once(name, options):
    model, batch = model_of(name, options, dropout=True), patients_of([3, 2, 4], dtype=torch.float32)
    assert reading_order(model, plan_steps([3, 2, 4], 3, 100)) == [(0, 1, 2)]
    grads, losses, _ = learned(model, batch, 100, seed=3)
    model.zero_grad(set_to_none=True)
    with seeded(3):
        loss = model.survival_loss(model.train()(batch.inputs), batch.target)
    (loss.sum() / 3).backward()
    assert torch.equal(losses["survival"], loss.detach())
    for label, p in model.named_parameters():
        assert grads[label] is p.grad is None or torch.equal(grads[label], p.grad), label


@pytest.mark.parametrize("most", [4, 100])
def test_a_step_in_half_precision_is_so_in_every_pass_through_the_network(most):
    model, batch, seen = model_of("gpdbn", {"head": "cox"}), patients_of([3, 2, 4, 1], dtype=torch.float32), []

    def watched(*args, whole):
        seen.append(torch.is_autocast_enabled("cpu"))
        return whole(*args)

    for name in ("forward", "read", "judge"):
        setattr(model, name, partial(watched, whole=getattr(model, name)))
    learned(model, batch, most, precision="bf16")
    assert len(seen) > 2 and all(seen)


def test_a_pass_on_a_gpu_draws_the_random_numbers_of_that_gpu_again(monkeypatch):
    taken, put = [], []

    def state(device):
        taken.append(device)
        return torch.tensor([len(taken)])

    monkeypatch.setattr(torch.cuda, "get_rng_state", state)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda value, device: put.append((int(value), device)))
    model, batch = (
        model_of("deepattnmisl", {"variant": "original"}).train(),
        patients_of([3, 2, 4], dtype=torch.float32),
    )
    (step,) = steps = plan_steps([3, 2, 4], 3, 5)
    learn(model, step, iter(cut(batch, steps, reading_order(model, steps))), Recipe(), TrainingSpec(device="cuda:1"))
    assert taken == ["cuda:1"] * 3
    assert put == [(1, "cuda:1"), (2, "cuda:1"), (3, "cuda:1")]  # each pass its own, then that after the first round


BIG = 4100  # patches, more than a pass on a CPU holds


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> PatientDataset:
    """Seven patients whose bags are each larger than a pass by default."""
    folder, rng, patients = tmp_path_factory.mktemp("big"), np.random.default_rng(0), tuple("ABCDEFG")
    bags = {}
    for i, patient in enumerate(patients):
        values = rng.normal(size=(BIG + i, 4)).astype(np.float32) + 0.3 * i
        bags[patient] = [(patient, lambda v=values, p=patient: Embeddings(p, v))]
    pack_embeddings(bags, folder / "big.bags", "big")
    time = np.array([9.0, 3.0, 7.0, 2.0, 5.0, 1.0, 4.0])
    event = np.array([True, True, False, True, True, False, True])
    omics = tuple(torch.from_numpy(rng.normal(size=(7, size)).astype(np.float32)) for size in SIZES.group_sizes)
    target = Target(torch.from_numpy((time // 4).astype(np.int64)), torch.from_numpy(event), torch.tensor(time).float())
    return PatientDataset(
        Outcome(patients, time, event), target, omics, None, PackedEmbeddings.open(folder / "big.bags")
    )


@pytest.mark.parametrize(("name", "options"), ONE_EACH, ids=str)
def test_bags_larger_than_a_pass_train_as_smaller_ones_do_by_default(big, name, options):
    rows, baselines = [], []
    for most in (None, 10**6):
        model, spec = model_of(name, options), TrainingSpec(choose="last", patches_per_pass=most)
        how = Recipe(patients_per_step=3, sampler="shuffled", epochs=1)  # the seventh joins the second step
        model.before_training(big.target, lambda rows: big.batch(rows).inputs)
        rows.append(train_epoch(model, big, make_optimizer(model, how), recipe=how, spec=spec, epoch=0))
        baselines.append({n: b for n, b in model.named_buffers() if "baseline" in n})
    assert rows[0]["train_loss"] > 0
    assert rows[0]["train_loss"] == pytest.approx(rows[1]["train_loss"], rel=1e-4)
    assert baselines[0]
    for label, cut_one in baselines[0].items():
        assert_close(cut_one, baselines[1][label], rtol=1e-3, atol=1e-4, msg=lambda m, w=label: f"{w}: {m}")


@pytest.mark.parametrize(("name", "options"), ONE_EACH, ids=str)
def test_the_validation_loss_compares_everybody_with_everybody(big, name, options):
    model = model_of(name, options)
    losses = [predict(model, big, spec=TrainingSpec(patches_per_pass=most)).loss for most in (None, 10**6)]
    risk = predict(model, big, spec=TrainingSpec()).prediction.risk
    expected = float(cox_loss(torch.from_numpy(risk), big.target).mean())
    assert losses == pytest.approx([expected, expected], rel=1e-5)
    assert expected > 0.1


@pytest.mark.parametrize(("name", "options"), COX, ids=str)
def test_patients_one_by_one_are_refused_where_the_loss_compares_them(big, name, options):
    with pytest.raises(ModelError, match=r"Cox's, compares the patients of a step, so with patients_per_step: 1"):
        fit(model_of(name, options), big, spec=TrainingSpec(choose="last"), recipe=Recipe(patients_per_step=1))


def test_two_patients_a_step_can_be_compared_and_one_is_enough_where_none_are():
    check_recipe(model_of("gpdbn", {"head": "cox"}), Recipe(patients_per_step=2))
    check_recipe(model_of("gpdbn", {}), Recipe(patients_per_step=1))


def taken(data: PatientDataset, rows) -> PatientDataset:
    index = np.array(rows)
    omics = tuple(group[rows] for group in data.omics)
    return replace(data, outcome=data.outcome.take(index), target=data.target.take(torch.tensor(rows)), omics=omics)


def test_patients_of_whom_no_two_can_be_compared_neither_train_nor_choose(big):
    how = Recipe(epochs=1)
    alone = taken(big, [0, 2])  # the event is the last to be seen
    for part in ([4], [0, 2]):
        message = rf"^No two of the {len(part)} training patients can be compared: nobody was followed as long"
        with pytest.raises(CohortError, match=message):
            fit(model_of("gpdbn", {"head": "cox"}), taken(big, part), recipe=how, spec=TrainingSpec(choose="last"))
    for rule in ("validation_loss", "last"):
        with pytest.raises(CohortError, match="No two of the 2 validation patients can be compared"):
            fit(model_of("gpdbn", {"head": "cox"}), big, validation=alone, recipe=how, spec=TrainingSpec(choose=rule))
    fit(model_of("gpdbn", {}), big, validation=alone, recipe=how, spec=TrainingSpec())


def test_a_training_whose_loss_stays_what_it_was_fails(big):
    frozen = dict.fromkeys(("encoders", "attend", "narrow", "head"), 0.0)
    how = Recipe(epochs=3, patients_per_step=3, sampler="shuffled", learning_rate_factors=frozen)
    model = model_of("deepattnmisl", {"variant": "original"})
    message = r"The validation loss was [0-9.]+ in every one of 3 epochs, so nothing was learned. Look at training.l"
    with pytest.raises(TrainingError, match=message):
        fit(model, big, validation=big, recipe=how, spec=TrainingSpec())
    whole = replace(how, patients_per_step=7)
    message = re.escape("The training loss was ") + r"[0-9.]+ in every one of 3 epochs, so nothing was learned"
    with pytest.raises(TrainingError, match=message):
        fit(model, big, recipe=whole, spec=TrainingSpec(choose="last"))
    fit(model, big, recipe=replace(whole, epochs=1), spec=TrainingSpec(choose="last"))  # one epoch tells nothing
    fit(model, big, validation=big, recipe=replace(how, learning_rate_factors={}), spec=TrainingSpec())
