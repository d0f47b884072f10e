"""A code of position for a sequence laid out as a square image, and how a bag becomes a square.

Shao et al.: TransMIL, NeurIPS 2021. The grid is the order of the patches, not the tissue's geometry.
"""

from math import isqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.by_length import map_by_length
from prognoscope.models.layers.precision import at_least_float32


def side_of_square(n: int) -> int:
    """The smallest s with s * s >= n."""
    return isqrt(n - 1) + 1


def fold_copies(values: Float[Tensor, "U *rest"], bags: Bags) -> Float[Tensor, "T *rest"]:
    """What each patch of `bags` has after squaring, with what its copy has added to it."""
    folded = without_copies(values, bags).clone()
    parts = values.split(_lengths_after(values, bags))
    for n, part, sums in zip(bags.lengths.tolist(), parts, bags.split(folded), strict=True):
        sums[: len(part) - n] += part[n:]
    return folded


def without_copies(values: Float[Tensor, "U *rest"], bags: Bags) -> Float[Tensor, "T *rest"]:
    """What each patch of `bags` has after squaring."""
    parts = values.split(_lengths_after(values, bags))
    return torch.cat([part[:n] for n, part in zip(bags.lengths.tolist(), parts, strict=True)])


def _lengths_after(values: Tensor, bags: Bags) -> list[int]:
    """Squares, unless there are as many values as patches: then nothing was copied."""
    lengths = bags.lengths.tolist()
    return lengths if len(values) == len(bags.values) else [side_of_square(n) ** 2 for n in lengths]


class PPEG(nn.Module):
    """Depthwise convolutions of 7, 5 and 3 on the square image of each sequence, added to it; the class token stays.

    The three are one 7 x 7 kernel.

    Args:
        dim: Width of a token.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.conv7, self.conv5, self.conv3 = (nn.Conv2d(dim, dim, k, padding=k // 2, groups=dim) for k in (7, 5, 3))

    def forward(self, bags: Bags) -> Float[Tensor, "T D"]:
        """New tokens of sequences of 1 + s * s tokens, the class token first."""
        kernel = self.conv7.weight + F.pad(self.conv5.weight, [1] * 4) + F.pad(self.conv3.weight, [2] * 4)
        seven, five, three = (self.get_parameter(f"conv{k}.bias") for k in (7, 5, 3))
        bias = seven + five + three

        def convolve(x: Float[Tensor, "B n D"]) -> Float[Tensor, "B n D"]:
            side = isqrt(x.shape[1] - 1)
            image = x[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)  # channels last, which is fast
            with torch.autocast("cpu", enabled=False):  # where the backward pass in bf16 takes twice as long
                wide = at_least_float32(image) if x.device.type == "cpu" else image
                image = image + F.conv2d(wide, kernel, bias, padding=3, groups=len(bias)).to(x.dtype)
            return torch.cat([x[:, :1], image.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

        return map_by_length(bags, convolve)
