"""What slides, genes and covariates each add to a patient's log risk, beside those of other patients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from prognoscope.core.batch import Inputs
from prognoscope.explanation.log_risk import log_risks
from prognoscope.models.base import SurvivalModel

WORDS = {"bag": "slides", "omics": "genes", "clinical": "covariates"}


@dataclass(frozen=True, slots=True)
class ModalityWorth:
    """What one modality adds to a patient's log risk."""

    modality: str
    shapley: float  # exact; over all modalities they add up to the log risk minus the mean of others'
    without: float  # the log risk minus the mean of what it is with this modality of other patients


def modality_worths(
    model: SurvivalModel, own: Inputs, others: Sequence[Inputs], *, most_patches: int
) -> list[ModalityWorth]:
    """Shapley values of the modalities, and counterfactuals without each.

    A modality that is taken away is that of another patient instead, the mean over `others`: so no bag is empty, and
    nothing is asked of a model that it never saw. What the patient lacks, where the model can do without, adds nothing.

    Source: Lundberg, Lee: A unified approach to interpreting model predictions. NeurIPS 2017 (interventional values).
    """
    lacks = _lacking(own)
    needs = [what for what in WORDS if what in model.profile.needs - lacks]
    others = [other for other in others if _lacking(other) <= lacks]
    if not others:
        return []
    subsets = [frozenset(kept) for size in range(len(needs) + 1) for kept in combinations(needs, size)]
    variants = [_mixed(own, other, kept) for kept in subsets for other in others]
    told = log_risks(model, variants, most_patches=most_patches).reshape(len(subsets), len(others)).mean(axis=1)
    value = dict(zip(subsets, told, strict=True))
    everything = frozenset(needs)
    worths = []
    for what in needs:
        shapley = 0.0
        for kept in (each for each in subsets if what not in each):
            weight = math.factorial(len(kept)) * math.factorial(len(needs) - len(kept) - 1) / math.factorial(len(needs))
            shapley += weight * (value[kept | {what}] - value[kept])
        without = value[everything] - value[everything - {what}]
        worths.append(ModalityWorth(WORDS[what], float(shapley), float(without)))
    return worths


def _mixed(own: Inputs, other: Inputs, kept: frozenset[str]) -> Inputs:
    """The patient with these modalities; the rest of another one."""
    parts = {"bag": "bags", "omics": "omics", "clinical": "clinical"}
    return Inputs(*(getattr(own if what in kept else other, name) for what, name in parts.items()))


def _lacking(inputs: Inputs) -> set[str]:
    """What one patient has not."""
    lacks = {"bag"} if not len(inputs.bags.values) else set[str]()
    return lacks | {"omics" for group in inputs.omics if group.isnan().any()}
