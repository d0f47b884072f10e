"""The encoder of TransMIL and CMTA: a class token, two Nystrom layers, and on bags a code of position between them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.nystrom import NystromLayer
from prognoscope.models.layers.ppeg import PPEG, side_of_square


class NystromEncoder(nn.Module):
    """A summary of each sequence, and its tokens encoded.

    Args:
        dim: Width of a token.
        square: Fill each sequence up to a square with copies of its first tokens, and code positions with PPEG.
        final_norm: Normalise what comes out.
        options: Of the two `NystromLayer`s.
    """

    def __init__(self, dim: int, *, square: bool = False, final_norm: bool = True, **options):
        super().__init__()
        self.class_token = nn.Parameter(torch.randn(1, 1, dim) * 1e-6)  # of the shape in published checkpoints
        self.layer1 = NystromLayer(dim, **options)
        self.ppeg = PPEG(dim) if square else None
        self.layer2 = NystromLayer(dim, **options)
        self.norm = nn.LayerNorm(dim) if final_norm else nn.Identity()

    def forward(self, bags: Bags, maps: list[Tensor] | None = None) -> tuple[Float[Tensor, "P D"], Bags]:
        """The class tokens, and the others, with the copies where sequences were squared.

        Args:
            maps: Gets, for each layer, how much the class token draws on each of the others, a column a head.
        """
        tokens = self._first_layer(bags, maps)
        values = self.norm(self._layer(self.layer2, tokens, maps))
        parts = [part.split([1, len(part) - 1]) for part in tokens.split(values)]
        others = tokens.join([part[1] for part in parts])
        return torch.cat([part[0] for part in parts]), Bags(others, tokens.lengths - 1)

    def summary(self, bags: Bags, maps: list[Tensor] | None = None) -> Float[Tensor, "P D"]:
        """The class tokens alone, for which the second layer costs far less."""
        return self.norm(self._layer(self.layer2, self._first_layer(bags, maps), maps, first_only=True))

    def _first_layer(self, bags: Bags, maps: list[Tensor] | None) -> Bags:
        pieces, token = [], self.class_token[0].to(bags.values.dtype)
        lengths = bags.lengths.tolist()
        copies = [0] * len(lengths) if self.ppeg is None else [side_of_square(n) ** 2 - n for n in lengths]
        for part, more in zip(bags.split(bags.values), copies, strict=True):
            pieces += [token, part, part[:more]]
        tokens = Bags(torch.cat(pieces), bags.lengths + torch.tensor(copies) + 1)
        tokens = tokens.replace(self._layer(self.layer1, tokens, maps))
        return tokens if self.ppeg is None else tokens.replace(self.ppeg(tokens))

    def _layer(
        self, layer: NystromLayer, tokens: Bags, maps: list[Tensor] | None, **options: bool
    ) -> Float[Tensor, "_ D"]:
        if maps is None:
            return layer(tokens, **options)
        rows: list[Tensor] = []
        values = layer(tokens, rows=rows, **options)
        maps.append(torch.cat([part[1:] for part in tokens.split(rows[0])]))  # without what it draws on itself
        return values


def class_attention(rows: Float[Tensor, "T h"], bags: Bags) -> Float[Tensor, " T"]:
    """How much a class token draws on each patch, whatever the sign, sums to 1 within each patient."""
    magnitude = rows.abs().mean(dim=1) + torch.finfo(rows.dtype).tiny
    return magnitude / bags.sum(magnitude)[bags.owner]


def start_xavier(module: nn.Module) -> None:
    """CMTA's start of linear layers: Xavier normal, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
