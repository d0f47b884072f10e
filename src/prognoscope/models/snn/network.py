"""A self-normalising network on one flat vector of genes.

Klambauer, Unterthiner, Mayr, Hochreiter: Self-normalizing neural networks. NeurIPS 2017.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.core.errors import ModelError, nearest
from prognoscope.models.base import SurvivalModel
from prognoscope.models.layers.snn import snn_block
from prognoscope.models.snn.card import CARD

PRESETS = {  # widths of the blocks; whether weights start as normal(0, 1 / sqrt(fan in))
    "mcat_small": ((256, 256, 256, 256), True),
    "mcat_big": ((1024, 1024, 1024, 256), True),
    "mcti_small": ((1024, 64), False),
    "mcti_big": ((256, 256, 256, 256), False),
}


class SNN(SurvivalModel):
    """Linear, ELU and AlphaDropout blocks on all genes of the groups, then one hazard per time bin.

    A gene in two groups is seen twice, as in the published comparisons. Details: `features` (P, H).

    Args:
        group_sizes: Genes in each gene group.
        n_bins: K, the number of time bins.
        preset: Widths and start of the weights: "mcat_small", "mcat_big", "mcti_small" or "mcti_big".
        widths: Of the blocks, instead of the preset's.
        activation: "elu" as in every released code but CCL's, or "selu" as in the paper.
        dropout: Rate of AlphaDropout after every block.
    """

    card = CARD

    def __init__(
        self,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        preset: str = "mcat_small",
        widths: Sequence[int] | None = None,
        activation: Literal["elu", "selu"] = "elu",
        dropout: float = 0.25,
    ):
        super().__init__()
        if preset not in PRESETS:
            raise ModelError(f"snn has no preset {preset!r}; {nearest(preset, PRESETS)}")
        preset_widths, starts_normal = PRESETS[preset]
        dims = [sum(group_sizes), *(preset_widths if widths is None else widths)]
        self.blocks = nn.Sequential(*(snn_block(a, b, dropout, activation) for a, b in itertools.pairwise(dims)))
        self.head = nn.Linear(dims[-1], n_bins)
        if starts_normal:
            self.apply(_start_normal)

    def forward(self, inputs: Inputs) -> Output:
        features = self.blocks(torch.cat(inputs.omics, dim=1))
        return Output(self.head(features), details={"features": features})


def _start_normal(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
