"""Two streams over the patches of a bag: the best patch of each time bin, and all patches seen from it.

Li, Li, Eliceiri: Dual-stream multiple instance learning network for whole slide image classification. CVPR 2021.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import SurvivalModel
from prognoscope.models.dsmil.card import CARD
from prognoscope.models.explained import ATTENTION, SHARE, Kind
from prognoscope.models.layers.dsmil import DSMIL as DualStream
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.options import check_choices

VARIANTS = ("paper", "mcti")


class DSMIL(SurvivalModel):
    """A linear score of every patch chooses a critical patch per bin; attention from it pools the bag.

    The paper classifies bags; here its classes are the K time bins, and both streams have the likelihood as loss, with
    the weights of the paper's two losses. Linear in T.

    Explains with `attention`: "per_bin" (T, K), sums to 1 within a patient and bin; "patches" (T,), its mean over bins
    weighted by their hazards. Details: `patch_logits` (T, K), `critical` (P, K), the row among all T of each bin's
    critical patch, its logits `max_logits` (P, K), `bag_logits` (P, K) and `pooled` (P, K, D).

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        variant: "paper" is the original code; "mcti" the copy in MCTI's code, with a linear query, queries and values
            of unit length, and a layer after pooling.
        query_dim: Width of a query.
        nonlinear: Two layers make a query, as in the original code; one, as in the paper's text and always in "mcti".
        passing_v: Values are learned; otherwise they are the embeddings.
        dropout_v: Rate before the layer that makes values.
        average: Predict the mean of both streams' hazards, not those of the bag alone.
    """

    card = CARD
    patch_maps = ATTENTION | {
        "interval": Kind("per_bin", "How much of the attention for this time interval the patch gets.", SHARE, "bins")
    }

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        variant: str = "paper",
        query_dim: int = 128,
        nonlinear: bool = True,
        passing_v: bool = False,
        dropout_v: float = 0.0,
        average: bool = False,
    ):
        super().__init__()
        check_choices("dsmil", {"variant": variant}, {"variant": VARIANTS})
        self.average = average
        self.streams = DualStream(
            embedding_dim,
            n_bins,
            query_dim=query_dim,
            nonlinear=nonlinear and variant == "paper",
            passing_v=passing_v,
            dropout_v=dropout_v,
            variant=variant,
            start="orthogonal",
        )

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        bags.need_patches("dsmil")
        streams = self.streams(bags)
        logits = streams.bag_logits
        if self.average:
            logits = logit_of_mean_chance(logits, streams.max_logits)
        share = F.logsigmoid(at_least_float32(logits.detach())).softmax(dim=1)[
            bags.owner
        ]  # of a bin's hazard in their sum
        patches = (streams.attention.detach() * share).sum(dim=1)
        details = {name: getattr(streams, name) for name in ("patch_logits", "critical", "max_logits", "bag_logits")}
        return Output(
            logits,
            attention={"patches": patches, "per_bin": streams.attention},
            details=details | {"pooled": streams.pooled},
        )

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        both = (output.details[name] for name in ("bag_logits", "max_logits"))
        of_bag, of_best = (discrete_nll(each, target, alpha=alpha) for each in both)
        return (of_bag + of_best) / 2


def logit_of_mean_chance(a: Float[Tensor, "P K"], b: Float[Tensor, "P K"]) -> Float[Tensor, "P K"]:
    """The logit of the mean of two chances, given by their logits; exact where chances round to 0 or 1."""
    a, b = at_least_float32(a), at_least_float32(b)
    return torch.logaddexp(F.logsigmoid(a), F.logsigmoid(b)) - torch.logaddexp(F.logsigmoid(-a), F.logsigmoid(-b))
