"""Layers that fuse the few tokens of each patient: ordinary attention, or Nystrom attention as CCL's code has it.

Zhou et al. (CCL), IEEE TMI 2024, eq. 7.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.nystrom import NystromLayer


class FusionLayer(nn.Module):
    """x + attention(LayerNorm(x)) among the tokens of a patient, (P, n, d), without a feed-forward part."""

    def __init__(self, d: int, *, heads: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.attend = SelfAttention(d, heads, dropout)

    def forward(self, tokens: Float[Tensor, "P n d"]) -> Float[Tensor, "P n d"]:
        return tokens + self.attend(self.norm(tokens))

    def maps(self, tokens: Float[Tensor, "P n d"]) -> Float[Tensor, "P h n n"]:
        """How much each token draws on each."""
        return self.attend.maps_and_values(self.norm(tokens))[0]


class SelfAttention(nn.Module):
    """Multi-head softmax attention; only the output projection has a bias."""

    def __init__(self, d: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(d, 3 * d, bias=False)
        self.to_out = nn.Linear(d, d)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "P n d"]) -> Float[Tensor, "P n d"]:
        maps, values = self.maps_and_values(tokens)
        return self.dropout(self.to_out((maps.to(values.dtype) @ values).transpose(1, 2).flatten(2)))

    def maps_and_values(self, tokens: Float[Tensor, "P n d"]) -> tuple[Tensor, Tensor]:
        """(P, heads, n, n), rows sum to 1, and (P, heads, n, d / heads)."""
        parts = self.to_qkv(tokens).unflatten(2, (3, self.heads, -1))
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        return (q @ k.mT * q.shape[-1] ** -0.5).softmax(dim=-1, dtype=torch.promote_types(q.dtype, torch.float32)), v


class NystromFusionLayer(NystromLayer):
    """The same with Nystrom attention, as released: most of its landmarks are zeros."""

    def forward(self, tokens: Float[Tensor, "P n d"]) -> Float[Tensor, "P n d"]:
        n_patients, n, _ = tokens.shape
        bags = Bags(tokens.flatten(0, 1), torch.full((n_patients,), n))
        return super().forward(bags).unflatten(0, (n_patients, n))

    def maps(self, tokens: Float[Tensor, "P n d"]) -> Float[Tensor, "P h n n"]:
        """How much each token draws on each; rows need not sum to 1, since zeros in front hold a share."""
        n = tokens.shape[1]
        return torch.stack([self.attend.map(one)[:, -n:, -n:] for one in self.norm(tokens)])


def feed_forward_part(d: int, dropout: float) -> nn.Sequential:
    """What an ordinary transformer adds to the tokens after attention.

    Source: Vaswani et al.: Attention is all you need. NeurIPS 2017; the norm in front, as in the layers here.
    """
    wide = nn.Linear(d, 4 * d), nn.ReLU(), Dropout(dropout)
    return nn.Sequential(nn.LayerNorm(d), *wide, nn.Linear(4 * d, d), Dropout(dropout))
