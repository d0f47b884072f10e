"""What the log risk would be without a region of the slides or a gene group: asking again, true of any model."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from prognoscope.core.batch import Inputs
from prognoscope.explanation.log_risk import log_risks, with_genes, with_patches
from prognoscope.models.base import SurvivalModel

MOST_REGIONS = 49  # of a patient; each costs a look at nearly all patches
WIDER = 1.25  # a side of regions that gives too many of them grows by this


def gene_group_effects(model: SurvivalModel, inputs: Inputs, *, most_patches: int) -> Float[np.ndarray, " S"]:
    """For each gene group, one patient's log risk minus that with the group zero, the average of standardised genes."""
    variants = [inputs]
    for left_out in range(len(inputs.omics)):
        groups = tuple(torch.zeros_like(g) if i == left_out else g for i, g in enumerate(inputs.omics))
        variants.append(with_genes(inputs, groups))
    whole, *without = log_risks(model, variants, most_patches=most_patches)
    return whole - np.array(without)


def region_effects(
    model: SurvivalModel, inputs: Inputs, regions: Int[np.ndarray, " N"], *, most_patches: int
) -> Float[np.ndarray, " N"] | None:
    """For each patch of one patient, the log risk minus that without its region; None if there is but one."""
    numbers = np.unique(regions)
    if len(numbers) < 2:
        return None
    kept = [torch.from_numpy(np.flatnonzero(regions != number)).to(inputs.bags.values.device) for number in numbers]
    variants = [inputs, *(with_patches(inputs, rows) for rows in kept)]
    whole, *without = log_risks(model, variants, most_patches=most_patches)
    effect = whole - np.array(without)
    return effect[np.searchsorted(numbers, regions)]


def regions_of(inputs: Inputs, slides: Sequence[tuple[str, int, int]]) -> Int[np.ndarray, " N"]:
    """The number of each patch's region: a patch, or a square of a slide where there are many patches.

    Without coordinates, patches that lie beside each other along the first principal axis of the embeddings.

    Args:
        slides: Id, first row and last row + 1 of each in the bag.
    """
    count = len(inputs.bags.values)
    if count <= MOST_REGIONS:
        return np.arange(count)
    if inputs.bags.coords is None:
        values = inputs.bags.values.double()
        centred = values - values.mean(dim=0)
        axis = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
        rank = (centred @ axis).argsort().argsort().cpu().numpy()
        return rank * MOST_REGIONS // count
    coords = inputs.bags.coords.double().cpu().numpy()
    parts = [coords[first:last] for _, first, last in slides if last > first]
    areas = [float(np.prod(np.ptp(part, axis=0) + 1)) for part in parts]
    side = float(np.sqrt(sum(areas) / MOST_REGIONS))
    while True:
        cells = [np.floor((part - part.min(axis=0)) / side).astype(np.int64) for part in parts]
        numbered = [np.column_stack([np.full(len(each), i), each]) for i, each in enumerate(cells)]
        found, regions = np.unique(np.concatenate(numbered), axis=0, return_inverse=True)
        if len(found) <= max(MOST_REGIONS, len(parts)):
            return regions.reshape(-1)
        side *= WIDER
