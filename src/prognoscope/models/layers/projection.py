"""Patches and gene groups as tokens of one width, as CMTA and its relatives project them."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.errors import InputError, ModelError
from prognoscope.models.layers.snn import snn_block

MODEL_SIZES = {  # widths between a patch and its token, and between a group and its token
    "small": (256, (1024,)),
    "large": (512, (1024, 1024, 1024)),
}


class GeneGroups(nn.ModuleList):
    """A token for each gene group, from a self-normalising network of its own."""

    def __init__(self, group_sizes: Sequence[int], hidden: Sequence[int], dim: int, dropout: float):
        if not group_sizes or min(group_sizes) < 1:
            raise ModelError(f"Every gene group needs at least one gene, and there must be one, not {group_sizes}.")
        self.group_sizes = tuple(group_sizes)
        widths = [*hidden, dim]
        super().__init__(
            nn.Sequential(*(snn_block(a, b, dropout) for a, b in itertools.pairwise([size, *widths])))
            for size in group_sizes
        )

    def forward(self, omics: tuple[Float[Tensor, "P _"], ...]) -> Float[Tensor, "P S D"]:
        need_groups(omics, self.group_sizes)
        return torch.stack([network(group) for network, group in zip(self, omics, strict=True)], dim=1)


def need_groups(omics: tuple[Float[Tensor, "P _"], ...], group_sizes: tuple[int, ...]) -> None:
    """Refuse other gene groups than a model was made for.

    Raises:
        InputError: Their numbers of genes differ.
    """
    if (sizes := tuple(group.shape[1] for group in omics)) != group_sizes:
        raise InputError(f"The model reads gene groups of {group_sizes} genes, not of {sizes}.")


def as_bags(tokens: Float[Tensor, "P S D"]) -> Bags:
    """Equally many tokens of each patient, packed."""
    return Bags(tokens.flatten(0, 1), torch.full((len(tokens),), tokens.shape[1]))
