"""Low-rank products of two vectors, and the normalisation over patients that follows them in HFBSurv."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.models.layers.dropout import drop
from prognoscope.models.layers.precision import at_least_float32


def factorised_product(
    a: Float[Tensor, "P _"], b: Float[Tensor, "P _"], rank: int, dropout: float = 0.0
) -> Float[Tensor, "P o"]:
    """Sums of `rank` neighbouring products, their signed square roots, scaled to length 1 in each patient.

    Source: Yu et al.: Multi-modal factorized bilinear pooling with co-attention learning. ICCV 2017.
    """
    product = drop(at_least_float32(a) * at_least_float32(b), dropout)
    sums = product.unflatten(1, (-1, rank)).sum(dim=2)
    return F.normalize(sums.relu().sqrt() - (-sums).relu().sqrt(), dim=1, eps=1e-12)  # each root has slope 0 at 0


class PatientNorm(nn.BatchNorm1d):
    """Batch normalisation that uses the running statistics for a patient alone, also in training."""

    def forward(self, x: Float[Tensor, "P H"]) -> Float[Tensor, "P H"]:
        if len(x) > 1 or not self.training:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
