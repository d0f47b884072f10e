"""The elastic-net Cox regression against scikit-survival's, its conditions of a minimum, and its laws."""

import numpy as np
import pytest
import torch
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.errors import ModelError
from prognoscope.models.coxnet.network import Coxnet
from prognoscope.models.coxnet.path import Path, Patients
from prognoscope.models.creation import create_model

EDGES = [0.0, 5.0, 10.0, 20.0, np.inf]


def patients(n=120, genes=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, genes)).astype(np.float32)
    age = rng.normal(size=(n, 1)).astype(np.float32)
    danger = 0.9 * x[:, 0] - 0.7 * x[:, 1] + 0.5 * age[:, 0]
    died, lost = rng.exponential(12 * np.exp(-danger)), rng.exponential(25, n)
    time, event = np.minimum(died, lost).astype(np.float32), died <= lost
    bins = np.searchsorted(EDGES[1:-1], time, side="right")
    target = Target(torch.from_numpy(bins), torch.from_numpy(event), torch.from_numpy(time))
    bags = Bags(torch.zeros(0, 1), torch.zeros(n, dtype=torch.int64))
    return Inputs(bags, (torch.from_numpy(x),), torch.from_numpy(age)), target


def standardised(inputs):
    x = torch.cat(inputs.omics, dim=1)
    return (x - x.mean(dim=0)) / x.std(dim=0, correction=0)


@pytest.mark.parametrize("l1_ratio", [0.2, 0.5, 1.0])
def test_the_path_is_that_of_scikit_survival(l1_ratio):
    inputs, target = patients()
    x = standardised(inputs)
    path = Path(Patients.of(x, target.time, target.event), l1_ratio, 0.01, 0)
    penalties = [path.largest * share for share in (0.9, 0.5, 0.2, 0.05)]
    outcome = Surv.from_arrays(target.event.numpy(), target.time.double().numpy())
    theirs = CoxnetSurvivalAnalysis(l1_ratio=l1_ratio, alphas=penalties, tol=1e-9)
    theirs.fit(x.double().numpy(), outcome)
    ours = torch.stack([path.at(penalty).clone() for penalty in penalties], dim=1)
    assert_close(ours, torch.from_numpy(theirs.coef_), atol=2e-3, rtol=0)


def test_no_step_away_from_a_minimum_goes_down_with_ties_and_covariates():
    inputs, target = patients()
    x, time = torch.cat([standardised(inputs), inputs.clinical], dim=1), target.time.round()
    path = Path(Patients.of(x, time, target.event), 0.5, 0.01, 1)
    penalty = 0.3 * path.largest
    beta = path.at(penalty)

    def objective(b):
        gene, free = b[:-1], b[-1:]
        net = 0.5 * gene.abs().sum() + 0.25 * gene.square().sum()
        return path.patients.loss(path.patients.values.double() @ b) + penalty * net + 0.005 * float(free.square())

    assert beta[-1] != 0 and 0 < (beta[:-1] != 0).sum() < 60
    least = objective(beta)
    for i in range(len(beta)):
        for step in (-1e-2, 1e-2):
            other = beta.clone()
            other[i] += step
            assert objective(other) > least - 1e-9


def test_it_keeps_the_genes_that_carry_the_signal_and_chooses_the_penalty_without_looking_elsewhere():
    inputs, target = patients(300)
    model = Coxnet((60,), 1, 4)
    model.fit(target, EDGES, lambda _: inputs)
    kept = model.coefficients.abs()
    assert set(kept[:60].topk(2).indices.tolist()) == {0, 1} and (kept[:60] == 0).sum() > 20 and kept[60] > 0
    others, outcome = patients(300, seed=1)
    noise = Coxnet((60,), 0, 4, covariates="omics")
    noise.fit(Target(outcome.bin, target.event, target.time), EDGES, lambda _: others)
    assert (noise.coefficients != 0).sum() < 15


def test_a_constant_gene_more_genes_than_patients_and_covariates_alone_do_not_stop_it():
    inputs, target = patients(60, 200)
    inputs.omics[0][:, 5] = 1.0
    model = Coxnet((200,), 1, 4)
    model.fit(target, EDGES, lambda _: inputs)
    assert model.coefficients[5] == 0 and model(inputs).logits.isfinite().all()
    inputs, target = patients(300)
    alone = Coxnet((), 1, 4)
    alone.fit(target, EDGES, lambda _: Inputs(inputs.bags, (), inputs.clinical))
    assert alone.coefficients[0] > 0


def test_what_it_cannot_work_with_is_refused():
    with pytest.raises(ModelError, match="coxnet needs clinical covariates or genes"):
        Coxnet((), 0, 4)
    with pytest.raises(ModelError, match="coxnet cannot work with l1_ratio=0.0. Give a number above 0, up to 1"):
        create_model("coxnet", group_sizes=(3,), n_clinical=0, n_bins=4, l1_ratio=0.0)
