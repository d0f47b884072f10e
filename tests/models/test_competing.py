"""Where other events compete: the likelihood of two causes, every network that can learn it, and Cox's regressions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.core.subdistribution import fit_subdistribution
from prognoscope.evaluation.competing import aalen_johansen
from prognoscope.models.creation import create_model
from prognoscope.models.registry import list_models
from tests.test_every_model import SIZES, SMALL, batch_of

K, P = 4, 6


def target_of(patients: int, *, competing: bool = True, seed: int = 0) -> Target:
    rng = np.random.default_rng(seed)
    status = np.resize([1, 2, 0], patients)
    bins = torch.tensor(rng.integers(0, K, patients))
    time = torch.tensor(rng.exponential(10, patients), dtype=torch.float32)
    return Target(
        bins,
        torch.tensor(status == 1),
        time,
        torch.tensor(np.arange(patients) % 2),
        (torch.randn(patients, 5), torch.randn(patients, 7)),
        torch.arange(patients),
        torch.tensor(status == 2) if competing else None,
    )


def test_the_likelihood_is_the_chance_of_what_was_seen():
    logits = torch.randn(P, 2 * K, dtype=torch.float64)
    target = target_of(P)
    loss = discrete_nll(logits, target)
    own, other = logits[:, :K].exp(), logits[:, K:].exp()
    hazard, rival = own / (1 + own + other), other / (1 + own + other)
    for i in range(P):
        k, chance = int(target.bin[i]), 1.0
        for j in range(k):
            chance *= float(1 - hazard[i, j] - rival[i, j])
        at_last = (
            hazard[i, k] if target.event[i] else rival[i, k] if target.competing[i] else 1 - hazard[i, k] - rival[i, k]
        )
        assert float(loss[i]) == pytest.approx(-np.log(chance * float(at_last)))
    output = Output(logits, causes=2)
    free = torch.cat([torch.ones(P, 1), (1 - hazard - rival).cumprod(1)[:, :-1]], dim=1)
    assert_close(output.incidence, (hazard * free).cumsum(1))
    assert_close(output.survival, 1 - output.incidence)
    assert_close(output.log_survival.exp(), output.survival)
    assert_close(output.hazard, hazard)


def test_without_chance_of_another_event_it_is_that_of_two_states():
    logits = torch.randn(P, K, dtype=torch.float64)
    doubled = torch.cat([logits, torch.full_like(logits, -60.0)], dim=1)
    two, three = target_of(P, competing=False), target_of(P)
    rows = ~three.competing
    assert_close(discrete_nll(doubled, three, alpha=0.3)[rows], discrete_nll(logits, two, alpha=0.3)[rows])
    assert_close(Output(doubled, causes=2).survival, Output(logits).survival)


@pytest.mark.parametrize("name", list_models())
def test_every_method_learns_hazards_of_two_causes_or_says_why_not(name):
    model = create_model(name, sizes=replace(SIZES, n_bins=2 * K), **SMALL.get(name, {}))
    if why := model.why_one_cause():
        assert model.profile.compares_patients or name in {"kd", "dtfd_mil"}, why
        return
    if model.profile.recipe is None:
        return  # tested below
    model.take_causes(2)
    inputs, target = batch_of([5, 3, 8, 4, 6, 7])
    status = torch.tensor([1, 2, 0, 1, 2, 0])
    target = replace(target, event=status == 1, competing=status == 2)
    model.before_training(target, lambda rows: inputs.split()[rows[0]])
    output = model(inputs)
    assert output.causes == 2 and output.logits.shape == (P, 2 * K)
    losses = [model.survival_loss(output, target), *model.extra_losses(output, target).values()]
    sum(loss.sum() for loss in losses).backward()
    head = [each.grad for each in model.parameters() if each.grad is not None]
    assert head and all(each.isfinite().all() for each in head)
    survival = model.eval()(inputs).survival
    assert survival.shape == (P, K) and (survival.diff(dim=1) <= 1e-6).all()
    assert (survival >= 0).all() and (survival <= 1).all()


@pytest.mark.parametrize("name", ["gpdbn", "hfbsurv"])
def test_heads_of_time_bins_know_causes_and_those_of_cox_say_why_not(name):
    why = create_model(name, sizes=SIZES, **SMALL[name] | {"head": "cox"}).why_one_cause()
    assert "Cox" in why and "set head: discrete" in why
    assert not create_model(name, sizes=SIZES, **SMALL[name] | {"head": "discrete"}).why_one_cause()


METHODS_SOLVED = {
    "coxph": {"penalizers": [0.001]},
    "fine_gray": {"penalizers": [0.001], "competing": "fine_gray"},
    "coxnet": {},
    "gpcox": {"embedding_dim": 0},
}


def solved(name: str, inputs, target, edges, *, causes: int = 2):
    """A method that is solved at once, fitted on two covariates."""
    named = "coxph" if name == "fine_gray" else name
    sizes = {"group_sizes": (), "n_clinical": 2, "n_bins": causes * K}
    torch.manual_seed(0)
    model = create_model(named, **sizes, **METHODS_SOLVED[name])
    model.take_causes(causes)
    model.fit(target, edges, lambda rows: inputs.take(list(rows)))
    return model.eval()


def followed(n: int = 200):
    """Patients whose event hangs on the first covariate and whose other event on the second."""
    rng = np.random.default_rng(1)
    clinical = rng.normal(size=(n, 2))
    own, other = (rng.exponential(np.exp(-each)) * 20 for each in (0.9 * clinical[:, 0], 0.9 * clinical[:, 1]))
    end = rng.uniform(10, 40, n)
    time = np.minimum(np.minimum(own, other), end)
    told = {"event": (own == time), "competing": (other == time)}
    edges = [-np.inf, *np.quantile(time[told["event"]], [0.25, 0.5, 0.75]), np.inf]
    bins = torch.tensor(np.clip(np.searchsorted(edges, time, "right") - 1, 0, K - 1))
    target = Target(bins, torch.tensor(told["event"]), torch.tensor(time), competing=torch.tensor(told["competing"]))
    inputs = Inputs(Bags(torch.zeros(0, 1), torch.zeros(n, dtype=torch.int64)), clinical=torch.tensor(clinical).float())
    return inputs, target, clinical, edges


@pytest.mark.parametrize(("name", "own"), [("coxph", "coefficients"), ("coxnet", "coefficients"), ("gpcox", "weights")])
def test_cause_specific_regressions_find_what_each_cause_hangs_on(name, own):
    inputs, target, _, edges = followed()
    model = solved(name, inputs, target, edges)
    ours, others = getattr(model, own), getattr(model, f"rival_{own}")
    assert ours[0] > 0.6 > abs(float(ours[1]))
    assert others[1] > 0.6 > abs(float(others[0]))
    output = model(inputs)
    assert output.log_hazard_ratio is None
    told = {"time": target.time.numpy(), "event": target.event.numpy(), "competing": target.competing.numpy()}
    seen = aalen_johansen(**told).at(np.array(edges[1:-1]))
    assert np.allclose(output.incidence.mean(dim=0)[:-1].numpy(), seen, atol=0.03)


@pytest.mark.parametrize("name", METHODS_SOLVED)
def test_where_nobody_has_another_event_survival_is_that_of_one_cause(name):
    inputs, target, _, edges = followed()
    alone = solved(name, inputs, replace(target, competing=None), edges, causes=1)(inputs)
    nobody = torch.zeros(len(target), dtype=torch.bool)
    with_causes = solved(name, inputs, replace(target, competing=nobody), edges)(inputs)
    ties = 0.01 if name == "fine_gray" else 1e-4  # by Breslow's rule, and not by Efron's
    assert_close(with_causes.survival, alone.survival, atol=ties, rtol=0)


@pytest.mark.parametrize("fusion", ["stacked", "ranks"])
def test_late_fusion_regresses_the_incidence_on_what_its_members_say(fusion):
    inputs, target, clinical, edges = followed()
    member = {"name": "coxph", "penalizers": [0.001]}
    members = [member, {**member, "label": "again", "competing": "fine_gray"}]
    sizes = {"embedding_dim": 0, "group_sizes": (), "n_clinical": 2, "n_bins": 2 * K}
    late = create_model("late", **sizes, members=members, fusion=fusion, product=False).eval()
    assert not late.why_one_cause()
    late.take_causes(2)
    theirs = [solved(name, inputs, target, edges) for name in ("coxph", "fine_gray")]
    risks = torch.tensor(clinical).float()  # the second is who is spared by another event
    late.join(dict(zip(late.labels, theirs, strict=True)), risks, inputs, target, edges)
    told = {"time": target.time.numpy(), "event": target.event.numpy(), "competing": target.competing.numpy()}
    columns = late._columns(late._places(risks), inputs).double().numpy()
    known = fit_subdistribution(columns, **told, penalizer=0.01 if fusion == "stacked" else 1e-6)
    assert np.allclose(late.coefficients[-1].numpy(), known.beta, atol=1e-4)
    cumulative = np.append(0, known.cumulative)[np.searchsorted(known.event_times, edges[1:-1], "right")]
    incidence = 1 - np.exp(-np.outer(np.exp(columns @ known.beta), cumulative)).mean(axis=0)
    assert np.allclose(incidence, aalen_johansen(**told).at(np.array(edges[1:-1])), atol=0.03)
    steps = late.hazard_steps[: K - 1].cumsum(0).numpy() * np.exp(-columns.mean(axis=0) @ known.beta)
    assert np.allclose(steps, cumulative, rtol=1e-3)
    output = late(inputs)
    assert_close(output.risk, output.log_hazard_ratio)
    survival = output.survival
    assert (survival.diff(dim=1) <= 0).all() and (survival > 0).all() and (survival < 1).all()


def test_late_fusion_is_refused_for_a_member_of_one_cause():
    late = create_model("late", sizes=SIZES, members=["coxph", {"name": "gpdbn", **SMALL["gpdbn"], "head": "cox"}])
    assert "of its members gpdbn cannot, since its loss, Cox's" in late.why_one_cause()


def test_fine_and_gray_ranks_by_the_subdistribution_hazard():
    inputs, target, clinical, edges = followed()
    model = solved("fine_gray", inputs, target, edges)
    told = {"time": target.time.numpy(), "event": target.event.numpy(), "competing": target.competing.numpy()}
    known = fit_subdistribution(clinical, **told)
    assert np.allclose(model.coefficients.numpy(), known.beta, atol=0.02)
    assert known.beta[0] > 0.5 and known.beta[1] < -0.2  # who dies of something else is spared
    output = model(inputs)
    cumulative = np.append(0, known.cumulative)[np.searchsorted(known.event_times, edges[1:-1], "right")]
    incidence = 1 - np.exp(-np.outer(np.exp(clinical @ known.beta), cumulative))
    assert np.allclose(output.incidence[:, :-1].detach().numpy(), incidence, atol=0.02)
    assert_close(output.risk, output.log_hazard_ratio)
    with pytest.raises(ModelError, match="did you mean 'fine_gray'"):
        create_model("coxph", group_sizes=(), n_clinical=2, n_bins=4, competing="fine_grey")
