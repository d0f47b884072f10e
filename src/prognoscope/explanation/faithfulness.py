"""Whether a map of patches says what the model does: deletion and insertion, shuffled weights, other folds, the truth.

Source of deletion and insertion: Petsiuk, Das, Saenko: RISE. BMVC 2018. Of shuffled weights: Adebayo et al.: Sanity
checks for saliency maps. NeurIPS 2018.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Bool, Float

from prognoscope.core.batch import Inputs
from prognoscope.core.distributions import ranks_of
from prognoscope.evaluation.classification import auroc
from prognoscope.explanation.explanation import PatchScores
from prognoscope.explanation.log_risk import log_risks, with_patches
from prognoscope.models.base import SurvivalModel

SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # of the patches, that are deleted or inserted
RANDOM_ORDERS = 5
Measures = list[tuple[str, str, float]]  # map, measure, value


def curves(model: SurvivalModel, inputs: Inputs, maps: Iterable[PatchScores], *, most_patches: int) -> Measures:
    """How far the log risk moves when the patches that a map ranks highest are deleted, or are all that is there.

    Of a map about zero, "deletion_area" is the mean fall of the log risk over `SHARES` of patches deleted from the
    highest value on, and "insertion_area" its mean rise over the whole bag's when they alone are there. Of other maps,
    which do not say in which direction a patch works, both are mean absolute changes: large after deletion and small
    after insertion is faithful. "random_..." are the same of random orders.
    """
    count = len(inputs.bags.values)
    if count < 2:
        return []
    sizes = sorted({min(max(round(share * count), 1), count - 1) for share in SHARES})
    rng = np.random.default_rng(0)
    orders = [rng.permutation(count) for _ in range(RANDOM_ORDERS)]
    found, maps = [], [each for each in maps if np.ptp(each.values) > 0]
    orders += [np.argsort(-each.values, kind="stable") for each in maps]
    variants = [with_patches(inputs, _rows(order[size:], inputs)) for order in orders for size in sizes]
    variants += [with_patches(inputs, _rows(order[:size], inputs)) for order in orders for size in sizes]
    whole, *told = log_risks(model, [inputs, *variants], most_patches=most_patches)
    deleted, inserted = np.array(told).reshape(2, len(orders), len(sizes)) - whole
    for i, each in enumerate(maps, start=RANDOM_ORDERS):
        for what, change, sign in (("deletion_area", deleted, -1), ("insertion_area", inserted, 1)):
            moved = sign * change if each.is_signed else np.abs(change)
            found.append((each.name, what, float(moved[i].mean())))
            found.append((each.name, f"random_{what}", float(moved[:RANDOM_ORDERS].mean())))
    return found


def shuffled(model: SurvivalModel, seed: int) -> SurvivalModel:
    """The same network with the entries of each parameter shuffled: it has unlearned all but how large they are."""
    other = deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        learned = [*other.parameters()] or [each for each in other.buffers() if each.is_floating_point()]
        for parameter in learned:  # what is solved at once keeps in buffers what it learned
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return other


def agreement(measure: str, maps: Iterable[PatchScores], others: Sequence[Iterable[PatchScores]]) -> Measures:
    """The mean rank correlation of each map with those of the same name that other models gave."""
    named = [{each.name: each.values for each in other} for other in others]
    found = []
    for each in maps:
        values = [_correlation(each.values, other[each.name]) for other in named if each.name in other]
        known = [value for value in values if np.isfinite(value)]
        if known:
            found.append((each.name, measure, float(np.mean(known))))
    return found


def against_truth(maps: Iterable[PatchScores], truth: Mapping[str, Bool[np.ndarray, " N"]]) -> Measures:
    """The AUROC of each map for each kind of patch; of a map about zero, that of how far it is from zero.

    Args:
        truth: What is told apart -> whether each patch is of it.
    """
    found = []
    for each in maps:
        values = np.abs(each.values) if each.is_signed else each.values
        for what, is_it in truth.items():
            if 0 < is_it.sum() < len(is_it):
                probability = np.column_stack([-values, values])
                found.append((each.name, f"auroc_{what}", auroc(probability, label=is_it.astype(np.int64))))
    return found


def _correlation(one: Float[np.ndarray, " N"], other: Float[np.ndarray, " N"]) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(ranks_of(one), ranks_of(other))[0, 1])


def _rows(order: np.ndarray, inputs: Inputs) -> torch.Tensor:
    return torch.from_numpy(np.sort(order)).to(inputs.bags.values.device)
