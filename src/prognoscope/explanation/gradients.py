"""Which genes and which patches move the log risk, by its gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Inputs
from prognoscope.explanation.log_risk import log_risk, with_genes
from prognoscope.models.base import SurvivalModel

STEPS = 32


def gene_attribution(model: SurvivalModel, inputs: Inputs, *, steps: int = STEPS) -> tuple[Float[Tensor, "P _"], ...]:
    """Integrated gradients of the log risk on the straight way from all genes zero, per gene group.

    They add up to the log risk minus that with the same slides and genes zero, which where genes are standardised is
    the average patient's, but for the error of `steps` points.

    Source: Sundararajan, Taly, Yan: Axiomatic attribution for deep networks. ICML 2017.
    """
    totals = [torch.zeros_like(group) for group in inputs.omics]
    for step in range(steps):
        share = (step + 0.5) / steps
        groups = tuple((share * group).detach().requires_grad_() for group in inputs.omics)
        risk = log_risk(model(with_genes(inputs, groups))).sum()
        gradients = torch.autograd.grad(risk, groups, allow_unused=True)
        for total, gradient in zip(totals, gradients, strict=True):
            if gradient is not None:
                total += gradient / steps
    return tuple(total * group for total, group in zip(totals, inputs.omics, strict=True))


def patch_attribution(model: SurvivalModel, inputs: Inputs) -> Float[Tensor, " T"] | None:
    """Gradient times embedding of the log risk: to first order, what the patch adds to its patient's.

    None where no gradient reaches the patches, as in ccl, which sees clusters.
    """
    values = inputs.bags.values.detach().requires_grad_()
    risk = log_risk(model(Inputs(inputs.bags.replace(values), inputs.omics, inputs.clinical))).sum()
    gradient = torch.autograd.grad(risk, values, allow_unused=True)[0] if risk.requires_grad else None
    return None if gradient is None else (gradient * values.detach()).sum(dim=1)
