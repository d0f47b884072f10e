"""How much tokens of groups of patches weigh, and what of it falls on each patch; the definitions are ours."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from prognoscope.core.bags import Bags


def shared_evenly(of_slot: Float[Tensor, "P k"], slot: Int[Tensor, " T"], bags: Bags) -> Float[Tensor, " T"]:
    """The weight of each slot that has patches, in equal parts for them: sums to 1 within a patient."""
    place = bags.owner * of_slot.shape[1] + slot
    n = of_slot.new_zeros(of_slot.numel()).index_add_(0, place, of_slot.new_ones(len(slot)))
    weight = of_slot * (n > 0).view_as(of_slot)
    weight = weight / weight.sum(dim=1, keepdim=True)
    return (weight.flatten() / n.clamp(min=1))[place]


def influence(components: Float[Tensor, "P Q d"], tokens: Float[Tensor, "P m d"]) -> Float[Tensor, "P Q m"]:
    """|token . d(half the squared length of a component)/d token|, as shares; zero where it does not depend on any."""
    scores = []
    for each in components.unbind(1):
        (gradient,) = torch.autograd.grad(
            each.square().sum() / 2, tokens, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        scores.append((gradient * tokens.detach()).sum(dim=2).abs())
    stacked = torch.stack(scores, dim=1)
    return stacked / stacked.sum(dim=2, keepdim=True).clamp(min=1e-12)


def mean_by(values: Float[Tensor, " T"], place: Int[Tensor, " T"], n: int) -> Float[Tensor, " T"]:
    """Of each entry, the mean of those at the same place."""
    total, count = (values.new_zeros(n).index_add_(0, place, each) for each in (values, torch.ones_like(values)))
    return (total / count)[place]
