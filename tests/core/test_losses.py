"""Likelihoods against closed forms and an independent library."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from torch.testing import assert_close

from prognoscope.core.batch import Target
from prognoscope.core.losses import cox_loss, cox_partial_nll, discrete_nll


def target_of(bins, events, times=None):
    times = torch.tensor(bins, dtype=torch.float32) if times is None else torch.as_tensor(times, dtype=torch.float32)
    return Target(torch.tensor(bins), torch.tensor(events), times)


@given(st.lists(st.floats(-4, 4), min_size=4, max_size=4), st.integers(0, 3), st.booleans())
def test_the_likelihood_is_the_product_of_what_happened_in_each_bin(logits, k, event):
    hazard = 1 / (1 + np.exp(-np.array(logits)))
    chance = np.prod(1 - hazard[:k]) * (hazard[k] if event else 1 - hazard[k])
    loss = discrete_nll(torch.tensor([logits]), target_of([k], [event]))
    assert loss.item() == pytest.approx(-np.log(chance), abs=1e-5)


def test_a_constant_hazard_that_maximises_the_likelihood_is_events_over_bins_lived():
    target = target_of([0, 1, 2, 3, 1], [True, True, False, False, False])
    logit = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([logit], max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = discrete_nll(logit.expand(5, 4), target).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    lived = 1 + 2 + 3 + 4 + 2  # bins each patient was at risk in
    assert logit.sigmoid().item() == pytest.approx(2 / lived, abs=1e-4)


def test_clamped_and_exact_likelihood_agree_where_nothing_is_clamped():
    logits = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    target = target_of([0, 1, 2, 3] * 4, [True, False] * 8)
    assert_close(discrete_nll(logits, target, clamp=True), discrete_nll(logits, target))
    extreme = torch.full((1, 4), 60.0)
    assert torch.isfinite(discrete_nll(extreme, target_of([3], [True]))).all()


def test_a_bin_outside_the_bins_is_an_error():
    with pytest.raises(ValueError, match="0 to 3, not 4"):
        discrete_nll(torch.zeros(1, 4), target_of([4], [True]))


def test_cox_loss_equals_the_partial_likelihood_of_lifelines_without_ties():
    generator = np.random.default_rng(0)
    table = {
        "x": generator.normal(size=40),
        "time": generator.exponential(size=40),
        "event": generator.random(40) < 0.6,
    }
    import pandas as pd

    fitted = CoxPHFitter().fit(pd.DataFrame(table), "time", "event")
    log_ratio = torch.tensor(table["x"] * fitted.params_["x"], dtype=torch.float32)
    target = target_of([0] * 40, table["event"].tolist(), table["time"])
    assert -cox_partial_nll(log_ratio, target).sum().item() == pytest.approx(fitted.log_likelihood_, abs=1e-3)


def test_tied_times_share_their_risk_set():
    target = target_of([0, 0, 0], [True, True, False], [1.0, 1.0, 2.0])
    loss = cox_partial_nll(torch.zeros(3), target)
    assert_close(loss, torch.tensor([np.log(3), np.log(3), 0.0], dtype=torch.float32))


def test_the_mean_cox_loss_is_the_mean_over_events_and_ties_share_one_risk_set():
    target = target_of([0] * 5, [True, True, False, True, False], times=[3, 5, 5, 5, 9])
    theta = torch.tensor([0.3, -1.0, 2.0, 0.5, 0.1], dtype=torch.float64)
    at_risk = [theta.logsumexp(0), *[theta[1:].logsumexp(0)] * 2]
    expected = (sum(at_risk) - theta[0] - theta[1] - theta[3]) / 3
    assert_close(cox_loss(theta, target).mean(), expected)
    assert not cox_loss(theta, target_of([0] * 5, [False] * 5)).any()
