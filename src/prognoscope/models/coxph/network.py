"""Cox's proportional hazards on clinical covariates and the leading principal components of the genes.

The yardstick: few numbers, a convex fit, no epochs. What does not beat it has learned nothing worth a network.

Cox: Regression models and life tables. J R Stat Soc B 1972.
"""

from collections.abc import Callable, Sequence, Set
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError, TrainingError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.coxph.card import CARD
from prognoscope.models.coxph.competing import COMPETING, fit_fine_gray
from prognoscope.models.coxph.ridge import SMALLEST_SPREAD, fit_ridge, mean_log_likelihood
from prognoscope.models.layers.cox_fit import breslow_steps
from prognoscope.models.layers.cox_head import (
    SMALLEST_STEP,
    cause_logits,
    proportional_logits,
    subdistribution_logits,
)
from prognoscope.models.options import check_choices

SMALLEST_AXIS = 1e-6  # of the genes' longest principal axis: what is shorter is the rounding of single precision


class CoxPH(SurvivalModel):
    """Ridge-penalised proportional hazards; the penalty is chosen by likelihood in an inner cross-validation.

    The risk is the log hazard ratio. Survival at the end of a bin follows from Breslow's baseline, for the last bin
    from its value at the last training time. Details: `covariates` (P, V).

    Where other events compete, survival is one minus the cumulative incidence: of one regression for the event and one
    for the others, all of the same penalty, or of one on the subdistribution hazard (`competing.py`).

    Args:
        group_sizes: Genes in each gene group; () without omics.
        n_clinical: Clinical covariates after encoding; 0 without any.
        n_bins: K, the number of time bins.
        covariates: "clinical", "omics", "both", or "auto": whatever the cohort has.
        n_components: How many principal components stand for the genes, at most.
        penalizers: Ridge penalties to choose from.
        competing: What is regressed where other events compete: "cause_specific" hazards, or "fine_gray", that of the
            subdistribution, whose log hazard ratio is then the risk.
    """

    card = CARD
    gene_mean: Tensor
    components: Tensor
    covariate_mean: Tensor
    coefficients: Tensor
    hazard_steps: Tensor
    penalizer: Tensor
    rival_coefficients: Tensor

    def __init__(
        self,
        group_sizes: tuple[int, ...],
        n_clinical: int,
        n_bins: int,
        *,
        covariates: Literal["auto", "clinical", "omics", "both"] = "auto",
        n_components: int = 10,
        penalizers: Sequence[float] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        competing: str = "cause_specific",
    ):
        super().__init__(covariates=covariates, group_sizes=group_sizes, n_clinical=n_clinical)
        wanted = self.profile.needs
        need_covariates("coxph", wanted, n_clinical=n_clinical, n_genes=sum(group_sizes))
        self.uses_clinical, self.uses_omics = "clinical" in wanted, "omics" in wanted
        self.penalizers, self.competing = tuple(penalizers), competing
        check_choices("coxph", {"competing": competing}, {"competing": COMPETING})
        n_genes = sum(group_sizes) if self.uses_omics else 0
        n_components = min(n_components, n_genes)
        n_covariates = n_components + (n_clinical if self.uses_clinical else 0)
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("components", torch.zeros(n_genes, n_components))
        self.register_buffer("covariate_mean", torch.zeros(n_covariates))
        self.register_buffer("coefficients", torch.zeros(n_covariates))
        self.register_buffer("hazard_steps", torch.zeros(n_bins))  # increase of the cumulative hazard in each bin
        self.register_buffer("penalizer", torch.zeros(()))

    def forward(self, inputs: Inputs) -> Output:
        covariates = self._covariates(inputs)
        log_ratio = (covariates - self.covariate_mean) @ self.coefficients
        if self.causes > 1:
            own, rival = self.hazard_steps.chunk(2)
            if self.competing == "fine_gray":
                logits = subdistribution_logits(log_ratio, own)
                return Output(logits, log_hazard_ratio=log_ratio, details={"covariates": covariates})
            other = (covariates - self.covariate_mean) @ self.rival_coefficients
            return Output(cause_logits(log_ratio, own, other, rival), details={"covariates": covariates})
        logits = proportional_logits(log_ratio, self.hazard_steps)
        return Output(logits, log_hazard_ratio=log_ratio, details={"covariates": covariates})

    def take_causes(self, causes: int) -> None:
        super().take_causes(causes)
        if causes > 1:
            self.register_buffer("rival_coefficients", torch.zeros_like(self.coefficients))

    def fit(self, target: Target, edges: Sequence[float], read: Callable[[Sequence[int]], Inputs]) -> None:
        """Fit to training patients.

        Raises:
            TrainingError: The fit does not converge under any penalty.
        """
        inputs = read(range(len(target)))
        if self.uses_omics:
            genes = torch.cat(inputs.omics, dim=1).double()
            self.gene_mean.copy_(genes.mean(dim=0))
            _, lengths, axes = torch.linalg.svd(genes - genes.mean(dim=0), full_matrices=False)
            axes = axes[lengths > SMALLEST_AXIS * lengths.max()]  # along the others new patients differ, these do not
            n_axes = min(self.components.shape[1], len(axes))
            self.components[:, :n_axes] = axes[:n_axes].T.float()
        table = pd.DataFrame(self._covariates(inputs).double().numpy())
        self.covariate_mean.copy_(torch.tensor(table.mean().to_numpy()))
        varies = [column for column in table if table[column].std() > SMALLEST_SPREAD]  # others have no coefficient
        table = table[varies].assign(time=target.time.double().numpy(), event=target.event.numpy())
        places = torch.tensor(varies, dtype=torch.int64)
        if target.competing is not None and self.competing == "fine_gray":
            penalizer, fitted = fit_fine_gray(table, target.competing.numpy(), self.penalizers)
            if not fitted.is_converged:
                raise _not_converged(table, penalizer)
            self.coefficients[places] = torch.tensor(fitted.beta, dtype=torch.float32)
            values = table[varies].to_numpy()
            log_ratio = torch.tensor((values - values.mean(axis=0)) @ fitted.beta)
            own = breslow_steps(log_ratio, target.time, target.event, edges, target.competing)
            self.hazard_steps.copy_(torch.cat([own, torch.full_like(own, SMALLEST_STEP)]))
        else:
            penalizer, steps = self._choose_penalizer(table), []
            causes = [(target.event, self.coefficients)]
            if target.competing is not None:
                causes.append((target.competing, self.rival_coefficients))
            for event, coefficients in causes:
                if not event.any():  # a rare other event may be of none of these patients
                    steps.append(torch.full((len(edges) - 1,), SMALLEST_STEP, dtype=torch.float64))
                    continue
                found = _fit(table.assign(event=event.numpy()), penalizer)
                if found is None:
                    raise _not_converged(table, penalizer)
                coefficients[places] = torch.tensor(found, dtype=torch.float32)
                values = table[varies].to_numpy()
                log_ratio = torch.tensor((values - values.mean(axis=0)) @ found)
                steps.append(breslow_steps(log_ratio, target.time, event, edges))
            self.hazard_steps.copy_(torch.cat(steps))
        self.penalizer.fill_(penalizer)

    def _covariates(self, inputs: Inputs) -> Float[Tensor, "P V"]:
        parts = []
        if self.uses_omics:
            parts.append((torch.cat(inputs.omics, dim=1) - self.gene_mean) @ self.components)
        if self.uses_clinical:
            parts.append(inputs.clinical)
        return torch.cat(parts, dim=1)

    def _choose_penalizer(self, table: pd.DataFrame, n_parts: int = 3) -> float:
        """The penalty with the greatest held-out partial likelihood over parts of the training patients."""
        if len(self.penalizers) == 1:
            return self.penalizers[0]
        order = table.sort_values(
            ["event", "time"], kind="stable"
        ).index  # every part gets early and late, events first
        part = pd.Series(np.arange(len(table)) % n_parts, index=order).reindex(table.index)
        scores = {}
        for penalizer in self.penalizers:
            fits = [(_fit(table.loc[part != i], penalizer), table.loc[part == i]) for i in range(n_parts)]
            told = [mean_log_likelihood(found, *_columns(held_out)) for found, held_out in fits if found is not None]
            if len(told) == n_parts:
                scores[penalizer] = sum(told)
        return max(scores, key=lambda penalizer: scores[penalizer], default=max(self.penalizers))


