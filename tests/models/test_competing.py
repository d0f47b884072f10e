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
        assert model.profile.compares_patients or name in {"kd", "dtfd_mil", "late", "gpcox", "coxnet"}, why
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
    assert "Cox" in create_model(name, sizes=SIZES, **SMALL[name] | {"head": "cox"}).why_one_cause()
    assert not create_model(name, sizes=SIZES, **SMALL[name] | {"head": "discrete"}).why_one_cause()


def fitted(competing: str, n: int = 200):
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
    model = create_model("coxph", group_sizes=(), n_clinical=2, n_bins=2 * K, competing=competing, penalizers=[0.001])
    model.take_causes(2)
    model.fit(target, edges, lambda rows: inputs)
    return model.eval(), inputs, target, clinical, edges


def test_cause_specific_regressions_find_what_each_cause_hangs_on():
    model, inputs, target, _, edges = fitted("cause_specific")
    assert model.coefficients[0] > 0.6 > abs(float(model.coefficients[1]))
    assert model.rival_coefficients[1] > 0.6 > abs(float(model.rival_coefficients[0]))
    output = model(inputs)
    assert output.log_hazard_ratio is None
    told = {"time": target.time.numpy(), "event": target.event.numpy(), "competing": target.competing.numpy()}
    seen = aalen_johansen(**told).at(np.array(edges[1:-1]))
    assert np.allclose(output.incidence.mean(dim=0)[:-1].numpy(), seen, atol=0.03)


def test_fine_and_gray_ranks_by_the_subdistribution_hazard():
    model, inputs, target, clinical, edges = fitted("fine_gray")
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
