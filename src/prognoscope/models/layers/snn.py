"""The block of self-normalising networks as the survival papers use it."""

from torch import nn

ACTIVATIONS = {"elu": nn.ELU, "selu": nn.SELU}


def snn_block(input_dim: int, output_dim: int, dropout: float = 0.25, activation: str = "elu") -> nn.Sequential:
    """Linear, activation, AlphaDropout. ELU, not SELU, in every released code but CCL's.

    Source: Klambauer et al.: Self-normalizing neural networks. NeurIPS 2017.
    """
    return nn.Sequential(nn.Linear(input_dim, output_dim), ACTIVATIONS[activation](), nn.AlphaDropout(dropout))
