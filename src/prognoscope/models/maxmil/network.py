"""The maximum over the patches of a bag, channel by channel, then one hazard per time bin.

A comparator of CMTA (Zhou, Chen. ICCV 2023) and CCL; as "MaxPool" in the code of MCTI (MICCAI 2024).
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.models.explained import SHARE, Kind
from prognoscope.models.layers.nystrom_encoder import class_attention
from prognoscope.models.layers.pooling import PooledBags
from prognoscope.models.maxmil.card import CARD


class MaxMIL(PooledBags):
    """Takes each channel's largest value, of embedded patches ("paper") or of raw ones ("released").

    Explains, in evaluation mode, with `output.attention["patches"]`, (T,): the magnitudes of the weights that read the
    channels a patch wins, its share of them. A channel that is zero in every patch has no winner. Linear in T.
    Details: `slide` (P, H); of "paper" also `patches` (T, H); in evaluation mode `winners` (P, C), the row, among all
    T, of each channel's largest value, the first of equals.

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        variant: "paper" projects patches in two layers and takes their maximum; "released" is MCTI's `MaxPoolMLP`,
            which takes the maximum of the raw embeddings and projects it in three layers.
        widths: Of the layers; 256 each by default.
        dropout: Rate after each layer.
    """

    card = CARD
    patch_maps: ClassVar = {
        "attention": Kind("patches", "How much the features count that are largest in this patch.", SHARE)
    }

    def forward(self, inputs: Inputs) -> Output:
        inputs.bags.need_patches("maxmil")
        return super().forward(inputs)

    def pool(self, bags: Bags) -> Float[Tensor, "P H"]:
        return bags.max(bags.values)

    @torch.no_grad()
    def explained(self, bags: Bags, pooled: Float[Tensor, "P H"]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if self.training:
            return {}, {}
        winners = bags.argmax(bags.values)
        reader = self.get_parameter("embed.0.0.weight") if self.pools_first else self.head.weight
        won = reader.abs().sum(dim=0) * (pooled != 0)  # (P, C)
        weights = won.new_zeros(len(bags.values), 1).index_add(0, winners.flatten(), won.view(-1, 1))
        return {"patches": class_attention(weights, bags)}, {"winners": winners}
