"""The mean over the patches of a bag, then one hazard per time bin: the simplest bag model.

A comparator of CMTA (Zhou, Chen. ICCV 2023) and CCL; as "AvgPool" of MCTI (MICCAI 2024).
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.models.explained import Kind
from prognoscope.models.layers.pooling import PooledBags
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.meanmil.card import CARD


class MeanMIL(PooledBags):
    """Averages patches, after embedding them ("paper") or before ("released").

    Explains with `output.attention["patches"]`, (T,), which is uniform within a patient. Linear in T.
    Details: `slide` (P, H), and of "paper" also `patches` (T, H) and `contributions` (T, K), which add up to a
    patient's logits without the head's bias.

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        variant: "paper" projects patches in two layers and averages them; "released" is MCTI's `AvgPoolMLP`, which
            averages the raw embeddings and projects the mean in three layers.
        widths: Of the layers; 256 each by default.
        dropout: Rate after each layer.
    """

    card = CARD
    patch_maps: ClassVar = {
        "interval": Kind(
            "contributions", "What the patch adds to the hazard of this time interval.", "logit of the hazard", "bins"
        )
    }

    def pool(self, bags: Bags) -> Float[Tensor, "P H"]:
        return bags.mean(bags.values)

    @torch.no_grad()
    def explained(self, bags: Bags, pooled: Float[Tensor, "P H"]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        uniform = (1 / bags.lengths.clamp(min=1).to(pooled.device, at_least_float32(pooled).dtype))[bags.owner]
        details = {} if self.pools_first else {"contributions": uniform[:, None] * (bags.values @ self.head.weight.T)}
        return {"patches": uniform}, details
