"""The simplest bag models: a plain statistic over patches between, or before, a few layers."""

import itertools
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.layers.nystrom_encoder import start_xavier
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.options import check_choices

VARIANTS = ("paper", "released")


class PooledBags(SurvivalModel):
    """Patches embedded and pooled ("paper"), or pooled and embedded ("released"), then one hazard per time bin.

    A subclass says how bags are pooled, and what explains it; `MeanMIL` tells the arguments.
    """

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        variant: str = "paper",
        widths: Sequence[int] | None = None,
        dropout: float = 0.25,
    ):
        super().__init__()
        check_choices(type(self).__name__.lower(), {"variant": variant}, {"variant": VARIANTS})
        self.pools_first = variant == "released"
        dims = [embedding_dim, *(widths or ((256,) * (3 if self.pools_first else 2)))]
        blocks = (ReLULayers(a, b, dropout=dropout) for a, b in itertools.pairwise(dims))
        self.embed = nn.Sequential(*blocks)
        self.head = nn.Linear(dims[-1], n_bins)
        if not self.pools_first:
            self.apply(start_xavier)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags if self.pools_first else inputs.bags.replace(self.embed(inputs.bags.values))
        pooled = self.pool(bags)
        slide = self.embed(pooled) if self.pools_first else pooled
        attention, details = self.explained(bags, pooled)
        details |= {"slide": slide} | ({} if self.pools_first else {"patches": bags.values})
        return Output(self.head(slide), attention=attention, details=details)

    def pool(self, bags: Bags) -> Float[Tensor, "P H"]:
        """One vector a patient."""
        raise TypeError(f"{type(self).__name__} does not say how to pool.")

    def explained(self, bags: Bags, pooled: Float[Tensor, "P H"]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Attention and details of the bags that were pooled."""
        return {}, {}
