"""The Cox yardstick against lifelines and the laws of proportional hazards."""

import numpy as np
import pandas as pd
import pytest
import torch
from lifelines import CoxPHFitter
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError
from prognoscope.models.coxph.network import CoxPH


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


def test_coefficients_and_survival_equal_those_of_lifelines():
    inputs, target, edges = cohort()
    model = CoxPH((), 2, 4, penalizers=(0.1,))
    model.fit(target, edges, lambda _: inputs)
    table = pd.DataFrame(inputs.clinical.double().numpy()).assign(
        time=target.time.double().numpy(), event=target.event.numpy()
    )
    fitted = CoxPHFitter(penalizer=0.1).fit(table, "time", "event")
    assert_close(model.coefficients.double(), torch.tensor(fitted.params_.to_numpy()), atol=1e-5, rtol=1e-4)
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


def test_a_constant_covariate_and_more_genes_than_patients_do_not_stop_it():
    inputs, target, edges = cohort(60)
    genes = torch.randn(60, 200, generator=torch.Generator().manual_seed(1))
    clinical = torch.cat([inputs.clinical, torch.ones(60, 1)], dim=1)
    model = CoxPH((200,), 3, 4)
    model.fit(target, edges, lambda _: Inputs(inputs.bags, (genes,), clinical))
    assert model.coefficients[-1] == 0
    assert torch.isfinite(model(Inputs(inputs.bags, (genes,), clinical)).logits).all()


def test_without_covariates_it_says_what_to_give():
    with pytest.raises(ModelError, match="Name columns in cohort.clinical.covariates"):
        CoxPH((), 0, 4)
    with pytest.raises(ModelError, match="omics covariates, but the cohort has none"):
        CoxPH((), 3, 4, covariates="both")
