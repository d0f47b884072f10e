"""Hundreds of small networks, one a pathway, as a few batched products."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.errors import ModelError
from prognoscope.models.layers.dropout import AlphaDropout
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.projection import need_groups


class PathwayNetworks(nn.Module):
    """A token for each gene group, from two blocks of Linear, ELU and AlphaDropout of its own.

    The groups' first layers lie end to end, a row a gene, so that nothing is stored or learnt for a gene that is not
    there. Groups of at most 1, 2, 4, 8 ... genes are padded to that length and multiplied together.

    Args:
        group_sizes: Genes in each of the S gene groups.
        dim: d, the width of a token and of the layer before it.
        dropout: Rate of AlphaDropout after each block.
    """

    order: Tensor

    def __init__(self, group_sizes: Sequence[int], dim: int, dropout: float = 0.25):
        super().__init__()
        if not group_sizes or min(group_sizes) < 1:
            raise ModelError(f"Every gene group needs at least one gene, and there must be one, not {group_sizes}.")
        self.group_sizes = tuple(group_sizes)
        n, sizes = len(group_sizes), torch.tensor(group_sizes)
        bound = sizes.rsqrt()  # torch's own start of each small layer
        self.first = nn.Parameter(_uniform(int(sizes.sum()), dim) * bound.repeat_interleave(sizes)[:, None])
        self.first_bias = nn.Parameter(_uniform(n, dim) * bound[:, None])
        self.second = nn.Parameter(_uniform(n, dim, dim) * dim**-0.5)
        self.second_bias = nn.Parameter(_uniform(n, dim) * dim**-0.5)
        self.dropout = AlphaDropout(dropout)
        starts = [0, *itertools.accumulate(group_sizes)]
        by_length: dict[int, list[int]] = {}
        for group, size in enumerate(group_sizes):
            by_length.setdefault(1 << (size - 1).bit_length(), []).append(group)
        beyond = starts[-1]  # the place of a gene of value zero
        for length, members in by_length.items():
            rows = [[starts[s] + g if g < group_sizes[s] else beyond for g in range(length)] for s in members]
            self.register_buffer(f"rows_{length}", torch.tensor(rows), persistent=False)
        self.lengths = tuple(by_length)
        order = torch.tensor([group for members in by_length.values() for group in members])
        self.register_buffer("order", order.argsort(), persistent=False)

    def forward(self, omics: tuple[Float[Tensor, "P _"], ...]) -> Float[Tensor, "P S d"]:
        need_groups(omics, self.group_sizes)
        with torch.autocast(omics[0].device.type, enabled=False):  # gene values are rounded by bf16
            genes = at_least_float32(torch.cat(omics, dim=1))
            hidden = self.dropout(F.elu(self._first(genes) + self.first_bias[:, None]))
            tokens = torch.baddbmm(self.second_bias[:, None], hidden, self.second)
            return self.dropout(F.elu(tokens)).transpose(0, 1)

    def _first(self, genes: Float[Tensor, "P G"]) -> Float[Tensor, "S P d"]:
        values = F.pad(genes, (0, 1)).T  # (G + 1, P), the last row zero
        parts = []
        for length in self.lengths:
            rows = getattr(self, f"rows_{length}")  # (s, length)
            weight = F.embedding(rows.clamp(max=len(self.first) - 1), self.first)  # a row too far meets a zero
            parts.append(values[rows].transpose(1, 2) @ weight)
        return torch.cat(parts)[self.order]


def _uniform(*shape: int) -> Tensor:
    return torch.empty(shape).uniform_(-1, 1)
