"""Attention between the patches of each patient and its gene groups, in both directions.

Zhou, Chen: Cross-modal translation and alignment for survival analysis (CMTA). ICCV 2023. There are few groups, so
every matrix is applied to them and never to patches.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.precision import at_least_float32


class Exchange(NamedTuple):
    """What patches read of gene groups and groups of patches; maps have a row a patch and a column a group."""

    of_genes: Float[Tensor, "T D"]  # gene content arranged per patch
    of_patches: Float[Tensor, "P S D"]  # patch content arranged per gene group
    patch_to_gene: Float[Tensor, "T S"]  # sums to 1 over groups
    gene_to_patch: Float[Tensor, "T S"]  # sums to 1 over the patient's patches
    patch_scores: Float[Tensor, "T S"]  # before either softmax
    gene_scores: Float[Tensor, "T S"]


class SharedCrossAttention(nn.Module):
    """One matrix of similarities for both directions; no biases, no output projection: the paper's equations."""

    def __init__(self, dim: int):
        super().__init__()
        self.u, self.v, self.w_p, self.w_g = (
            nn.Parameter(nn.init.xavier_normal_(torch.empty(dim, dim))) for _ in range(4)
        )

    def forward(self, patches: Bags, groups: Float[Tensor, "P S D"]) -> Exchange:
        scores = _scores(patches, groups @ self.u @ self.v.T) * groups.shape[-1] ** -0.5
        over_groups, over_patches = scores.softmax(dim=1), patches.softmax(scores)
        of_genes = _spread(patches, over_groups, groups @ self.w_g)
        of_patches = patches.weighted_sum(over_patches.to(patches.values.dtype), patches.values) @ self.w_p
        return Exchange(of_genes, of_patches, over_groups, over_patches, scores, scores)


class SeparateCrossAttention(nn.Module):
    """An attention of its own for each direction, with biases and output projections: the released code."""

    def __init__(self, dim: int):
        super().__init__()
        self.of_patches, self.of_groups = OneHeadAttention(dim), OneHeadAttention(dim)

    def forward(self, patches: Bags, groups: Float[Tensor, "P S D"]) -> Exchange:
        of_genes, over_groups, patch_scores = self.of_patches.patches_read(patches, groups)
        of_patches, over_patches, gene_scores = self.of_groups.groups_read(groups, patches)
        return Exchange(of_genes, of_patches, over_groups, over_patches, patch_scores, gene_scores)


class OneHeadAttention(nn.Module):
    """Scaled dot-product attention with one head, its queries either the patches or the gene groups."""

    def __init__(self, dim: int):
        super().__init__()
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * dim, dim)))  # query, key, value
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)

    def patches_read(self, patches: Bags, groups: Float[Tensor, "P S D"]) -> tuple[Tensor, Tensor, Tensor]:
        """What each patch reads (T, D), the map and the scores before its softmax, (T, S)."""
        (w_q, w_k, w_v), (b_q, b_k, b_v) = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        keys = groups @ w_k.T + b_k
        scores = _scores(patches, keys @ w_q, keys @ b_q) * groups.shape[-1] ** -0.5
        attention = scores.softmax(dim=1)
        values = (groups @ w_v.T + b_v) @ self.out_proj.weight.T + self.out_proj.bias  # rows of the map sum to 1
        return _spread(patches, attention, values), attention, scores

    def groups_read(self, groups: Float[Tensor, "P S D"], patches: Bags) -> tuple[Tensor, Tensor, Tensor]:
        """What each group reads (P, S, D), the map and the scores before its softmax, (T, S)."""
        (w_q, w_k, w_v), (b_q, b_k, b_v) = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        queries = groups @ w_q.T + b_q
        scores = _scores(patches, queries @ w_k, queries @ b_k) * groups.shape[-1] ** -0.5
        attention = patches.softmax(scores)
        pooled = patches.weighted_sum(attention.to(patches.values.dtype), patches.values)
        return self.out_proj(pooled @ w_v.T + b_v), attention, scores


def _scores(
    patches: Bags, groups: Float[Tensor, "P S D"], offset: Float[Tensor, "P S"] | None = None
) -> Float[Tensor, "T S"]:
    """The inner product of every patch with every group of its patient, in at least float32."""
    parts = [x @ group.mT for x, group in zip(patches.split(patches.values), groups, strict=True)]
    if offset is not None:
        parts = [part + one for part, one in zip(parts, offset, strict=True)]
    return at_least_float32(torch.cat(parts))


def _spread(patches: Bags, weights: Float[Tensor, "T S"], groups: Float[Tensor, "P S D"]) -> Float[Tensor, "T D"]:
    """For every patch, the weighted sum of the groups of its patient."""
    parts = zip(patches.split(weights.to(groups.dtype)), groups, strict=True)
    return torch.cat([weight @ group for weight, group in parts])
