"""One-head attention between the patches of each patient and its gene groups, in either direction.

There are few groups, so every matrix is applied to them and never to patches: keys are folded into the queries, values
are projected after pooling. The numbers are those of the unfolded attention.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.precision import at_least_float32


class OneHeadAttention(nn.Module):
    """Scaled dot-product attention with one head, its queries either the patches or the gene groups.

    Source: Vaswani et al.: Attention is all you need. NeurIPS 2017. Chen et al.: Multimodal co-attention transformer.
    ICCV 2021.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * dim, dim)))  # query, key, value
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.zeros_(self.out_proj.bias)

    def patches_read(self, patches: Bags, groups: Float[Tensor, "P S D"]) -> tuple[Tensor, Tensor, Tensor]:
        """What each patch reads (T, D), the map and the scores before its softmax, (T, S)."""
        (w_q, w_k, w_v), (b_q, b_k, b_v) = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        keys = groups @ w_k.T + b_k
        scores = patch_scores(patches, keys @ w_q, keys @ b_q) * groups.shape[-1] ** -0.5
        attention = scores.softmax(dim=1)
        values = (groups @ w_v.T + b_v) @ self.out_proj.weight.T + self.out_proj.bias  # rows of the map sum to 1
        return spread(patches, attention, values), attention, scores

    def groups_read(self, groups: Float[Tensor, "P S D"], patches: Bags) -> tuple[Tensor, Tensor, Tensor]:
        """What each group reads (P, S, D), the map and the scores before its softmax, (T, S)."""
        (w_q, w_k, w_v), (b_q, b_k, b_v) = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        queries = groups @ w_q.T + b_q
        scores = patch_scores(patches, queries @ w_k, queries @ b_k) * groups.shape[-1] ** -0.5
        attention = patches.softmax(scores)
        pooled = patches.weighted_sum(attention.to(patches.values.dtype), patches.values)
        return self.out_proj(pooled @ w_v.T + b_v), attention, scores


def patch_scores(
    patches: Bags, groups: Float[Tensor, "P S D"], offset: Float[Tensor, "P S"] | None = None
) -> Float[Tensor, "T S"]:
    """The inner product of every patch with every group of its patient, in at least float32."""
    parts = [x @ group.mT for x, group in zip(patches.split(patches.values), groups, strict=True)]
    if offset is not None:
        parts = [part + one for part, one in zip(parts, offset, strict=True)]
    return at_least_float32(patches.join(parts))


def spread(patches: Bags, weights: Float[Tensor, "T S"], groups: Float[Tensor, "P S D"]) -> Float[Tensor, "T D"]:
    """For every patch, the weighted sum of the groups of its patient."""
    parts = zip(patches.split(weights.to(groups.dtype)), groups, strict=True)
    return patches.join([weight @ group for weight, group in parts])
