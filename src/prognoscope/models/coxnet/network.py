"""Cox's proportional hazards on all genes and covariates, under an elastic net.

Simon, Friedman, Hastie, Tibshirani: Regularization paths for Cox's proportional hazards model via coordinate descent.
J Stat Softw 2011.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.models.base import SurvivalModel
from prognoscope.models.coxnet.card import CARD
from prognoscope.models.coxnet.path import Path, Patients
from prognoscope.models.coxph.network import need_covariates
from prognoscope.models.layers.cox_fit import breslow_steps
from prognoscope.models.layers.cox_head import cause_logits, proportional_logits
from prognoscope.models.options import check_numbers

PARTS, PENALTIES, SMALLEST = 3, 40, 0.02  # of the choice: parts, penalties, the last one as a share of the first
PATIENCE = 8  # penalties without a better one
RIDGE = 0.01  # of covariates
CONSTANT = 1e-6  # a column of a smaller standard deviation has no coefficient


class Coxnet(SurvivalModel):
    """Proportional hazards of which an elastic net keeps few genes; its penalty is chosen by held-out likelihood.

    The risk is the log hazard ratio. Covariates have a light ridge penalty and are never dropped; where there are no
    genes, the elastic net is theirs. Survival at the end of a bin follows from Breslow's baseline. Where other events
    compete, the event and the others have a regression each, with a penalty of its own, on cause-specific hazards.

    Args:
        group_sizes: Genes in each gene group; () without omics.
        n_clinical: Clinical covariates after encoding; 0 without any.
        n_bins: K, the number of time bins.
        covariates: "clinical", "omics", "both", or "auto": whatever the cohort has.
        l1_ratio: The lasso's share of the penalty; the ridge has the rest.
    """

    card = CARD
    centre: Tensor
    coefficients: Tensor
    hazard_steps: Tensor
    penalty: Tensor
    rival_coefficients: Tensor

    def __init__(
        self,
        group_sizes: tuple[int, ...],
        n_clinical: int,
        n_bins: int,
        *,
        covariates: Literal["auto", "clinical", "omics", "both"] = "auto",
        l1_ratio: float = 0.5,
    ):
        super().__init__(covariates=covariates, group_sizes=group_sizes, n_clinical=n_clinical)
        check_numbers("coxnet", ("l1_ratio", l1_ratio, 0 < l1_ratio <= 1, "number above 0, up to 1"))
        need_covariates("coxnet", self.profile.needs, n_clinical=n_clinical, n_genes=sum(group_sizes))
        self.uses_clinical, self.uses_omics = ("clinical" in self.profile.needs, "omics" in self.profile.needs)
        self.l1_ratio = l1_ratio
        self.n_genes = sum(group_sizes) if self.uses_omics else 0
        n_columns = self.n_genes + (n_clinical if self.uses_clinical else 0)
        self.register_buffer("centre", torch.zeros(n_columns))
        self.register_buffer("coefficients", torch.zeros(n_columns))
        self.register_buffer("hazard_steps", torch.zeros(n_bins))  # increase of the cumulative hazard in each bin
        self.register_buffer("penalty", torch.zeros(()))

    def take_causes(self, causes: int) -> None:
        super().take_causes(causes)
        if causes > 1:
            self.register_buffer("rival_coefficients", torch.zeros_like(self.coefficients))

    def forward(self, inputs: Inputs) -> Output:
        columns = self._columns(inputs) - self.centre
        log_ratio = columns @ self.coefficients
        if self.causes > 1:
            own, rival = self.hazard_steps.chunk(2)
            return Output(cause_logits(log_ratio, own, columns @ self.rival_coefficients, rival))
        return Output(proportional_logits(log_ratio, self.hazard_steps), log_hazard_ratio=log_ratio)

    def fit(self, target: Target, edges: Sequence[float], read: Callable[[Sequence[int]], Inputs]) -> None:
        """Fit to training patients."""
        raw = self._columns(read(range(len(target))))
        mean, scale = raw.mean(dim=0), raw.std(dim=0, correction=0)
        scale = scale.where(scale > CONSTANT, torch.inf)  # so that a constant column is all zeros
        values = (raw - mean) / scale
        n_free = raw.shape[1] - self.n_genes if self.uses_omics else 0
        self.centre.copy_(mean)
        beta, penalty = self._regress(values, target, n_free)
        self.penalty.fill_(penalty)
        self.coefficients.copy_((beta / scale.double()).float())
        steps = [breslow_steps(values.double() @ beta, target.time, target.event, edges)]
        if target.competing is not None:
            others = replace(target, event=target.competing)
            beta = self._regress(values, others, n_free)[0] if others.event.any() else torch.zeros_like(beta)
            self.rival_coefficients.copy_((beta / scale.double()).float())
            steps.append(breslow_steps(values.double() @ beta, others.time, others.event, edges))
        self.hazard_steps.copy_(torch.cat(steps))

    def _regress(self, values: Tensor, target: Target, n_free: int) -> tuple[Tensor, float]:
        """The coefficients of standardised columns, float64, and the penalty that was chosen."""
        whole = self._path(values, target, torch.ones(len(values), dtype=torch.bool), n_free)
        penalties = whole.largest * torch.logspace(0, math.log10(SMALLEST), PENALTIES)
        chosen = self._choose(values, target, penalties.tolist(), n_free)
        for penalty in penalties[: chosen + 1].tolist():
            beta = whole.at(penalty)
        return beta, float(penalties[chosen])

    def _path(self, values: Tensor, target: Target, rows: Tensor, n_free: int) -> Path:
        patients = Patients.of(values[rows], target.time[rows], target.event[rows])
        return Path(patients, self.l1_ratio, RIDGE, n_free)

    def _choose(self, values: Tensor, target: Target, penalties: Sequence[float], n_free: int) -> int:
        """Which penalty is best for parts of the training patients whom the others predict.

        All parts go down the path together, until the likelihood of those held out has stopped to rise.
        """
        order = sorted(range(len(values)), key=lambda i: (bool(target.event[i]), float(target.time[i])))
        part = torch.empty(len(values), dtype=torch.int64)
        part[torch.tensor(order)] = torch.arange(len(values)) % PARTS  # every part gets early and late, events first
        paths = [self._path(values, target, part != i, n_free) for i in range(PARTS)]
        told = [(values[part == i], target.time[part == i], target.event[part == i]) for i in range(PARTS)]
        held_out = [Patients.of(*each) for each in told]
        losses: list[float] = []
        for penalty in penalties:
            loss = 0.0
            for path, patients in zip(paths, held_out, strict=True):
                beta = path.at(penalty)
                there = beta.nonzero()[:, 0]
                loss += patients.loss(patients.values[:, there].double() @ beta[there]) * len(patients.event)
            losses.append(loss)
            if len(losses) - 1 - losses.index(min(losses)) >= PATIENCE:
                break
        return losses.index(min(losses))

    def _columns(self, inputs: Inputs) -> Float[Tensor, "P V"]:
        parts = [*inputs.omics] if self.uses_omics else []
        if self.uses_clinical:
            assert inputs.clinical is not None
            parts.append(inputs.clinical)
        return torch.cat(parts, dim=1)
