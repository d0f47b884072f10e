"""Late fusion's laws: places among held-out risks, Cox's regression on them, and what a lacking member changes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from lifelines import CoxPHFitter
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError, TrainingError
from prognoscope.models.creation import create_model
from prognoscope.models.layers.cox_fit import breslow_steps, fit_cox
from prognoscope.models.registry import profile_of
from prognoscope.models.sizes import Sizes

SIZES = Sizes(n_bins=4, embedding_dim=6, group_sizes=(5, 3), n_clinical=2)
ABMIL = {"name": "abmil", "hidden_dim": 8, "attention_dim": 4}
EDGES = [0.0, 5.0, 10.0, 20.0, np.inf]


def patients(n=200, seed=0):
    """Inputs, what two members said of them, and their outcomes, which hang on both."""
    rng = np.random.default_rng(seed)
    told = rng.normal(size=(n, 2))
    died, lost = rng.exponential(15 * np.exp(-told @ [0.8, 0.5])), rng.exponential(30, n)
    time, event = np.minimum(died, lost).astype(np.float32), died <= lost
    bins = torch.from_numpy(np.searchsorted(EDGES[1:-1], time, side="right"))
    target = Target(bins, torch.from_numpy(event), torch.from_numpy(time))
    omics = tuple(torch.from_numpy(rng.normal(size=(n, size)).astype(np.float32)) for size in SIZES.group_sizes)
    values = torch.from_numpy(rng.normal(size=(2 * n, 6)).astype(np.float32))
    clinical = torch.from_numpy(rng.normal(size=(n, 2)).astype(np.float32))
    inputs = Inputs(Bags(values, torch.full((n,), 2)), omics, clinical)
    return inputs, torch.from_numpy(told).float(), target


def joined(inputs, risks, target, **options):
    """Late fusion of coxph and abmil that has been told these held-out risks."""
    torch.manual_seed(0)
    members = options.pop("members", [{"name": "coxph", "penalizers": (0.1,)}, ABMIL])
    model = create_model("late", sizes=SIZES, members=members, **options).eval()
    theirs = [create_model(name, sizes=SIZES, **own).eval() for name, own in model.profile.members.values()]
    for member in theirs:
        if member.profile.recipe is None:
            member.fit(target, EDGES, lambda _: inputs)
    without_bags = replace(inputs, bags=Bags(torch.zeros(0, 1), torch.zeros(len(inputs), dtype=torch.int64)))
    model.join(dict(zip(model.profile.members, theirs, strict=True)), risks, without_bags, target, EDGES)
    return model


def test_the_regression_is_that_of_lifelines_and_its_baseline_too():
    _, risks, target = patients()
    x, time, event = risks.double(), target.time.double(), target.event
    table = pd.DataFrame(x.numpy()).assign(time=time.numpy(), event=event.numpy())
    unpenalised = CoxPHFitter().fit(table, "time", "event")
    beta = fit_cox(x, time, event, ridge=0.0)
    assert_close(beta, torch.tensor(unpenalised.params_.to_numpy()), rtol=1e-5, atol=1e-6)
    steps = breslow_steps((x - x.mean(dim=0)) @ beta, time, event, EDGES)
    baseline = unpenalised.baseline_cumulative_hazard_.iloc[:, 0]
    reached = [baseline[baseline.index <= end].iloc[-1] for end in (5.0, 10.0, 20.0, time.max().item())]
    assert_close(steps.cumsum(0), torch.tensor(reached), rtol=1e-4, atol=1e-6)


def test_tied_times_and_a_constant_column_do_not_stop_it():
    _, risks, target = patients()
    time = target.time.round()
    beta = fit_cox(torch.cat([risks, torch.ones(len(risks), 1)], dim=1), time, target.event, ridge=1e-6)
    table = pd.DataFrame(risks.double().numpy()).assign(time=time.double().numpy(), event=target.event.numpy())
    assert_close(
        beta[:2], torch.tensor(CoxPHFitter().fit(table, "time", "event").params_.to_numpy()), rtol=0.05, atol=0
    )
    assert beta[2] == 0


def test_mean_ranks_order_patients_by_the_mean_of_their_places_and_survive_accordingly():
    inputs, risks, target = patients()
    model = joined(inputs, risks, target, fusion="ranks")
    output = model(inputs)
    places = output.details["places"]
    assert ((places > 0) & (places < 1)).all()
    assert torch.equal(output.risk.argsort(), places.mean(dim=1).argsort())
    own = torch.stack([member(inputs).risk for member in model.member_models], dim=1)
    below = (risks[None] < own[:, None]).float().mean(dim=1)  # the empirical distribution function itself
    assert (places - below).abs().max() < 0.02


def test_a_stack_gives_more_weight_to_the_better_member_and_survival_is_calibrated():
    inputs, risks, target = patients(400)
    model = joined(inputs, risks, target, product=False)
    whole = model.coefficients[-1]
    assert whole[0] > whole[1] > 0.2
    with torch.no_grad():  # a model whose members say what they said of patients held out
        columns = model._columns(model._places(risks), inputs)
        ratio = (columns - model.centre[-1]) @ model.coefficients[-1]
        dead = 1 - torch.exp(-model.hazard_steps.sum() * ratio.exp())
    assert 0.75 < dead.mean() <= 1


def test_a_patient_without_genes_is_judged_by_a_regression_on_the_other_member():
    inputs, risks, target = patients()
    omics = tuple(group.clone() for group in inputs.omics)
    omics[0][:20] = torch.nan
    lacking = replace(inputs, omics=omics)
    partly = risks.clone()
    partly[:20, 0] = torch.nan
    model = joined(inputs, partly, target)
    with_all, without = model(inputs), model(lacking)
    assert_close(without.risk[20:], with_all.risk[20:])
    alone = joined(inputs, risks[:, 1:], target, members=[ABMIL], covariates=False)
    assert_close(model.coefficients[2, 1], alone.coefficients[1, 0], rtol=0.02, atol=0)
    assert torch.equal(without.risk[:20].argsort(), alone(inputs).risk[:20].argsort())
    empty = replace(lacking, bags=Bags(torch.zeros(0, 6), torch.zeros(len(inputs), dtype=torch.int64)))
    with pytest.raises(ModelError, match="20 of 200 patients have nothing that a member of late predicts from"):
        model(empty)


def test_members_that_share_no_patient_are_not_put_together():
    inputs, risks, target = patients()
    risks[:100, 0], risks[100:, 1] = torch.nan, torch.nan
    with pytest.raises(TrainingError, match="late cannot put coxph and abmil together: no training patient"):
        joined(inputs, risks, target)


def test_covariates_are_in_the_stack_where_no_member_has_them():
    inputs, risks, target = patients()
    genes = {"name": "coxph", "covariates": "omics", "penalizers": (0.1,)}
    assert not joined(inputs, risks, target).with_covariates
    assert joined(inputs, risks, target, members=[genes, ABMIL]).centre.shape[1] == 3 + 2
    assert not joined(inputs, risks, target, members=[genes, ABMIL], covariates=False).with_covariates
    profile = profile_of("late", {"members": [genes, ABMIL]}, SIZES)
    assert profile.needs == {"omics", "bag", "clinical"} and profile.enough == ({"bag"}, {"omics"})


def test_gradients_reach_genes_and_patches_through_the_places():
    inputs, risks, target = patients()
    model = joined(inputs, risks, target)
    values = inputs.bags.values.clone().requires_grad_()
    omics = tuple(group.clone().requires_grad_() for group in inputs.omics)
    model(Inputs(inputs.bags.replace(values), omics, inputs.clinical)).risk.sum().backward()
    assert values.grad.any() and omics[0].grad.any()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ("coxph", r"late cannot work with members='coxph'. Give a list of methods"),
        ([], "Give a list of methods"),
        (["coxph", "coxph"], "late has two members 'coxph'. Give one of them a label of its own"),
        (["coxph", "abmill"], "There is no method 'abmill'; did you mean 'abmil'"),
        (["late"], "late cannot have late as a member"),
        ([{"hidden_dim": 3}], "late has a member {'hidden_dim': 3}. Give a method's name"),
        ([{"name": "abmil", "training": {}}], "late cannot change training of its member abmil"),
        (["snn", "ghanet"], "late cannot have snn and ghanet as members, which choose genes each in another way"),
        (["meanmil"] * 7, "late cannot have 7 members. Name at most 6"),
    ],
)
def test_what_cannot_be_members_is_refused_in_a_sentence(members, message):
    with pytest.raises(ModelError, match=message):
        create_model("late", sizes=SIZES, members=members)


def test_a_method_is_a_member_twice_under_two_labels():
    twice = ["coxph", ABMIL, {**ABMIL, "label": "wide", "hidden_dim": 16}]
    assert create_model("late", sizes=SIZES, members=twice).labels == ("coxph", "abmil", "wide")
    with pytest.raises(ModelError, match="late cannot work with inner_folds=1. Give a whole number from 2"):
        profile_of("late", {"inner_folds": 1})
