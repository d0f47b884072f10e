"""CMTA in its released variant, of one patient."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.plain.attention import snn
from benchmarks.plain.losses import nll
from benchmarks.plain.nystrom import PPEG, TransLayer


class BagCoder(nn.Module):
    """Encoder or decoder of patches: squared, two layers with the position code between them."""

    def __init__(self, d: int):
        super().__init__()
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, d))
        self.layer1, self.pos_layer, self.layer2, self.norm = TransLayer(d), PPEG(d), TransLayer(d), nn.LayerNorm(d)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        side = math.isqrt(x.shape[1] - 1) + 1
        x = torch.cat([self.cls_token, x, x[:, : side * side - x.shape[1]]], dim=1)
        x = self.norm(self.layer2(self.pos_layer(self.layer1(x), side)))
        return x[:, 0], x[:, 1:]


class GeneCoder(nn.Module):
    """Encoder or decoder of gene groups: two layers."""

    def __init__(self, d: int):
        super().__init__()
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, d))
        self.layer1, self.layer2, self.norm = TransLayer(d), TransLayer(d), nn.LayerNorm(d)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(self.layer2(self.layer1(torch.cat([self.cls_token, x], dim=1))))
        return x[:, 0], x[:, 1:]


class CMTA(nn.Module):
    """Small model, concatenation, L1 alignment."""

    def __init__(self, embedding_dim: int, group_sizes: Sequence[int], n_bins: int, d: int = 256, hidden: int = 1024):
        super().__init__()
        self.pathomics_fc = nn.Sequential(
            *(nn.Linear(embedding_dim, d), nn.ReLU(), nn.Dropout(0.25)),
            *(nn.Linear(d, d), nn.ReLU(), nn.Dropout(0.25)),
        )
        self.genomics_fc = nn.ModuleList(nn.Sequential(snn(size, hidden), snn(hidden, d)) for size in group_sizes)
        self.pathomics_encoder, self.pathomics_decoder = BagCoder(d), BagCoder(d)
        self.genomics_encoder, self.genomics_decoder = GeneCoder(d), GeneCoder(d)
        self.P_in_G_Att = nn.MultiheadAttention(d, 1, batch_first=True)
        self.G_in_P_Att = nn.MultiheadAttention(d, 1, batch_first=True)
        self.mm = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU())
        self.classifier = nn.Linear(d, n_bins)

    def forward(self, bag: Tensor, genes: Sequence[Tensor]) -> dict[str, Tensor]:
        """bag (N, D), a vector a gene group."""
        patches = self.pathomics_fc(bag)[None]
        groups = torch.stack([net(group) for net, group in zip(self.genomics_fc, genes, strict=True)])[None]
        p, patches = self.pathomics_encoder(patches)
        g, groups = self.genomics_encoder(groups)
        patch_content, _ = self.P_in_G_Att(patches, groups, groups)
        group_content, _ = self.G_in_P_Att(groups, patches, patches)
        p_hat, _ = self.pathomics_decoder(patch_content)
        g_hat, _ = self.genomics_decoder(group_content)
        fused = self.mm(torch.cat([(p + p_hat) / 2, (g + g_hat) / 2], dim=1))
        return {"p": p, "p_hat": p_hat, "g": g, "g_hat": g_hat, "fused": fused, "logits": self.classifier(fused)}

    def loss(self, bag: Tensor, genes: Sequence[Tensor], label: int, censored: bool, subtype: int) -> Tensor:
        out = self(bag, genes)
        alignment = (out["p"].detach() - out["p_hat"]).abs().mean() + (out["g"].detach() - out["g_hat"]).abs().mean()
        return nll(out["logits"], label, censored) + alignment
