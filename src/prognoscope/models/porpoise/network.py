"""Attention over the patches of a bag and a self-normalising network on all genes, joined by a gated outer product.

Chen et al.: Pan-cancer integrative histology-genomic analysis via multimodal deep learning. Cancer Cell 2022.
"""

import itertools

from torch import nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.flat_genes import FlatGenes
from prognoscope.models.layers.fusion import BilinearFusion, ConcatFusion, LowRankFusion
from prognoscope.models.layers.precision import for_products
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.layers.snn import snn_block
from prognoscope.models.options import check_choices
from prognoscope.models.porpoise.card import CARD

CHOICES = {"fusion": ("bilinear", "concat", "lowrank"), "omic_block": ("snn", "mlp")}


class PORPOISE(SurvivalModel):
    """Gated-attention pooling of the bag and two layers on one flat vector of genes, then a late fusion.

    A gene in two groups is seen once, where the names of genes are known. Linear in T.

    Explains with `output.attention["patches"]`, (T,). Details: `patches` (T, h) after their layer, `attention_logits`
    (T,), `patch` and `gene` (P, d), the summaries of both sides; `gated_patch` and `gated_gene`, (P, d / 8) by default,
    what enters the product, unless the fusion is "concat"; `fused` (P, d), unless it is "lowrank".

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each gene group.
        n_bins: K, the number of time bins.
        gene_names: Columns of the gene groups, by which genes in several groups are known.
        hidden_dim: h, the width of a projected patch.
        d: Width of both summaries and of their fusion.
        fusion: "bilinear", the gated outer product; "concat", two layers on both; or "lowrank", a sum of `rank`
            products that gives the logits themselves.
        gate_path, gate_omic: Whether a side is gated by both before the product.
        skip: Whether the last layer of the bilinear fusion also sees both summaries.
        scale_dim1, scale_dim2: What the widths of the slide's and the genes' summary are divided by for the product.
        fusion_hidden: Width between the last two layers of the bilinear fusion, whatever d is.
        rank: Of the "lowrank" fusion.
        dropinput: Rate on the patch embeddings themselves.
        omic_block: "snn", ELU and AlphaDropout; or "mlp", ReLU and dropout.
        dropout: Rate everywhere else.
    """

    card = CARD

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        gene_names: tuple[tuple[str, ...], ...] = (),
        *,
        hidden_dim: int = 512,
        d: int = 256,
        fusion: str = "bilinear",
        gate_path: bool = True,
        gate_omic: bool = True,
        skip: bool = True,
        scale_dim1: int = 8,
        scale_dim2: int = 8,
        fusion_hidden: int = 256,
        rank: int = 16,
        dropinput: float = 0.1,
        omic_block: str = "snn",
        dropout: float = 0.25,
    ):
        super().__init__()
        check_choices("porpoise", {"fusion": fusion, "omic_block": omic_block}, CHOICES)
        self.drop_input = Dropout(dropinput)
        self.project = ReLULayers(embedding_dim, hidden_dim, dropout=dropout)
        self.attend = GatedAttention(hidden_dim, d, dropout)
        self.narrow = ReLULayers(hidden_dim, d, dropout=dropout)
        self.flat_genes = FlatGenes(group_sizes, gene_names)
        block = snn_block if omic_block == "snn" else ReLULayers
        widths = itertools.pairwise([self.flat_genes.n_genes, d, d])
        self.genes = nn.Sequential(*(block(a, b, dropout=dropout) for a, b in widths))
        options = {"shrink": (scale_dim1, scale_dim2), "gated": (gate_path, gate_omic), "dropout": dropout}
        if fusion == "bilinear":
            self.fuse = BilinearFusion(d, hidden=fusion_hidden, skip=skip, end_dropout=0.0, **options)
        else:
            self.fuse = ConcatFusion(d) if fusion == "concat" else LowRankFusion(d, n_bins, rank=rank, **options)
        self.head = nn.Identity() if fusion == "lowrank" else nn.Linear(d, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        bags.need_patches("porpoise")
        patches = self.project(self.drop_input(for_products(bags.values)))
        scores = self.attend(patches)
        weights = bags.softmax(scores)
        pooled = bags.weighted_sum(weights[:, None].to(patches.dtype), patches)[:, 0]
        patch, gene = self.narrow(pooled), self.genes(self.flat_genes(inputs.omics))
        details = {"patches": patches, "attention_logits": scores, "patch": patch, "gene": gene}
        if isinstance(self.fuse, ConcatFusion):
            fused = self.fuse(patch, gene)
        else:
            details["gated_patch"], details["gated_gene"] = sides = self.fuse.sides(patch, gene)
            fused = self.fuse.join(patch, gene, *sides)
        if not isinstance(self.fuse, LowRankFusion):
            details["fused"] = fused
        return Output(self.head(fused), attention={"patches": weights}, details=details)
