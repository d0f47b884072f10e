"""ABMIL and the mean, as they are commonly written."""

import torch
from torch import Tensor, nn

from benchmarks.plain.attention import Gate, layer
from benchmarks.plain.losses import nll


class ABMIL(nn.Module):
    """One bag, attention as a row, a softmax over it."""

    def __init__(self, embedding_dim: int, n_bins: int, width: int = 512, hidden: int = 256):
        super().__init__()
        self.attention_net = nn.Sequential(*layer(embedding_dim, width), Gate(width, hidden))
        self.rho = layer(width, hidden)
        self.classifier = nn.Linear(hidden, n_bins)

    def forward(self, bag: Tensor) -> dict[str, Tensor]:
        """bag (N, D)."""
        scores, patches = self.attention_net(bag)
        attention = torch.softmax(scores.T, dim=1)
        return {"attention": attention, "logits": self.classifier(self.rho(attention @ patches))}

    def loss(self, bag: Tensor, genes: object, label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag)["logits"], label, censored)


class MeanMIL(nn.Module):
    """Two layers on every patch, and their mean."""

    def __init__(self, embedding_dim: int, n_bins: int):
        super().__init__()
        self.embed = nn.Sequential(*layer(embedding_dim, 256), *layer(256, 256))
        self.head = nn.Linear(256, n_bins)

    def forward(self, bag: Tensor) -> Tensor:
        return self.head(self.embed(bag).mean(dim=0, keepdim=True))

    def loss(self, bag: Tensor, genes: object, label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag), label, censored)
