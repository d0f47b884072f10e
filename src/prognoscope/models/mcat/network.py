"""Gene groups read the patches of a bag; what they read and the groups themselves are summarised and fused.

Chen et al.: Multimodal co-attention transformer for survival prediction in gigapixel whole slide images. ICCV 2021.
"""

from collections.abc import Sequence

from torch import nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import ATTENTION, GENE_POOL, GENE_TO_PATCH
from prognoscope.models.layers.coattention import OneHeadAttention
from prognoscope.models.layers.gene_guided import LateFusion, gene_layers
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.mcat.card import CARD


class MCAT(SurvivalModel):
    """One query per gene group over the patches, a transformer over each side's tokens, and a late fusion.

    The gene transformer sees the groups alone, not what they read. Linear in T.

    Explains with `attention`: "gene_to_patch" (T, S), where in the bag each gene group looks, sums to 1 within a
    patient; "patches" (T,), its mean over groups. Details, with width d: `patches` (T, d) after their layer;
    `coattention` (T, S), the same map, and `coattention_logits` (T, S), the scores before its softmax, which is what
    the released code shows; `gene_groups` (P, S, d), a token per group; `guided_tokens` (P, S, d), what each group
    read; `patch_tokens` and `gene_tokens` (P, S, d), both after their transformers; `patch_pool` and `gene_pool`
    (P, S), how much each token counts in a summary, sums to 1, and `patch_pool_logits`, `gene_pool_logits` before the
    softmax; `patch`, `gene` and `fused` (P, d), the summaries and their fusion.

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each of the S gene groups; any number of groups.
        n_bins: K, the number of time bins.
        d: Width of a token.
        heads, layers, feed_forward: Of both transformers; `feed_forward` is the width inside a layer.
        omic_width: Hidden layers of a gene group's network: "small", one of width d, or "big", three of 1024.
        gene_hidden: Widths of these layers, instead of those of `omic_width`.
        fusion: Of the two summaries: "concat" or "bilinear".
        fusion_hidden: Width between the last two layers of the bilinear fusion.
        scale_dim1, scale_dim2: What the widths of both summaries are divided by in the bilinear fusion.
        dropout: Rate everywhere; AlphaDropout in the gene groups' networks.
    """

    card = CARD
    patch_maps = ATTENTION | GENE_TO_PATCH
    group_scores = GENE_POOL

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        d: int = 256,
        heads: int = 8,
        layers: int = 2,
        feed_forward: int = 512,
        omic_width: str = "small",
        gene_hidden: Sequence[int] | None = None,
        fusion: str = "concat",
        fusion_hidden: int = 256,
        scale_dim1: int = 8,
        scale_dim2: int = 8,
        dropout: float = 0.25,
    ):
        super().__init__()
        self.project = ReLULayers(embedding_dim, d, dropout=dropout)
        self.genes = gene_layers("mcat", group_sizes, d, omic_width, gene_hidden, dropout)
        self.coattend = OneHeadAttention(d)
        options = {"heads": heads, "layers": layers, "feed_forward": feed_forward, "dropout": dropout}
        bilinear = {"fusion_hidden": fusion_hidden, "shrink": (scale_dim1, scale_dim2)}
        self.summaries = LateFusion("mcat", d, fusion=fusion, **bilinear, **options)
        self.head = nn.Linear(d, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        inputs.bags.need_patches("mcat")
        patches, genes = inputs.bags.replace(self.project(inputs.bags.values)), self.genes(inputs.omics)
        guided, attention, scores = self.coattend.groups_read(genes, patches)
        fused, details = self.summaries(guided, genes)
        shown = attention.detach()
        return Output(
            self.head(fused),
            attention={"patches": shown.mean(dim=1), "gene_to_patch": shown},
            details={"patches": patches.values, "coattention_logits": scores, "coattention": attention, **details},
        )
