"""Bags of one length as one batch: dense work on packed bags of unequal lengths without padding."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.bags import Bags

TOGETHER = 1024  # longer bags fill a processor alone, and what lies between stays in its cache


def map_by_length(bags: Bags, function: Callable[[Float[Tensor, "B n D"]], Tensor]) -> Float[Tensor, "_ H"]:
    """The rows that `function`, (B, n, D) -> (B, r, H), gives of each bag, packed in the order of the bags.

    It is called once for each length among the bags, and for each bag of more than `TOGETHER` patches.
    """
    same_length: dict[object, list[int]] = {}
    for i, n in enumerate(bags.lengths.tolist()):
        same_length.setdefault(n if n <= TOGETHER else (n, i), []).append(i)
    if len(same_length) == 1:
        return function(bags.values.unflatten(0, (len(bags), -1))).flatten(0, 1)
    parts = bags.split(bags.values)
    mapped: dict[int, Tensor] = {}
    for members in same_length.values():
        together = parts[members[0]][None] if len(members) == 1 else torch.stack([parts[i] for i in members])
        mapped |= zip(members, function(together), strict=True)
    return torch.cat([mapped[i] for i in range(len(bags))])
