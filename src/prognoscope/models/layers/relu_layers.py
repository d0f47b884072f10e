"""Linear layers with ReLU and dropout, which in training keep little for the backward pass."""

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.models.layers.dropout import Dropout, relu_dropout


class ReLULayers(nn.Sequential):
    """Linear, ReLU, dropout from each width to the next, (..., first) -> (..., last).

    Args:
        dropout: Rate after each of them.
    """

    def __init__(self, *widths: int, dropout: float = 0.0):
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), Dropout(dropout)]
        super().__init__(*layers)

    def forward(self, x: Float[Tensor, "*rows _"]) -> Float[Tensor, "*rows _"]:
        layers = list(self)
        for linear, drop in zip(layers[::3], layers[2::3], strict=True):
            assert isinstance(drop, Dropout)
            x = relu_dropout(linear(x), drop.p, training=self.training)
        return x
