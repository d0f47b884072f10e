"""The block of self-normalising networks as the survival papers use it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.models.layers.dropout import AlphaDropout
from prognoscope.models.layers.precision import at_least_float32

ACTIVATIONS = {"elu": nn.ELU, "selu": nn.SELU}


class SNNBlock(nn.Sequential):
    """In float32 under autocast too: a few rows a patient cost nothing, and gene values are rounded by bf16."""

    def forward(self, x: Float[Tensor, "*rows _"]) -> Float[Tensor, "*rows _"]:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(at_least_float32(x))


def snn_block(input_dim: int, output_dim: int, dropout: float = 0.25, activation: str = "elu") -> SNNBlock:
    """Linear, activation, AlphaDropout. ELU, not SELU, in every released code but CCL's.

    Source: Klambauer et al.: Self-normalizing neural networks. NeurIPS 2017.
    """
    return SNNBlock(nn.Linear(input_dim, output_dim), ACTIVATIONS[activation](), AlphaDropout(dropout))
