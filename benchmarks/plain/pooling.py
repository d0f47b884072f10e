"""ABMIL and the mean, as they are commonly written."""

import torch
from torch import Tensor, nn

from benchmarks.plain.losses import nll


class ABMIL(nn.Module):
    """One bag, attention as a row, a softmax over it."""

    def __init__(self, embedding_dim: int, n_bins: int):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(embedding_dim, 512), nn.ReLU(), nn.Dropout(0.25))
        self.a = nn.Sequential(nn.Linear(512, 256), nn.Tanh(), nn.Dropout(0.25))
        self.b = nn.Sequential(nn.Linear(512, 256), nn.Sigmoid(), nn.Dropout(0.25))
        self.c = nn.Linear(256, 1)
        self.narrow = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.25))
        self.head = nn.Linear(256, n_bins)

    def forward(self, bag: Tensor) -> Tensor:
        patches = self.project(bag)
        attention = torch.softmax(self.c(self.a(patches) * self.b(patches)).T, dim=1)
        return self.head(self.narrow(attention @ patches))

    def loss(self, bag: Tensor, genes: object, label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag), label, censored)


class MeanMIL(nn.Module):
    """Two layers on every patch, and their mean."""

    def __init__(self, embedding_dim: int, n_bins: int):
        super().__init__()
        first, second = nn.Linear(embedding_dim, 256), nn.Linear(256, 256)
        self.embed = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.25), second, nn.ReLU(), nn.Dropout(0.25))
        self.head = nn.Linear(256, n_bins)

    def forward(self, bag: Tensor) -> Tensor:
        return self.head(self.embed(bag).mean(dim=0, keepdim=True))

    def loss(self, bag: Tensor, genes: object, label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag), label, censored)
