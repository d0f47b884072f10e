"""A bag and all genes as one short vector each, for methods that were made for fixed vectors."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.errors import InputError
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.layers.snn import snn_block

POOLINGS = ("gated", "mean")
HIDDEN = 256  # width of a projected patch, of the attention's branches and of the gene network


class BagVector(nn.Module):
    """Patches projected, pooled within each patient, narrowed and normalised; beside it the weight of each patch.

    Args:
        pooling: "gated" attention, or the "mean".
    """

    def __init__(self, embedding_dim: int, dim: int, *, pooling: str = "gated", dropout: float = 0.25):
        super().__init__()
        self.project = ReLULayers(embedding_dim, HIDDEN, dropout=dropout)
        self.attend = GatedAttention(HIDDEN, HIDDEN) if pooling == "gated" else None
        self.end = nn.Sequential(nn.Linear(HIDDEN, dim), nn.LayerNorm(dim))

    def forward(self, bags: Bags) -> tuple[Float[Tensor, "P dim"], Float[Tensor, " T"]]:
        patches = self.project(bags.values)
        if self.attend is None:
            lengths = bags.lengths.to(patches.device)[bags.owner]
            return self.end(bags.mean(patches)), at_least_float32(torch.ones_like(patches[:, 0])) / lengths
        weights = bags.softmax(self.attend(patches))
        return self.end(bags.weighted_sum(weights[:, None].to(patches.dtype), patches)[:, 0]), weights


class GeneVector(nn.Sequential):
    """A self-normalising network of two blocks, narrowed and normalised, (P, G) -> (P, dim)."""

    def __init__(self, n_genes: int, dim: int, *, dropout: float = 0.25):
        blocks = (snn_block(n_genes, HIDDEN, dropout), snn_block(HIDDEN, HIDDEN, dropout))
        super().__init__(*blocks, nn.Linear(HIDDEN, dim), nn.LayerNorm(dim))


class OneRow(nn.Module):
    """The only row of each bag, as it is: for cohorts that come with one vector a patient."""

    def forward(self, bags: Bags) -> tuple[Float[Tensor, "P D"], Float[Tensor, " T"]]:
        if other := int((bags.lengths != 1).sum()):
            raise InputError(
                f"{other} of {len(bags)} patients have not exactly one row of values, as inputs='vectors' needs. "
                "Give a table with one vector a patient, or leave inputs out."
            )
        return bags.values, torch.ones_like(bags.values[:, 0])
