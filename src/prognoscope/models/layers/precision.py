"""How precisely reductions, distances and losses are computed where the rest may be narrower."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """The values in float32, or as they are where they are more precise."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def for_products(values: Tensor) -> Tensor:
    """The values as products read them here: under autocast in its type, once for all products that follow."""
    kind = values.device.type
    if not torch.is_autocast_enabled(kind) or values.dtype == torch.float64:
        return values
    return values.to(torch.get_autocast_dtype(kind))
