"""SurvPath, of one patient, with its sparse attention."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.plain.attention import snn
from benchmarks.plain.losses import nll


class SparseAttention(nn.Module):
    """Pathways attend to all tokens, patches to pathways."""

    def __init__(self, d: int):
        super().__init__()
        self.to_qkv = nn.Linear(d, 3 * (d // 2), bias=False)

    def forward(self, tokens: Tensor, n_pathways: int) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.to_qkv(tokens).chunk(3, dim=1)
        q = q / math.sqrt(q.shape[1])
        of_pathways = torch.softmax(q[:n_pathways] @ k.T, dim=1)
        of_patches = torch.softmax(q[n_pathways:] @ k[:n_pathways].T, dim=1)
        return torch.cat([of_pathways @ v, of_patches @ v[:n_pathways]]), of_pathways, of_patches


class CrossAttender(nn.Module):
    """Attention after a norm, without a residual."""

    def __init__(self, d: int):
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(d), SparseAttention(d)

    def forward(self, tokens: Tensor, n_pathways: int) -> tuple[Tensor, Tensor, Tensor]:
        return self.attn(self.norm(tokens), n_pathways)


class FeedForward(nn.Module):
    """Two layers after a norm, without a residual."""

    def __init__(self, e: int):
        super().__init__()
        self.norm = nn.LayerNorm(e)
        self.net = nn.Sequential(nn.Linear(e, e), nn.GELU(), nn.Dropout(0.1), nn.Linear(e, e))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.net(self.norm(tokens))


class SurvPath(nn.Module):
    """A network a pathway, one after the other; the means of pathways and of patches predict."""

    def __init__(self, embedding_dim: int, group_sizes: Sequence[int], n_bins: int, d: int = 256):
        super().__init__()
        self.sig_networks = nn.ModuleList(nn.Sequential(snn(size, d), snn(d, d)) for size in group_sizes)
        self.wsi_projection_net = nn.Sequential(nn.Linear(embedding_dim, d))
        self.cross_attender, self.feed_forward = CrossAttender(d), FeedForward(d // 2)
        self.layer_norm = nn.LayerNorm(d // 2)
        self.to_logits = nn.Sequential(nn.Linear(d, d // 4), nn.ReLU(), nn.Linear(d // 4, n_bins))

    def forward(self, bag: Tensor, genes: Sequence[Tensor]) -> dict[str, Tensor]:
        """bag (N, D), a vector a pathway."""
        pathways = torch.stack([net(group) for net, group in zip(self.sig_networks, genes, strict=True)])
        tokens, n = torch.cat([pathways, self.wsi_projection_net(bag)]), len(pathways)
        attended, of_pathways, of_patches = self.cross_attender(tokens, n)
        out = self.layer_norm(self.feed_forward(attended))
        embedding = torch.cat([out[:n].mean(dim=0), out[n:].mean(dim=0)])[None]
        maps = {"attn_pathway": of_pathways, "attn_patch": of_patches}
        return {**maps, "attended": attended, "embedding": embedding, "logits": self.to_logits(embedding)}

    def loss(self, bag: Tensor, genes: Sequence[Tensor], label: int, censored: bool, subtype: int) -> Tensor:
        return nll(self(bag, genes)["logits"], label, censored) * (0.5 if censored else 1.0)
