"""Two summaries of a patient as one vector."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.errors import ModelError
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.relu_layers import ReLULayers


class ConcatFusion(nn.Sequential):
    """Both end to end through two layers with ReLU."""

    def __init__(self, dim: int):
        super().__init__(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())

    def forward(self, a: Float[Tensor, "P D"], b: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        return super().forward(torch.cat([a, b], dim=1))


class GatedSides(nn.Module):
    """Two summaries, each narrowed and gated by both.

    Args:
        dim: Width of a summary.
        shrink: What each is divided by in width.
        gated: Whether each is gated; a gate that is off keeps its weights, as published checkpoints do.
        dropout: Rate at the end of each.
    """

    def __init__(
        self, dim: int, *, shrink: tuple[int, int] = (8, 8), gated: tuple[bool, bool] = (True, True), dropout: float
    ):
        super().__init__()
        if not 1 <= min(shrink) <= max(shrink) <= dim:
            raise ModelError(
                f"A bilinear fusion cannot divide a width of {dim} by scale dimensions of {shrink[0]} and {shrink[1]}; "
                f"take numbers from 1 to {dim}."
            )
        self.widths = tuple(dim // each for each in shrink)
        self.gated = tuple(map(bool, gated))
        self.narrow = nn.ModuleList(nn.Sequential(nn.Linear(dim, q), nn.ReLU()) for q in self.widths)
        self.gate = nn.ModuleList(nn.Sequential(nn.Linear(2 * dim, q), nn.Sigmoid()) for q in self.widths)
        self.mix = nn.ModuleList(ReLULayers(q, q, dropout=dropout) for q in self.widths)

    def sides(self, a: Float[Tensor, "P D"], b: Float[Tensor, "P D"]) -> list[Tensor]:
        """Both, narrowed: (P, widths[0]) and (P, widths[1])."""
        both = torch.cat([a, b], dim=1)
        layers = zip((a, b), self.narrow, self.gate, self.mix, self.gated, strict=True)
        return [mix(gate(both) * narrow(x) if gated else narrow(x)) for x, narrow, gate, mix, gated in layers]


class BilinearFusion(GatedSides):
    """The outer product of both, each narrowed and gated by both, and of a constant, through two layers.

    Args:
        dim: Width of a summary and of the result.
        hidden: Width between the two last layers.
        skip: Whether the last layer also sees both summaries.
        dropout: Rate after each narrowed summary and their product.
        end_dropout: Rate after each of the last two layers; by default the same.
        options: `shrink` and `gated`, of `GatedSides`.
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden: int = 256,
        skip: bool = False,
        dropout: float = 0.25,
        end_dropout: float | None = None,
        **options,
    ):
        super().__init__(dim, dropout=dropout, **options)
        end_dropout = dropout if end_dropout is None else end_dropout
        product, last = (self.widths[0] + 1) * (self.widths[1] + 1), hidden + (2 * dim if skip else 0)
        self.skip = skip
        self.dropout = Dropout(dropout)
        self.widen = ReLULayers(product, hidden, dropout=end_dropout)
        self.end = ReLULayers(last, dim, dropout=end_dropout)

    def forward(self, a: Float[Tensor, "P D"], b: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        return self.join(a, b, *self.sides(a, b))

    def join(self, a: Tensor, b: Tensor, narrow_a: Tensor, narrow_b: Tensor) -> Float[Tensor, "P D"]:
        """The result from both summaries and what `sides` made of them."""
        x, y = (torch.cat([each, torch.ones_like(each[:, :1])], dim=1) for each in (narrow_a, narrow_b))
        wide = self.widen(self.dropout((x[:, :, None] * y[:, None, :]).flatten(1)))
        return self.end(torch.cat([wide, a, b], dim=1) if self.skip else wide)


class LowRankFusion(GatedSides):
    """A bilinear map of both, each narrowed and gated by both, and of a constant, as a sum of `rank` products.

    Args:
        dim: Width of a summary.
        outputs: Width of the result.
        options: `shrink`, `gated` and `dropout`, of `GatedSides`.

    Source: Liu et al.: Efficient low-rank multimodal fusion with modality-specific factors. ACL 2018.
    """

    def __init__(self, dim: int, outputs: int, *, rank: int = 16, **options):
        super().__init__(dim, **options)
        self.factors = nn.ParameterList(
            nn.init.xavier_normal_(torch.empty(rank, width + 1, outputs)) for width in self.widths
        )
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, rank)))
        self.bias = nn.Parameter(torch.zeros(1, outputs))

    def join(self, a: Tensor, b: Tensor, narrow_a: Tensor, narrow_b: Tensor) -> Float[Tensor, "P C"]:
        """The result, from what `sides` made of both summaries alone."""
        parts = [
            torch.einsum("pr,kro->pko", torch.cat([torch.ones_like(x[:, :1]), x], dim=1), factor)
            for x, factor in zip((narrow_a, narrow_b), self.factors, strict=True)
        ]
        return (self.weight @ (parts[0] * parts[1]))[:, 0] + self.bias
