"""PORPOISE, of one patient, with its gated outer product."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.plain.attention import Gate, layer, snn
from benchmarks.plain.losses import nll


class GatedProduct(nn.Module):
    """Both sides narrowed and gated by both, their outer product, two layers; the last also sees both sides."""

    def __init__(self, d: int, shrink: tuple[int, int], hidden: int):
        super().__init__()
        r1, r2 = (d // each for each in shrink)
        self.linear_h1, self.linear_h2 = (nn.Sequential(nn.Linear(d, r), nn.ReLU()) for r in (r1, r2))
        self.linear_z1, self.linear_z2 = (nn.Sequential(nn.Linear(2 * d, r)) for r in (r1, r2))
        self.linear_o1, self.linear_o2 = layer(r1, r1), layer(r2, r2)
        self.dropout = nn.Dropout(0.25)
        self.encoder1 = nn.Sequential(nn.Linear((r1 + 1) * (r2 + 1), hidden), nn.ReLU())
        self.encoder2 = nn.Sequential(nn.Linear(hidden + 2 * d, d), nn.ReLU())

    def forward(self, path: Tensor, omic: Tensor) -> Tensor:
        both, one = torch.cat([path, omic], dim=1), path.new_ones(1, 1)
        o1 = self.linear_o1(torch.sigmoid(self.linear_z1(both)) * self.linear_h1(path))
        o2 = self.linear_o2(torch.sigmoid(self.linear_z2(both)) * self.linear_h2(omic))
        o1, o2 = torch.cat([o1, one], dim=1), torch.cat([o2, one], dim=1)
        product = self.dropout((o1[:, :, None] @ o2[:, None]).flatten(1))
        return self.encoder2(torch.cat([self.encoder1(product), path, omic], dim=1))


class PORPOISE(nn.Module):
    """Gated attention over patches, whose input drops out too, and two layers on all genes."""

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: Sequence[int],
        n_bins: int,
        width: int = 512,
        d: int = 256,
        shrink: tuple[int, int] = (8, 8),
        hidden: int = 256,
    ):
        super().__init__()
        self.attention_net = nn.Sequential(nn.Dropout(0.1), *layer(embedding_dim, width), Gate(width, d))
        self.rho = layer(width, d)
        self.fc_omic = nn.Sequential(snn(sum(group_sizes), d), snn(d, d))
        self.mm = GatedProduct(d, shrink, hidden)
        self.classifier_mm = nn.Linear(d, n_bins)

    def forward(self, bag: Tensor, genes: Sequence[Tensor]) -> dict[str, Tensor]:
        """bag (N, D), a vector a gene group."""
        scores, patches = self.attention_net(bag)
        attention = torch.softmax(scores.T, dim=1)
        path, omic = self.rho(attention @ patches), self.fc_omic(torch.cat(list(genes))[None])
        fused = self.mm(path, omic)
        return {"attn": attention, "fused": fused, "logits": self.classifier_mm(fused)}

    def loss(self, bag: Tensor, genes: Sequence[Tensor], label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag, genes)["logits"], label, censored)
