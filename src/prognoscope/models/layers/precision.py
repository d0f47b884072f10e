"""How precisely reductions, distances and losses are computed where the rest may be narrower."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """The values in float32, or as they are where they are more precise."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
