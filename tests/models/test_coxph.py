"""The Cox yardstick against lifelines and the laws of proportional hazards."""

import numpy as np
import pandas as pd
import pytest
import torch
from lifelines import CoxPHFitter
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError, TrainingError
from prognoscope.models.coxph.network import CoxPH
from prognoscope.models.coxph.ridge import fit_ridge, mean_log_likelihood
from prognoscope.models.layers.cox_fit import breslow_steps


def cohort(n=120, seed=0):
    generator = np.random.default_rng(seed)
    clinical = generator.normal(size=(n, 2))
    time = generator.exponential(np.exp(-clinical[:, 0])) * 20
    event = generator.random(n) < 0.7
    bags = Bags(torch.zeros(0, 1), torch.zeros(n, dtype=torch.int64))
    inputs = Inputs(bags, (), torch.tensor(clinical, dtype=torch.float32))
    edges = [-np.inf, *np.quantile(time[event], [0.25, 0.5, 0.75]), np.inf]
    bin_ = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, 3)
    return inputs, Target(torch.tensor(bin_), torch.tensor(event), torch.tensor(time, dtype=torch.float32)), edges


def lifelines_fit(table: pd.DataFrame, penalizer: float) -> CoxPHFitter:
    """To its last digit: by itself it stops where the fourth digit of a risk still moves."""
    exactly = {"precision": 1e-16, "r_precision": 1e-18, "step_size": 1.0}
    return CoxPHFitter(penalizer=penalizer).fit(table, "time", "event", fit_options=exactly)


def columns(seed: int, n: int, n_columns: int):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, n_columns)) * rng.uniform(0.1, 30, n_columns) + rng.normal(size=n_columns)
    time = rng.exponential(np.exp(-values[:, 0] / values[:, 0].std())) * 20
    return values, np.ceil(time) if seed % 2 else time, rng.random(n) < 0.6  # with and without ties


@pytest.mark.parametrize(("seed", "n", "n_columns"), [(0, 60, 3), (1, 120, 10), (2, 200, 20), (3, 60, 80)])
def test_the_penalised_maximum_and_its_likelihood_elsewhere_are_those_of_lifelines(seed, n, n_columns):
    (values, *outcome), (others, time, event) = columns(seed, n, n_columns), columns(seed + 2, n, n_columns)
    for penalizer in (0.03, 1.0):
        ours = fit_ridge(values, *outcome, penalizer)
        theirs = lifelines_fit(pd.DataFrame(values).assign(time=outcome[0], event=outcome[1]), penalizer)
        np.testing.assert_allclose(ours * values.std(axis=0), theirs.params_ * values.std(axis=0), atol=1e-8)
        score = theirs.score(pd.DataFrame(others).assign(time=time, event=event), "log_likelihood")
        assert mean_log_likelihood(ours, others, time, event) == pytest.approx(score, abs=1e-8)


def test_without_a_penalty_it_is_that_of_lifelines_while_there_is_a_maximum():
    values, time, event = columns(1, 120, 4)
    theirs = lifelines_fit(pd.DataFrame(values).assign(time=time, event=event), 0.0)
    np.testing.assert_allclose(fit_ridge(values, time, event, 0.0), theirs.params_, atol=1e-8)
    parted = np.column_stack([values[:, 0], event])  # whoever had the event, and nobody else, has a 1
    assert fit_ridge(parted, time, event, 0.0) is None
    assert np.isfinite(fit_ridge(parted, time, event, 0.01)).all()
    assert fit_ridge(values[:, [0, 0]], time, event, 0.0) is None
    np.testing.assert_allclose(np.ptp(fit_ridge(values[:, [0, 0]], time, event, 0.1)), 0, atol=1e-9)


def test_a_covariate_that_parts_the_events_is_refused_in_a_sentence_where_no_penalty_is_allowed():
    inputs, target, edges = cohort()
    parted = Inputs(inputs.bags, (), torch.cat([inputs.clinical, target.event[:, None].float()], dim=1))
    with pytest.raises(TrainingError, match="a covariate parts those with an event .* Allow a larger penalty"):
        CoxPH((), 3, 4, penalizers=(0.0,)).fit(target, edges, lambda _: parted)


