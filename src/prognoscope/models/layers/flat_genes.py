"""All genes of a patient as one vector."""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.errors import ModelError
from prognoscope.core.genes import kind_of
from prognoscope.models.layers.projection import need_groups


class FlatGenes(nn.Module):
    """The columns of all gene groups end to end, each once: a gene in two groups is seen once.

    Args:
        group_sizes: Genes in each gene group.
        gene_names: Their columns, by which repeated ones are known; without, no two are taken for the same.
        kinds: Only columns of these kinds (`core.genes.kind_of`; "" has no ending); by default all.

    Raises:
        ModelError: Sizes and names differ, or no column is of the kinds.
    """

    kept: Tensor
    group: Tensor  # of each column, the first that has it

    def __init__(
        self,
        group_sizes: Sequence[int],
        gene_names: Sequence[Sequence[str]] = (),
        *,
        kinds: Collection[str] | None = None,
    ):
        super().__init__()
        self.group_sizes = tuple(group_sizes)
        if gene_names and tuple(map(len, gene_names)) != self.group_sizes:
            raise ModelError(f"{tuple(map(len, gene_names))} gene names do not fit groups of {self.group_sizes} genes.")
        names = [name for group in gene_names for name in group] or list(map(str, range(sum(group_sizes))))
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        kept = [place for place, name in enumerate(names) if first[name] == place]
        if kinds is not None:
            kept = [place for place in kept if kind_of(names[place]) in kinds]
        if not kept:
            raise ModelError(f"There is no gene column of kind {' or '.join(map(repr, kinds or ()))}.")
        self.n_genes = len(kept)
        self.is_whole = self.n_genes == len(names)
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        groups = torch.arange(len(self.group_sizes)).repeat_interleave(torch.tensor(self.group_sizes))
        self.register_buffer("group", groups[self.kept], persistent=False)

    def forward(self, omics: tuple[Float[Tensor, "P _"], ...]) -> Float[Tensor, "P G"]:
        need_groups(omics, self.group_sizes)
        together = torch.cat(omics, dim=1)
        return together if self.is_whole else together[:, self.kept]
