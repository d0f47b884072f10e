"""The mean over the patches of a bag, then one hazard per time bin: the simplest bag model.

A comparator of CMTA (Zhou, Chen. ICCV 2023) and CCL; as "AvgPool" of MCTI (MICCAI 2024).
"""

import itertools
from collections.abc import Sequence
from typing import Literal

from torch import nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import Recipe, SurvivalModel


class MeanMIL(SurvivalModel):
    """Averages patches, after embedding them ("paper") or before ("released").

    Explains with `output.attention["patches"]`, (T,), which is uniform within a patient. Linear in T.
    Details: `slide` (P, H), and of "paper" also `patches` (T, H).

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        variant: "paper" projects patches in two layers and averages them; "released" is MCTI's `AvgPoolMLP`, which
            averages the raw embeddings and projects the mean in three layers.
        widths: Of the layers; 256 each by default.
        dropout: Rate after each layer.
    """

    needs = frozenset({"bag"})
    recipe = Recipe(learning_rate=2e-4, weight_decay=1e-5, epochs=20)
    paper = "comparator of Zhou and Chen, ICCV 2023 (no paper of its own)"

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        variant: Literal["paper", "released"] = "paper",
        widths: Sequence[int] | None = None,
        dropout: float = 0.25,
    ):
        super().__init__()
        self.pools_first = variant == "released"
        dims = [embedding_dim, *(widths or ((256,) * (3 if self.pools_first else 2)))]
        blocks = (nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout)) for a, b in itertools.pairwise(dims))
        self.embed = nn.Sequential(*blocks)
        self.head = nn.Linear(dims[-1], n_bins)
        if not self.pools_first:
            self.apply(_start_xavier)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        uniform = {"patches": (1.0 / bags.lengths.clamp(min=1).to(bags.values.device))[bags.owner]}
        if self.pools_first:
            slide = self.embed(bags.mean(bags.values))
            return Output(self.head(slide), attention=uniform, details={"slide": slide})
        patches = self.embed(bags.values)
        slide = bags.mean(patches)
        return Output(self.head(slide), attention=uniform, details={"slide": slide, "patches": patches})


def _start_xavier(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
