"""MCAT, of one patient, with its late fusion by concatenation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.plain.attention import Gate, layer, snn
from benchmarks.plain.losses import nll


class MCAT(nn.Module):
    """Gene groups ask the patches; a transformer and a gated pooling for each side."""

    def __init__(
        self, embedding_dim: int, group_sizes: Sequence[int], n_bins: int, d: int = 256, feed_forward: int = 512
    ):
        super().__init__()
        self.wsi_net = layer(embedding_dim, d)
        self.sig_networks = nn.ModuleList(nn.Sequential(snn(size, d), snn(d, d)) for size in group_sizes)
        self.coattn = nn.MultiheadAttention(d, 1)
        self.path_transformer, self.omic_transformer = (
            nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 8, feed_forward, 0.25), 2, enable_nested_tensor=False)
            for _ in range(2)
        )
        self.path_attention_head, self.omic_attention_head = Gate(d, d), Gate(d, d)
        self.path_rho, self.omic_rho = layer(d, d), layer(d, d)
        self.mm = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU())
        self.classifier = nn.Linear(d, n_bins)

    def forward(self, bag: Tensor, genes: Sequence[Tensor]) -> dict[str, Tensor]:
        """bag (N, D), a vector a gene group."""
        patches = self.wsi_net(bag)[:, None]
        groups = torch.stack([net(group) for net, group in zip(self.sig_networks, genes, strict=True)])[:, None]
        guided, coattention = self.coattn(groups, patches, patches)
        path = pooled(self.path_attention_head, self.path_transformer(guided)[:, 0])
        omic = pooled(self.omic_attention_head, self.omic_transformer(groups)[:, 0])
        fused = self.mm(torch.cat([self.path_rho(path), self.omic_rho(omic)], dim=1))
        return {"coattn": coattention[0], "fused": fused, "logits": self.classifier(fused)}

    def loss(self, bag: Tensor, genes: Sequence[Tensor], label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag, genes)["logits"], label, censored)


def pooled(gate: Gate, tokens: Tensor) -> Tensor:
    """One row of all."""
    scores, tokens = gate(tokens)
    return torch.softmax(scores.T, dim=1) @ tokens
