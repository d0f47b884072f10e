"""The scale on which explanations are told: the log risk, whatever the model's head."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel

UNIT = "log risk"  # a difference of 0.7 doubles the hazard


def log_risk(output: Output) -> Float[Tensor, " P"]:
    """The log hazard ratio of a model that has one; else the mean over bins of the log cumulative hazard.

    Where hazards are proportional, -log S of one patient is that of another times the hazard ratio at all times, so
    that differences of this mean are log hazard ratios too. It falls where any S rises.
    """
    if output.log_hazard_ratio is not None:
        return output.log_hazard_ratio
    cumulative = (-output.log_survival).clamp(min=torch.finfo(torch.float32).tiny)
    return cumulative.log().mean(dim=1)


def joined(parts: Sequence[Inputs]) -> Inputs:
    """Several patients' inputs as one."""
    first, bags = parts[0], [each.bags for each in parts]
    coords = [each.coords for each in bags if each.coords is not None]
    together = Bags(
        torch.cat([each.values for each in bags]),
        torch.cat([each.lengths for each in bags]),
        torch.cat(coords) if len(coords) == len(bags) else None,
    )
    omics = tuple(torch.cat(groups) for groups in zip(*(each.omics for each in parts), strict=True))
    clinical = [each.clinical for each in parts if each.clinical is not None]
    return Inputs(together, omics, None if first.clinical is None else torch.cat(clinical))


@torch.no_grad()
def log_risks(model: SurvivalModel, variants: Sequence[Inputs], *, most_patches: int) -> Float[np.ndarray, " V"]:
    """The log risk of each of these patients, of whom as many go through the model at once as a pass may hold."""
    said: list[np.ndarray] = []
    waiting: list[Inputs] = []
    patches = 0
    for one in (*variants, None):
        if waiting and (one is None or patches + len(one.bags.values) > most_patches):
            said.append(log_risk(model(joined(waiting))).double().cpu().numpy())
            waiting, patches = [], 0
        if one is not None:
            waiting.append(one)
            patches += len(one.bags.values)
    return np.concatenate(said) if said else np.zeros(0)


def with_patches(inputs: Inputs, rows: Tensor) -> Inputs:
    """One patient with these patches alone, in their order."""
    bags = inputs.bags
    coords = None if bags.coords is None else bags.coords[rows]
    return Inputs(Bags(bags.values[rows], torch.tensor([len(rows)]), coords), inputs.omics, inputs.clinical)


def with_genes(inputs: Inputs, omics: tuple[Tensor, ...]) -> Inputs:
    """The same patients with other genes."""
    return Inputs(inputs.bags, omics, inputs.clinical)
