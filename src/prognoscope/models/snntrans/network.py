"""A token for each gene group, and a small transformer over the tokens: the gene half of CMTA.

A comparator of CMTA (Zhou, Chen. ICCV 2023), G-HANet and CCL; no code was published.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import SHARE, Kind
from prognoscope.models.layers.nystrom_encoder import NystromEncoder, start_xavier
from prognoscope.models.layers.ppeg import fold_copies
from prognoscope.models.layers.projection import MODEL_SIZES, GeneGroups, as_bags
from prognoscope.models.options import check_choices
from prognoscope.models.snntrans.card import CARD

CHOICES = {
    "encoder": ("genomics", "transmil"),
    "model_size": tuple(MODEL_SIZES),
    "attention": ("nystrom", "exact"),
}


class SNNTrans(SurvivalModel):
    """Self-normalising blocks make a token of each gene group; the class token of an encoder over them predicts.

    Six groups have 7 of 128 keys in the Nystrom attention, the rest are zeros, so its layers work mostly through their
    residual and the convolution along the groups: their order matters, and maps say little. Details: `g` (P, d), and
    `tokens` (P, S, d), the groups encoded, with the copies that squaring appends to them.

    Args:
        group_sizes: Genes in each of the S gene groups.
        n_bins: K, the number of time bins.
        encoder: "genomics", CMTA's for genes; or "transmil", G-HANet's wording, which squares the groups and codes
            their positions.
        model_size: Widths of the gene networks, "small" or "large".
        d: Width of a token.
        gene_hidden: Widths inside the gene networks, instead of those of `model_size`.
        heads, landmarks, steps, kernel: Of the Nystrom attention; d / 2 landmarks by default.
        attention: "exact" is ordinary attention in sequences of at most `landmarks` tokens; else "nystrom".
        dropout: Rate in the gene networks.
        attention_dropout: Rate at the output of a Nystrom attention.
    """

    card = CARD
    group_scores: ClassVar = {
        "class_token": Kind(
            "class_token",
            "How much the class token draws on the gene group, the mean over heads; may be negative.",
            SHARE,
        )
    }

    def __init__(
        self,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        encoder: str = "genomics",
        model_size: str = "small",
        d: int = 256,
        gene_hidden: Sequence[int] | None = None,
        heads: int = 8,
        landmarks: int | None = None,
        steps: int = 6,
        kernel: int = 33,
        attention: str = "nystrom",
        dropout: float = 0.25,
        attention_dropout: float = 0.1,
    ):
        super().__init__()
        check_choices("snntrans", {"encoder": encoder, "model_size": model_size, "attention": attention}, CHOICES)
        hidden = MODEL_SIZES[model_size][1] if gene_hidden is None else gene_hidden
        self.genes = GeneGroups(group_sizes, hidden, d, dropout)
        self.gene_encoder = NystromEncoder(
            d,
            square=encoder == "transmil",
            heads=heads,
            landmarks=landmarks,
            steps=steps,
            kernel=kernel,
            dropout=attention_dropout,
            exact=attention == "exact",
        )
        self.head = nn.Linear(d, n_bins)
        self.apply(start_xavier)

    def forward(self, inputs: Inputs) -> Output:
        return self._predict(inputs, None)

    @torch.no_grad()
    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        """How much the class token draws on each gene group, a head a column: "layer1" and "layer2", (P, S, heads).

        What it draws on copies that squaring made is the group's. Entries may be negative. "class_token" (P, S): of the
        last layer, the mean over heads.
        """
        rows: list[Tensor] = []
        self._predict(inputs, rows)
        groups = as_bags(torch.empty(len(inputs), len(inputs.omics), 0))
        folded = (fold_copies(each, groups) for each in rows)
        layers = {f"layer{i}": each.unflatten(0, (len(inputs), -1)) for i, each in enumerate(folded, start=1)}
        return layers | {"class_token": list(layers.values())[-1].mean(dim=2)}

    def _predict(self, inputs: Inputs, rows: list[Tensor] | None) -> Output:
        g, tokens = self.gene_encoder(as_bags(self.genes(inputs.omics)), rows)
        details = {"g": g, "tokens": tokens.values.unflatten(0, (len(inputs), -1))}
        return Output(self.head(g), details=details)
