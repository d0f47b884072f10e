"""Patches and genes reweight each other's features; a slide vector then guides the attention over patches.

Li et al.: Multi-modal multi-instance learning using weakly correlated histopathological images and tabular clinical
information. MICCAI 2021. The form for survival is that of the MCTI comparison (MICCAI 2024).
"""

import torch
import torch.nn.functional as F
from torch import nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.flat_genes import FlatGenes
from prognoscope.models.layers.snn import snn_block
from prognoscope.models.m3if.card import CARD
from prognoscope.models.options import check_choices


class M3IF(SurvivalModel):
    """One gate, from genes and the mean patch, weighs the features of both; gated patches are pooled by attention.

    The slide vector that guides the attention carries no gradient there. Linear in T, with 4 D x D layers a patch.

    Explains with `attention`: "patches" (T,). Details: `attention_logits` (T,), `patches` (T, D), the tuned patches;
    `genes` (P, t); `global_gate` (P, D) and `tab_gate` (P, t); `global_gated` (P, D) and `tab_gated` (P, t), what they
    leave of the mean patch and of the genes; `fused` (P, t + 2D).

    Args:
        embedding_dim: D, the length of a patch embedding, which stays a patch's width.
        group_sizes: Genes in each gene group; all of them are one vector, each column once.
        n_bins: K, the number of time bins.
        gene_names: Columns of each gene group, by which a gene of two groups is known.
        d: t, the width of the genes.
        img_layers: Of the network on every patch.
        gate_ratio: The gate's inner width is twice that of genes and patch together, divided by this.
        head_activation: Between the two layers of the head: None as published, or "relu".
        dropout: Rate of AlphaDropout in the gene network.
        head_dropout: Rate between the layers of the head.
    """

    card = CARD

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        gene_names: tuple[tuple[str, ...], ...] = (),
        *,
        d: int = 256,
        img_layers: int = 4,
        gate_ratio: float = 4.0,
        head_activation: str | None = None,
        dropout: float = 0.25,
        head_dropout: float = 0.5,
    ):
        super().__init__()
        check_choices("m3if", {"head_activation": head_activation}, {"head_activation": (None, "relu")})
        squeezed = int(2 * (d + embedding_dim) / gate_ratio) if gate_ratio > 0 else 0
        if squeezed < 1:
            raise ModelError(f"m3if's gate has no width left with gate_ratio={gate_ratio}. Give a smaller one above 0.")
        self.flat = FlatGenes(group_sizes, gene_names)
        self.genes = nn.Sequential(snn_block(self.flat.n_genes, d, dropout), snn_block(d, d, dropout))
        tune = ((nn.Linear(embedding_dim, embedding_dim), nn.LeakyReLU()) for _ in range(img_layers))
        self.tune = nn.Sequential(*(layer for pair in tune for layer in pair))
        self.squeeze = nn.Linear(d + embedding_dim, squeezed)
        self.gate_genes = nn.Linear(squeezed, d)
        self.gate_patches = nn.Linear(squeezed, embedding_dim)
        self.end_genes = nn.Linear(d, d)
        self.attend = nn.Linear(2 * embedding_dim, embedding_dim)
        self.score = nn.Linear(embedding_dim, 1)
        self.act = nn.LeakyReLU()
        width = d + 2 * embedding_dim
        between = [nn.ReLU()] if head_activation == "relu" else []
        self.widen = nn.Sequential(nn.Linear(width, width), *between, Dropout(head_dropout))
        self.head = nn.Linear(width, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        bags.need_patches("m3if")
        genes = self.genes(self.flat(inputs.omics))
        patches = self.tune(bags.values)
        mean = bags.mean(patches)
        squeezed = self.squeeze(torch.cat([genes, mean], dim=1)).relu()
        tab_gate, global_gate = self.gate_genes(squeezed).sigmoid(), self.gate_patches(squeezed).sigmoid()
        tab_gated, global_gated = genes * tab_gate, mean * global_gate
        gate_of_patch = global_gate.to(patches.dtype)[bags.owner]
        of_patch, of_slide = self.attend.weight.chunk(2, dim=1)  # the slide's part is computed once a patient
        guide = F.linear(global_gated.detach(), of_slide, self.attend.bias)
        hidden = self.act(F.linear(patches * gate_of_patch, of_patch) + guide[bags.owner])
        logits = self.score(hidden)[:, 0]
        weights = bags.softmax(logits)
        pooled = (
            bags.weighted_sum(weights[:, None].to(patches.dtype), patches)[:, 0] * global_gate
        )  # gate after pooling
        fused = torch.cat([self.end_genes(tab_gated), pooled, global_gated], dim=1)
        details = {
            "attention_logits": logits,
            "patches": patches,
            "genes": genes,
            "global_gate": global_gate,
            "tab_gate": tab_gate,
            "global_gated": global_gated,
            "tab_gated": tab_gated,
            "fused": fused,
        }
        return Output(self.head(self.widen(fused)), attention={"patches": weights}, details=details)
