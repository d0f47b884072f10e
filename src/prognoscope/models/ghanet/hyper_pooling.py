"""Bags pooled by what genes point at and by what the slide itself shows, as G-HANet does it.

Wang et al.: Histo-genomic knowledge distillation for cancer prognosis from histopathology whole slide images.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.attention import GatedAttention


class HyperPooling(nn.Module):
    """Bags pooled once per token: by the patches with its largest scores, and by a gated attention of all.

    Args:
        dim: D, the width of a patch.
        attention_dim: The width of the gated attention's two branches.
        ratio: The share of a patient's patches that a token selects.
        morphology: False leaves the gated attention out.
    """

    def __init__(self, dim: int, attention_dim: int, ratio: float, *, morphology: bool = True):
        super().__init__()
        self.ratio = ratio
        self.gate = GatedAttention(dim, attention_dim) if morphology else None
        self.refine = nn.Sequential(
            *(nn.Linear(dim, dim), nn.LayerNorm(dim), nn.ReLU()), *(nn.Linear(dim, dim), nn.LayerNorm(dim), nn.ReLU())
        )

    def forward(
        self, patches: Bags, f2: Float[Tensor, "P G D"], association: Float[Tensor, "T G"]
    ) -> tuple[Float[Tensor, "P G D"], dict[str, Tensor], dict[str, Tensor]]:
        """The pooled patches, the weights as explanations, and the selection; the scores get no gradient."""
        with torch.no_grad():
            selected = self._select(patches, association)
            genomic = patches.softmax(association.masked_fill(~selected, -torch.inf))
        attention = {"genomic": genomic, "hyper": genomic}
        if self.gate is not None:
            attention["morphology"] = patches.softmax(self.gate(patches.values))
            attention["hyper"] = (attention["morphology"][:, None] + genomic) / 2
        return self.pooled(patches, attention["hyper"]), attention, {"topk_mask": selected}

    def pooled(self, patches: Bags, weights: Float[Tensor, "T G"]) -> Float[Tensor, "P G D"]:
        """The patches summed with these weights, and refined."""
        z = patches.weighted_sum(weights.to(patches.values.dtype), patches.values)
        return self.refine(z) + z

    def _select(self, bags: Bags, scores: Float[Tensor, "T G"]) -> Bool[Tensor, "T G"]:
        """Which patches are among the largest of their patient, the same share of each; ties all stay."""
        kept = [max(1, int(self.ratio * n)) for n in bags.lengths.tolist()]
        parts = zip(bags.split(scores), kept, strict=True)
        smallest = torch.stack([part.kthvalue(len(part) - k + 1, dim=0).values for part, k in parts])
        return scores >= smallest[bags.owner]
