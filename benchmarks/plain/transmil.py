"""TransMIL as a survival model, of one patient."""

import math

import torch
from torch import Tensor, nn

from benchmarks.plain.losses import nll
from benchmarks.plain.nystrom import PPEG, TransLayer


class TransMIL(nn.Module):
    """Two Nystrom layers over all tokens with the position code between them; the class token predicts."""

    def __init__(self, embedding_dim: int, n_bins: int, d: int = 512):
        super().__init__()
        self._fc1 = nn.Sequential(nn.Linear(embedding_dim, d), nn.ReLU())
        self.cls_token = nn.Parameter(torch.randn(1, 1, d))
        self.layer1, self.pos_layer, self.layer2, self.norm = TransLayer(d), PPEG(d), TransLayer(d), nn.LayerNorm(d)
        self._fc2 = nn.Linear(d, n_bins)

    def forward(self, bag: Tensor) -> dict[str, Tensor]:
        """bag (N, D)."""
        x = self._fc1(bag)[None]
        side = math.isqrt(len(bag) - 1) + 1
        x = torch.cat([self.cls_token, x, x[:, : side * side - len(bag)]], dim=1)
        slide = self.norm(self.layer2(self.pos_layer(self.layer1(x), side)))[:, 0]
        return {"slide": slide, "logits": self._fc2(slide)}

    def loss(self, bag: Tensor, genes: object, label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag)["logits"], label, censored)
