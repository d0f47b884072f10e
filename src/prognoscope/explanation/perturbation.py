"""What the risk would be without a gene group: explanation by asking again, true of any model."""

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Inputs
from prognoscope.models.base import SurvivalModel


def gene_group_effects(model: SurvivalModel, inputs: Inputs) -> Float[Tensor, "P S"]:
    """For each gene group, the risk minus the risk with that group set to zero, the average of standardised genes."""
    model.eval()
    effects = []
    with torch.inference_mode():
        risk = model(inputs).risk
        for left_out in range(len(inputs.omics)):
            groups = tuple(torch.zeros_like(g) if i == left_out else g for i, g in enumerate(inputs.omics))
            effects.append(risk - model(Inputs(inputs.bags, groups, inputs.clinical)).risk)
    return torch.stack(effects, dim=1) if effects else risk.new_zeros(len(risk), 0)
