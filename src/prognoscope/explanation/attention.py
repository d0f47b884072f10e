"""Which patches a model looked at."""

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Inputs
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel


def patch_attention(model: SurvivalModel, inputs: Inputs) -> list[Float[Tensor, " N"]]:
    """The attention weight of every patch, patient by patient; sums to 1 within each.

    Raises:
        ModelError: The method has no attention over patches.
    """
    with torch.inference_mode():
        attention = model.eval()(inputs).attention
    if "patches" not in attention:
        raise ModelError(
            f"{type(model).__name__} has no attention over patches; explain its risk by gradients instead."
        )
    return list(inputs.bags.split(attention["patches"]))


def percentile_rank(weights: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Each weight's rank in (0, 1], ties sharing their mean rank: a scale that outliers leave alone."""
    below = torch.searchsorted(weights.sort().values, weights, side="left")
    up_to = torch.searchsorted(weights.sort().values, weights, side="right")
    return (below + up_to + 1) / (2 * len(weights))
