"""DSMIL as a survival model, of one patient."""

import math

import torch
from torch import Tensor, nn

from benchmarks.plain.losses import nll


class InstanceStream(nn.Module):
    """A linear score of every patch for every bin."""

    def __init__(self, embedding_dim: int, n_bins: int):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(embedding_dim, n_bins))

    def forward(self, bag: Tensor) -> tuple[Tensor, Tensor]:
        return bag, self.fc(bag)


class BagStream(nn.Module):
    """Attention from the best patch of each bin to all patches."""

    def __init__(self, embedding_dim: int, n_bins: int, query_dim: int):
        super().__init__()
        self.q = nn.Sequential(
            nn.Linear(embedding_dim, query_dim), nn.ReLU(), nn.Linear(query_dim, query_dim), nn.Tanh()
        )
        self.fcc = nn.Conv1d(n_bins, n_bins, embedding_dim)

    def forward(self, bag: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        queries, best = self.q(bag), bag[scores.argmax(dim=0)]
        attention = torch.softmax(queries @ self.q(best).T / math.sqrt(queries.shape[1]), dim=0)  # (N, K)
        pooled = attention.T @ bag
        return self.fcc(pooled[None])[:, :, 0], attention, pooled


class DSMIL(nn.Module):
    """Both streams, each with the likelihood as loss."""

    def __init__(self, embedding_dim: int, n_bins: int, query_dim: int = 128):
        super().__init__()
        self.i_classifier = InstanceStream(embedding_dim, n_bins)
        self.b_classifier = BagStream(embedding_dim, n_bins, query_dim)

    def forward(self, bag: Tensor) -> dict[str, Tensor]:
        """bag (N, D)."""
        patches, scores = self.i_classifier(bag)
        logits, attention, pooled = self.b_classifier(patches, scores)
        best = scores.amax(dim=0)[None]
        return {"max_logits": best, "attention": attention, "bag_repr": pooled, "logits": logits}

    def loss(self, bag: Tensor, genes: object, label: int, censored: bool, subtype: int) -> Tensor:
        out = self(bag)
        return (nll(out["logits"], label, censored) + nll(out["max_logits"], label, censored)) / 2
