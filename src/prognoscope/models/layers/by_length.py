"""Bags of one length as one batch: dense work on packed bags of unequal lengths without padding."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.bags import Bags

TOGETHER = 1024  # longer bags fill a processor alone, and what lies between stays in its cache


def map_by_length(bags: Bags, function: Callable[[Float[Tensor, "B n D"]], Tensor]) -> Float[Tensor, "_ H"]:
    """The rows that `function`, (B, n, D) -> (B, r, H), gives of each bag, packed in the order of the bags.

    It is called once for each length among the bags, and for each bag of more than `TOGETHER` patches.
    """
    groups = _same_length(bags)
    if len(groups) == 1:
        return function(bags.values.unflatten(0, (len(bags), -1))).flatten(0, 1)
    parts = bags.split(bags.values)
    dense = (torch.stack([parts[i] for i in each]) if each[1:] else parts[each[0]][None] for each in groups)
    return in_order(bags, map(function, dense))


def in_order(bags: Bags, found: Iterable[Tensor]) -> Float[Tensor, "_ H"]:
    """What successive calls of `map_by_length` found, (B, r, H) each, packed in the order of the bags."""
    of_bag: dict[int, Tensor] = {}
    for members, each in zip(_same_length(bags), found, strict=True):
        of_bag |= zip(members, each, strict=True)
    return torch.cat([of_bag[i] for i in range(len(bags))])


def _same_length(bags: Bags) -> list[list[int]]:
    """The bags of each call, by their places."""
    groups: dict[object, list[int]] = {}
    for i, n in enumerate(bags.lengths.tolist()):
        groups.setdefault(n if n <= TOGETHER else (n, i), []).append(i)
    return list(groups.values())