def need_covariates(method: str, wanted: Set[str], *, n_clinical: int, n_genes: int) -> None:
    """Refuse a Cox regression that the cohort gives nothing to.

    Raises:
        ModelError: It lacks what was asked for, or has neither covariates nor genes.
    """
    has = {"clinical": n_clinical > 0, "omics": n_genes > 0}
    if missing := [kind for kind in has if kind in wanted and not has[kind]]:
        raise ModelError(f"{method} is to use {' and '.join(missing)} covariates, but the cohort has none.")
    if not wanted:
        raise ModelError(
            f"{method} needs clinical covariates or genes that differ between patients, and the cohort has neither. "
            "Name columns in cohort.clinical.covariates, or give cohort.omics."
        )


def _fit(table: pd.DataFrame, penalizer: float) -> Float[np.ndarray, " V"] | None:
    return fit_ridge(*_columns(table), penalizer)


def _columns(
    table: pd.DataFrame,
) -> tuple[Float[np.ndarray, "P V"], Float[np.ndarray, " P"], Bool[np.ndarray, " P"]]:
    return table.iloc[:, :-2].to_numpy(np.float64), table["time"].to_numpy(), table["event"].to_numpy(bool)


def _not_converged(table: pd.DataFrame, penalizer: float) -> TrainingError:
    return TrainingError(
        f"coxph did not converge on {len(table)} patients, even with penalty {penalizer:g}: a covariate parts those "
        "with an event from all others, or follows from others. Allow a larger penalty in its option penalizers."
    )
