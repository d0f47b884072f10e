"""Two summaries of a patient as one vector."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ConcatFusion(nn.Sequential):
    """Both end to end through two layers with ReLU."""

    def __init__(self, dim: int):
        super().__init__(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())

    def forward(self, a: Float[Tensor, "P D"], b: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        return super().forward(torch.cat([a, b], dim=1))


class BilinearFusion(nn.Module):
    """The outer product of both, each narrowed and gated by both, and of a constant, through two layers.

    Args:
        dim: Width of a summary and of the result; each is narrowed to an eighth.
        hidden: Width between the two last layers.
    """

    def __init__(self, dim: int, *, hidden: int = 256, dropout: float = 0.25):
        super().__init__()
        q = dim // 8
        self.narrow = nn.ModuleList(nn.Sequential(nn.Linear(dim, q), nn.ReLU()) for _ in range(2))
        self.gate = nn.ModuleList(nn.Sequential(nn.Linear(2 * dim, q), nn.Sigmoid()) for _ in range(2))
        self.mix = nn.ModuleList(nn.Sequential(nn.Linear(q, q), nn.ReLU(), nn.Dropout(dropout)) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.widen = nn.Sequential(nn.Linear((q + 1) ** 2, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.end = nn.Sequential(nn.Linear(hidden, dim), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, a: Float[Tensor, "P D"], b: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        both, sides = torch.cat([a, b], dim=1), []
        for x, narrow, gate, mix in zip((a, b), self.narrow, self.gate, self.mix, strict=True):
            side = mix(gate(both) * narrow(x))
            sides.append(torch.cat([side, torch.ones_like(side[:, :1])], dim=1))
        product = (sides[0][:, :, None] * sides[1][:, None, :]).flatten(1)
        return self.end(self.widen(self.dropout(product)))
