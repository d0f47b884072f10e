"""G-HANet in its released variant, of one patient."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.plain.losses import nll


class Attention(nn.Module):
    """Multi-head cross-attention; returns also the scores before the softmax (heads, queries, keys)."""

    def __init__(self, d: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Sequential(nn.Linear(d, d, bias=False))
        self.to_k = nn.Sequential(nn.Linear(d, d, bias=False))
        self.to_v = nn.Linear(d, d, bias=False)
        self.to_out = nn.Linear(d, d)
        self.dropout = nn.Dropout(0.25)

    def forward(self, queries: Tensor, content: Tensor) -> tuple[Tensor, Tensor]:
        parts = (self.to_q(queries), self.to_k(content), self.to_v(content))
        q, k, v = (each.unflatten(1, (self.heads, -1)).transpose(0, 1) for each in parts)
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        mixed = self.dropout(torch.softmax(scores, dim=-1)) @ v
        return self.to_out(mixed.transpose(0, 1).flatten(1)), scores


class GEGLU(nn.Module):
    """The first half of the channels, gated by the second."""

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=-1)
        return a * F.gelu(b)


class FeedForward(nn.Module):
    """Four times as wide inside, gated."""

    def __init__(self, d: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d, 8 * d), GEGLU(), nn.Linear(4 * d, d), nn.Dropout(0.25))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Reconstruction(nn.Module):
    """The cross-modal associating branch: tokens that ask the patches for gene expression."""

    def __init__(self, embedding_dim: int, group_sizes: Sequence[int], d: int, heads: int):
        super().__init__()
        self.wsi_net = nn.Sequential(nn.Linear(embedding_dim, d), nn.ReLU(), nn.Dropout(0.25))
        self.tokens = nn.Parameter(torch.randn(1, len(group_sizes), d))
        self.ln_1, self.ln_2, self.ln_3, self.ln_4, self.ln_5, self.ln_6 = (nn.LayerNorm(d) for _ in range(6))
        self.cross_attention0 = Attention(d, heads)
        self.ffn0, self.ffn1 = FeedForward(d), FeedForward(d)
        self.sig_reconstruct_net = nn.ModuleList(
            nn.Sequential(nn.Linear(d, d), nn.LayerNorm(d), nn.ELU(), nn.Dropout(0.25), nn.Linear(d, size))
            for size in group_sizes
        )

    def forward(self, bag: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        patches, tokens = self.wsi_net(bag), self.tokens[0]
        first, _ = self.cross_attention0(self.ln_1(tokens), self.ln_2(patches))
        first = first + self.ffn0(self.ln_3(first))
        second, scores = self.cross_attention0(self.ln_4(tokens + first), self.ln_2(patches))
        features = self.ln_6(second + self.ffn1(self.ln_5(second)))
        genes = [net(each) for net, each in zip(self.sig_reconstruct_net, features, strict=True)]
        return features, scores.mean(dim=0), genes


class Gate(nn.Module):
    """Gated attention logits (1, N)."""

    def __init__(self, d: int, hidden: int):
        super().__init__()
        self.attention_a = nn.Sequential(nn.Linear(d, hidden), nn.Tanh())
        self.attention_b = nn.Sequential(nn.Linear(d, hidden), nn.Sigmoid())
        self.attention_c = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention_c(self.attention_a(x) * self.attention_b(x)).T


class HyperConv(nn.Module):
    """Two linear layers after pooling, and a residual."""

    def __init__(self, d: int):
        super().__init__()
        self.linear1, self.ln1, self.linear2, self.ln2 = (
            nn.Linear(d, d),
            nn.LayerNorm(d),
            nn.Linear(d, d),
            nn.LayerNorm(d),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        x = torch.relu(self.ln1(self.linear1(pooled)))
        return torch.relu(self.ln2(self.linear2(x))) + pooled


class GHANet(nn.Module):
    """Mean fusion, losses summed over gene groups."""

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: Sequence[int],
        n_bins: int,
        d: int = 512,
        heads: int = 4,
        gate: int = 256,
        compressed: int = 256,
        ratio: float = 0.2,
    ):
        super().__init__()
        self.ratio = ratio
        self.recon_net = Reconstruction(embedding_dim, group_sizes, d, heads)
        self.wsi_net = nn.Sequential(nn.Linear(embedding_dim, d), nn.LayerNorm(d), nn.ReLU(), nn.Dropout(0.25))
        self.gate = Gate(d, gate)
        self.hyperconv1 = HyperConv(d)
        self.attention, self.ln1, self.ffn = Attention(d, heads), nn.LayerNorm(d), FeedForward(d)
        self.butter = nn.Sequential(nn.Linear(d, compressed), nn.LayerNorm(compressed), nn.ReLU(), nn.Dropout(0.25))
        self.classifier = nn.Linear(compressed * len(group_sizes), n_bins)

    def forward(self, bag: Tensor) -> dict[str, Tensor | list[Tensor]]:
        """bag (N, D)."""
        features, association, genes = self.recon_net(bag)
        patches = self.wsi_net(bag)
        morphology = torch.softmax(self.gate(patches), dim=1)
        k = max(1, int(self.ratio * len(bag)))
        least = association.topk(k, dim=1).values[:, -1:]
        genomic = torch.softmax(association + torch.where(association >= least, 0.0, -1e5), dim=1).detach()
        pooled = self.hyperconv1((morphology + genomic) / 2 @ patches)
        fused = (pooled + features) / 2
        fused = fused + self.attention(fused, fused)[0]
        fused = fused + self.ffn(self.ln1(fused))
        logits = self.classifier(self.butter(fused).flatten()[None])
        return {"logits": logits, "assoc": association, "w_genomic": genomic, "genes": genes}

    def loss(self, bag: Tensor, genes: Sequence[Tensor], label: int, censored: bool, subtype: int) -> Tensor:
        out = self(bag)
        total = nll(out["logits"], label, censored)
        for ours, truth in zip(out["genes"], genes, strict=True):
            cosine = F.normalize(ours, dim=0) @ F.normalize(truth, dim=0)
            total = total + 0.3 * ((1 - cosine) ** 3 + F.mse_loss(ours, truth))
        return total