def test_coefficients_and_survival_equal_those_of_lifelines():
    inputs, target, edges = cohort()
    model = CoxPH((), 2, 4, penalizers=(0.1,))
    model.fit(target, edges, lambda _: inputs)
    table = pd.DataFrame(inputs.clinical.double().numpy()).assign(
        time=target.time.double().numpy(), event=target.event.numpy()
    )
    fitted = lifelines_fit(table, 0.1)
    assert_close(model.coefficients.double(), torch.tensor(fitted.params_.to_numpy()), atol=1e-6, rtol=1e-6)
    theirs = fitted.predict_survival_function(table, times=edges[1:4]).T.to_numpy()
    ours = model(inputs).survival[:, :3]
    # lifelines interpolates between event times; ours is the step below
    assert np.abs(ours.numpy() - theirs).max() < 0.02
    assert_close(
        model(inputs).risk.double(),
        torch.tensor(fitted.predict_log_partial_hazard(table).to_numpy()),
        atol=1e-4,
        rtol=1e-3,
    )


def test_a_single_event_among_those_it_learns_from_is_enough():
    inputs, target, edges = cohort(40)
    one = Target(target.bin, torch.arange(40) == 3, target.time)  # so that parts of the inner choice have none
    model = CoxPH((), 2, 4)
    model.fit(one, edges, lambda _: inputs)
    assert torch.isfinite(model(inputs).log_hazard_ratio).all()


def test_a_constant_covariate_and_more_genes_than_patients_do_not_stop_it():
    inputs, target, edges = cohort(60)
    genes = torch.randn(60, 200, generator=torch.Generator().manual_seed(1))
    clinical = torch.cat([inputs.clinical, torch.ones(60, 1)], dim=1)
    model = CoxPH((200,), 3, 4)
    model.fit(target, edges, lambda _: Inputs(inputs.bags, (genes,), clinical))
    assert model.coefficients[-1] == 0
    assert torch.isfinite(model(Inputs(inputs.bags, (genes,), clinical)).logits).all()


def test_genes_that_tell_no_two_training_patients_apart_tell_nothing_of_new_ones():
    inputs, target, edges = cohort(
        8
    )  # eight patients lie along seven axes, fewer than the ten that may stand for genes
    few, new = torch.randn(2, 8, 200, generator=torch.Generator().manual_seed(1))
    model = CoxPH((200,), 2, 4)
    model.fit(target, edges, lambda _: Inputs(inputs.bags, (few,), inputs.clinical))
    assert model(Inputs(inputs.bags, (new,), inputs.clinical)).log_hazard_ratio.abs().max() < 50


def test_without_covariates_it_says_what_to_give():
    with pytest.raises(ModelError, match="Name columns in cohort.clinical.covariates"):
        CoxPH((), 0, 4)
    with pytest.raises(ModelError, match="omics covariates, but the cohort has none"):
        CoxPH((), 3, 4, covariates="both")


@pytest.mark.parametrize("competing", [False, True])
def test_an_event_at_the_very_end_of_a_bin_counts_in_it_however_its_time_is_rounded(competing):
    time = np.arange(1, 42) / 10  # quartiles of 41 events are times of events, and half of these round up
    event = np.ones(41, dtype=bool)
    edges = [-np.inf, *np.quantile(time, [0.25, 0.5, 0.75]), np.inf]
    hazard = 1 / np.arange(41, 0, -1)
    expected = np.diff([hazard[time <= end + 1e-9].sum() for end in (*edges[1:-1], time[-1])], prepend=0.0)
    rivals = torch.zeros(41, dtype=torch.bool) if competing else None
    times = torch.tensor(time, dtype=torch.float32)
    steps = breslow_steps(torch.zeros(41), times, torch.tensor(event), edges, rivals)
    np.testing.assert_allclose(steps, expected)
