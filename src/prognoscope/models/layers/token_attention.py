"""A few tokens that attend to many patches, or to each other; as G-HANet and Surformer use them.

Wang et al.: Histo-genomic knowledge distillation for cancer prognosis from histopathology whole slide images.
Wang et al.: Surformer, a pattern-perceptive survival transformer. Comput Methods Programs Biomed 2023.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.precision import at_least_float32


class TokenAttention(nn.Module):
    """Multi-head attention of G tokens, over themselves or, with `over`, over the patches of their patient.

    No residual inside; the channels are cut into heads in order; only the output projection has a bias.

    Args:
        dim: E, the width of a token; patches are as wide.
        dropout: Rate on the softmax.
        inner: The width of queries, keys and values, a multiple of heads; None: E.
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0, *, inner: int | None = None):
        super().__init__()
        inner = inner or dim
        self.heads, self.scale = heads, (inner // heads) ** -0.5
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, inner, bias=False) for _ in range(3))
        self.to_out = nn.Linear(inner, dim)
        self.dropout = Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "_ G E"], others: Float[Tensor, "P J E"] | None = None
    ) -> Float[Tensor, "P G E"]:
        """What the tokens of a patient make of each other, or of its `others`; then they may be one set for all."""
        others = tokens if others is None else others
        roles = ((self.to_q, tokens), (self.to_k, others), (self.to_v, others))
        q, k, v = (to(its).unflatten(2, (self.heads, -1)).transpose(1, 2) for to, its in roles)
        logits = q @ k.mT * self.scale  # (P, H, G, J)
        weights = logits.softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        mixed = self.dropout(weights).to(v.dtype) @ v
        return self.to_out(mixed.transpose(1, 2).flatten(2))

    def over(
        self, tokens: Float[Tensor, "_ G E"], patches: Bags
    ) -> tuple[Float[Tensor, "P G E"], Float[Tensor, "T H G"]]:
        """What the tokens draw from the patches, and the scaled scores before the softmax; linear in T.

        Tokens are a patient's own, or one set for all. Keys are folded into the queries and values are projected after
        pooling, so no key or value of a patch is ever made. In at least float32, under autocast too.

        Args:
            patches: Every bag must have a patch.
        """
        with torch.autocast(patches.values.device.type, enabled=False):
            tokens, values = at_least_float32(tokens), at_least_float32(patches.values)
            q = self.to_q(tokens).unflatten(2, (self.heads, -1))
            queries = torch.einsum("pghc,hce->phge", q, self.to_k.weight.unflatten(0, (self.heads, -1)))
            queries = self.scale * queries.flatten(1, 2)  # (P or 1, H G, E)
            if len(queries) == 1:
                scores = values @ queries[0].T
            else:
                scores = torch.cat([one @ its.T for one, its in zip(patches.split(values), queries, strict=True)])
            pooled = patches.weighted_sum(self.dropout(patches.softmax(scores)), values)
            pooled = pooled.unflatten(1, (self.heads, -1))  # (P, H, G, E)
            mixed = torch.einsum("phge,hce->pghc", pooled, self.to_v.weight.unflatten(0, (self.heads, -1)))
            return self.to_out(mixed.flatten(2)), scores.unflatten(1, (self.heads, -1))


class GatedFeedForward(nn.Module):
    """A hidden layer four times as wide, gated by the GELU of a second one, and dropout. No residual inside.

    Source: Shazeer: GLU variants improve transformer. 2020.
    """

    def __init__(self, dim: int, dropout: float = 0.0):
        super().__init__()
        self.widen = nn.Linear(dim, 8 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "... E"]) -> Float[Tensor, "... E"]:
        hidden, gate = self.widen(tokens).chunk(2, dim=-1)
        return self.dropout(self.narrow(hidden * F.gelu(gate)))
