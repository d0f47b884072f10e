"""A transformer for the bag and one for the gene groups, fused at the end: CMTA without translation and alignment.

A comparator of CMTA (Zhou, Chen. ICCV 2023) and of CCL; no code was published.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.dualtrans.card import CARD
from prognoscope.models.layers.fusion import ConcatFusion
from prognoscope.models.layers.nystrom_encoder import NystromEncoder, class_attention, start_xavier
from prognoscope.models.layers.ppeg import fold_copies
from prognoscope.models.layers.projection import MODEL_SIZES, GeneGroups, as_bags
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.options import check_choices

FUSIONS = ("concat", "transformer")


class DualTrans(SurvivalModel):
    """The class tokens of CMTA's two encoders, fused into one vector. The order of patches matters. Linear in T.

    Explains, in evaluation mode, with `output.attention["patches"]`, (T,): the magnitude of the class token's row in
    the bag encoder's last map. Details: `p`, `g` and `fused`, all (P, d).

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each of the S gene groups.
        n_bins: K, the number of time bins.
        fusion: "concat", two layers as in CMTA's comparison; or "transformer", a third encoder over the two summaries,
            our reading of CCL's, which prints the same C-indices.
        model_size: Widths of the projections, "small" or "large".
        d: Width of a token.
        patch_hidden, gene_hidden: Width and widths inside the projections, instead of those of `model_size`.
        heads, landmarks, steps, kernel: Of the Nystrom attention; d / 2 landmarks by default.
        final_norm: Normalise what an encoder returns.
        attention: "exact" is ordinary attention in sequences of at most `landmarks` tokens; else "nystrom".
        dropout: Rate in the projections.
        attention_dropout: Rate at the output of a Nystrom attention.
    """

    card = CARD

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        fusion: str = "concat",
        model_size: str = "small",
        d: int = 256,
        patch_hidden: int | None = None,
        gene_hidden: Sequence[int] | None = None,
        heads: int = 8,
        landmarks: int | None = None,
        steps: int = 6,
        kernel: int = 33,
        final_norm: bool = True,
        attention: str = "nystrom",
        dropout: float = 0.25,
        attention_dropout: float = 0.1,
    ):
        super().__init__()
        choices = {"fusion": FUSIONS, "model_size": MODEL_SIZES, "attention": ("nystrom", "exact")}
        given = {"fusion": fusion, "model_size": model_size, "attention": attention}
        check_choices("dualtrans", given, choices)
        widths = MODEL_SIZES[model_size]
        self.project = ReLULayers(embedding_dim, patch_hidden or widths[0], d, dropout=dropout)
        self.genes = GeneGroups(group_sizes, widths[1] if gene_hidden is None else gene_hidden, d, dropout)
        options = {
            "final_norm": final_norm,
            "heads": heads,
            "landmarks": landmarks,
            "steps": steps,
            "kernel": kernel,
            "dropout": attention_dropout,
            "exact": attention == "exact",
        }
        self.patch_encoder = NystromEncoder(d, square=True, **options)
        self.gene_encoder = NystromEncoder(d, **options)
        self.fuse = ConcatFusion(d) if fusion == "concat" else TransformerFusion(d, **options)
        self.head = nn.Linear(d, n_bins)
        self.apply(start_xavier)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        bags.need_patches("dualtrans")
        rows: list[Tensor] | None = None if self.training else []
        p = self.patch_encoder.summary(bags.replace(self.project(bags.values)), rows)
        groups = self.genes(inputs.omics)
        g = self.gene_encoder.summary(as_bags(groups))
        fused = self.fuse(p, g)
        attention = {} if rows is None else {"patches": class_attention(fold_copies(rows[-1], bags), bags)}
        return Output(self.head(fused), attention=attention, details={"p": p, "g": g, "fused": fused})


class TransformerFusion(nn.Module):
    """Both summaries as tokens of a third encoder."""

    def __init__(self, dim: int, **options):
        super().__init__()
        self.encoder = NystromEncoder(dim, **options)

    def forward(self, a: Float[Tensor, "P d"], b: Float[Tensor, "P d"]) -> Float[Tensor, "P d"]:
        return self.encoder.summary(as_bags(torch.stack([a, b], dim=1)))
