"""Which genes and which patches move the risk."""

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Inputs
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel


def gene_attribution(model: SurvivalModel, inputs: Inputs, *, steps: int = 32) -> tuple[Float[Tensor, "P _"], ...]:
    """Integrated gradients of the risk on the straight way from all genes zero, per gene group.

    They add up to the risk minus that with the same slides and genes zero, which where genes are standardised is the
    average patient's, but for the error of `steps` points.

    Source: Sundararajan, Taly, Yan: Axiomatic attribution for deep networks. ICML 2017.
    """
    model.eval()
    totals = [torch.zeros_like(group) for group in inputs.omics]
    for step in range(steps):
        share = (step + 0.5) / steps
        groups = tuple((share * group).detach().requires_grad_() for group in inputs.omics)
        risk = model(Inputs(inputs.bags, groups, inputs.clinical)).risk.sum()
        gradients = torch.autograd.grad(risk, groups, allow_unused=True)
        for total, gradient in zip(totals, gradients, strict=True):
            if gradient is not None:
                total += gradient / steps
    return tuple(total * group for total, group in zip(totals, inputs.omics, strict=True))


def patch_attribution(model: SurvivalModel, inputs: Inputs) -> Float[Tensor, " T"]:
    """Gradient times embedding of the risk, per patch: to first order, what the patch adds to its patient's risk.

    Raises:
        ModelError: The risk hangs on patches without a gradient, as that of ccl, which sees clusters.
    """
    model.eval()
    values = inputs.bags.values.detach().requires_grad_()
    risk = model(Inputs(inputs.bags.replace(values), inputs.omics, inputs.clinical)).risk.sum()
    gradient = torch.autograd.grad(risk, values, allow_unused=True)[0] if risk.requires_grad else None
    if gradient is None:
        name = type(model).__name__
        raise ModelError(f"No gradient reaches the patches of {name}. Look at its attention instead.")
    return (gradient * values.detach()).sum(dim=1)
