"""Attention between the patches of each patient and its gene groups, in both directions.

Zhou, Chen: Cross-modal translation and alignment for survival analysis (CMTA). ICCV 2023. There are few groups, so
every matrix is applied to them and never to patches.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.coattention import OneHeadAttention, patch_scores, spread


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
        scores = patch_scores(patches, groups @ self.u @ self.v.T) * groups.shape[-1] ** -0.5
        over_groups, over_patches = scores.softmax(dim=1), patches.softmax(scores)
        of_genes = spread(patches, over_groups, groups @ self.w_g)
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
