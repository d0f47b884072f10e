"""MCTI in its released variant, of one patient. Transport is exact, by POT on the CPU."""

from collections.abc import Callable, Sequence

import numpy as np
import ot
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.plain.losses import nll


class Norm(nn.Module):
    """A layer norm, then `fn`."""

    def __init__(self, d: int, fn: nn.Module):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(d), fn

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        return self.fn(self.norm(x), *more)


class FeedForward(nn.Module):
    """As wide inside as outside."""

    def __init__(self, d: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, d))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class SelfAttention(nn.Module):
    """One head."""

    def __init__(self, d: int):
        super().__init__()
        self.qkv, self.proj = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return self.proj(torch.softmax(q @ k.T * x.shape[-1] ** -0.5, dim=-1) @ v)


class AttentionBlock(nn.Module):
    """Twice attention and a feed-forward layer."""

    def __init__(self, d: int, depth: int = 2):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([Norm(d, SelfAttention(d)), Norm(d, FeedForward(d))]) for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for attend, feed in self.layers:
            x = x + attend(x)
            x = x + feed(x)
        return x


class ChannelAttention(nn.Module):
    """Attention between channels, after the `mix` tokens are mixed."""

    def __init__(self, d: int, mix: int):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.proj_v = nn.Linear(mix, mix, bias=False)
        self.rescale = nn.Parameter(torch.ones(1, 1))
        self.proj = nn.Linear(d, d)
        self.pos_emb = nn.Sequential(nn.Linear(d, d, bias=False), nn.GELU(), nn.Linear(d, d, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        v = F.normalize(self.proj_v.weight @ self.to_v(x), dim=1)
        q, k = F.normalize(self.to_q(x), dim=0), F.normalize(self.to_k(x), dim=0)
        attention = torch.softmax(self.rescale * (k.T @ q), dim=-1)
        return self.proj(v @ attention) + self.pos_emb(v)


class TransportAttention(nn.Module):
    """Channel attention whose values are gated by the task tokens that exact transport matches them with."""

    def __init__(self, d: int):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.rescale = nn.Parameter(torch.ones(1, 1, 1))
        self.proj = nn.Linear(d, d)
        self.pos_emb = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, d))

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        q, k, v = self.to_q(x), self.to_k(x), self.to_v(x)
        gated = exact_plan(task, v) @ task * v
        attention = torch.softmax(self.rescale[0] * F.normalize(k, dim=0).T @ F.normalize(q, dim=0), dim=-1)
        return self.proj(gated @ attention.T) + self.pos_emb(v)


@torch.no_grad()
def exact_plan(task: Tensor, values: Tensor) -> Tensor:
    """The plan of least squared distance between the rows of two sets of equal weights, by network simplex."""
    cost = torch.cdist(task.double(), values.double()) ** 2  # the best two plans may differ by less than a float32
    cost = ((cost - cost.mean()) / cost.std(correction=0)).cpu().numpy()
    n = len(cost)
    plan = ot.emd(np.full(n, 1 / n), np.full(n, 1 / n), np.ascontiguousarray(cost), numItermax=1_000_000)
    return torch.from_numpy(plan).to(values.device, values.dtype)


class TransportBlocks(nn.Module):
    """Transport-guided attention and feed-forward layers over one stream, guided by another that stays as it is."""

    def __init__(self, d: int, depth: int):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList([Norm(d, TransportAttention(d)), Norm(d, FeedForward(d))]) for _ in range(depth)
        )

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        for attend, feed in self.blocks:
            x = x + attend(x, task)
            x = x + feed(x)
        return x


class Mix(nn.Conv2d):
    """Two streams -> one, by three numbers."""

    def __init__(self):
        super().__init__(2, 1, 1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(torch.stack([a, b])[None])[0, 0]


class EncoderBlock(nn.Module):
    """Task streams attend to themselves; the shared stream, guided by them, becomes the next task streams."""

    def __init__(self, d: int, depth: int):
        super().__init__()
        self.cls_AB, self.surv_AB = AttentionBlock(d), AttentionBlock(d)
        self.cls_TGAB, self.surv_TGAB = TransportBlocks(d, depth), TransportBlocks(d, depth)
        self.fusion = Mix()

    def forward(self, x: Tensor, c: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c, s = self.cls_TGAB(x, self.cls_AB(c)), self.surv_TGAB(x, self.surv_AB(s))
        return self.fusion(c, s), c, s


class Bottleneck(nn.Module):
    """The shared stream alone moves on."""

    def __init__(self, d: int, depth: int = 2):
        super().__init__()
        self.cls_TGAB, self.surv_TGAB, self.fusion = TransportBlocks(d, depth), TransportBlocks(d, depth), Mix()

    def forward(self, x: Tensor, c: Tensor, s: Tensor) -> Tensor:
        return self.fusion(self.cls_TGAB(x, c), self.surv_TGAB(x, s))


class DecoderBlock(nn.Module):
    """Task streams, guided by the shared stream and the encoder's."""

    def __init__(self, d: int, depth: int):
        super().__init__()
        self.x_AB = AttentionBlock(d)
        self.cls_TGAB, self.surv_TGAB = TransportBlocks(d, depth), TransportBlocks(d, depth)
        self.fusion_x_cls, self.fusion_x_surv, self.fusion_net = Mix(), Mix(), Mix()

    def forward(self, x: Tensor, c: Tensor, s: Tensor, skip: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p, r = self.x_AB(x), self.x_AB(skip)
        c, s = self.cls_TGAB(c, self.fusion_x_cls(p, r)), self.surv_TGAB(s, self.fusion_x_surv(p, r))
        return self.fusion_net(p, r), c, s


class BagAttention(nn.Module):
    """Queries and the projection of the pooled slots."""

    def __init__(self, d: int, query_dim: int):
        super().__init__()
        self.q = nn.Sequential(nn.Linear(d, query_dim), nn.ReLU(), nn.Linear(query_dim, query_dim), nn.Tanh())
        self.proj = nn.Linear(d, d)


class SlideEncoder(nn.Module):
    """k slots, each an average of all patches that are like one of the k best."""

    def __init__(self, d: int, k: int, n_subtypes: int, query_dim: int):
        super().__init__()
        self.k = k
        self.i_classifier = nn.ModuleDict({"fc": nn.Sequential(nn.Linear(d, n_subtypes))})
        self.b_classifier = BagAttention(d, query_dim)
        self.cls_proj = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d))

    def forward(self, bag: Tensor) -> Tensor:
        with torch.no_grad():
            best = self.i_classifier["fc"](bag).amax(dim=1).topk(self.k).indices
        queries, of_best = F.normalize(self.b_classifier.q(bag), dim=1), self.b_classifier.q(bag[best])
        attention = torch.softmax(F.normalize(queries @ of_best.T, dim=1), dim=1)  # (N, k)
        slots = F.gelu(self.b_classifier.proj(attention.T @ F.normalize(bag, dim=1)))
        return self.cls_proj(slots)


class MCTI(nn.Module):
    """Two encoder blocks, a bottleneck, two decoder blocks. Parameters that nothing reads are left out."""

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: Sequence[int],
        n_bins: int,
        n_subtypes: int,
        k: int = 256,
        gene_hidden: int = 8192,
        gene_heads: int = 8,
        tokens: int = 240,
        num_blocks: Sequence[int] = (2, 4),
        query_dim: int = 128,
        regularizer: str = "entropy",
    ):
        super().__init__()
        d = embedding_dim
        self.gene_heads, self.regularizer = gene_heads, regularizer
        self.task_token_cls, self.task_token_surv, self.task_token_mix = (
            nn.Parameter(torch.randn(1, tokens, d)) for _ in range(3)
        )
        self.Gene_encode = nn.Sequential(
            nn.Sequential(nn.Linear(sum(group_sizes), gene_hidden), nn.ELU(), nn.AlphaDropout(0.25)),
            nn.Sequential(nn.Linear(gene_hidden, gene_hidden), nn.ELU()),
        )
        self.multi_head = nn.ModuleDict({"W_v": nn.Linear(gene_hidden, gene_heads * d)})
        self.WSI_encode = SlideEncoder(d, k, n_subtypes, query_dim)
        self.attention_net_wsi = nn.Sequential(nn.Linear(d, d), nn.GELU(), ChannelAttention(d, k))
        self.encoder_layers = nn.ModuleList(nn.ModuleList([EncoderBlock(d, depth)]) for depth in num_blocks)
        self.bottleneck = Bottleneck(d)
        self.decoder_leyers = nn.ModuleList(nn.ModuleList([DecoderBlock(d, depth)]) for depth in num_blocks)
        self.cls_head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, n_subtypes))
        self.surv_head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, n_bins))

    def forward(
        self, bag: Tensor, genes: Sequence[Tensor], record: Callable[[str, Tensor], None] = lambda name, value: None
    ) -> dict[str, Tensor]:
        """bag (N, D), a vector a gene group; `record` is handed the stages by name."""
        slide = self.attention_net_wsi(self.WSI_encode(bag))
        groups = self.multi_head["W_v"](self.Gene_encode(torch.cat(list(genes)))).unflatten(0, (self.gene_heads, -1))
        flow = unbalanced_flow(slide, groups, self.regularizer)
        common = torch.cat([slide, flow.T @ slide, groups])
        x, c, s = (
            torch.cat([common, each[0]]) for each in (self.task_token_mix, self.task_token_cls, self.task_token_surv)
        )
        skips = []
        for i, (block,) in enumerate(self.encoder_layers):
            x, c, s = block(x, c, s)
            skips.append(x)
            record(f"enc{i}_x", x)
        x = self.bottleneck(x, c, s)
        record("bottleneck_x", x)
        for i, (block,) in enumerate(self.decoder_leyers):
            x, c, s = block(x, c, s, skips[-1 - i])
            record(f"dec{i}_surv", s)
        return {"logits": self.surv_head(s.mean(dim=0))[None], "subtype": self.cls_head(c.mean(dim=0))[None]}

    def loss(self, bag: Tensor, genes: Sequence[Tensor], label: int, censored: bool, subtype: int) -> Tensor:
        out = self(bag, genes)
        return nll(out["logits"], label, censored) + F.cross_entropy(
            out["subtype"], torch.tensor([subtype], device=bag.device)
        )


@torch.no_grad()
def unbalanced_flow(slide: Tensor, groups: Tensor, regularizer: str) -> Tensor:
    """The entropic flow (k, heads) between slots and gene tokens whose marginals may differ, by POT's rounds."""
    slide, groups = (each - each.amin(dim=1, keepdim=True) for each in (slide, groups))
    cost = torch.cdist(slide.double(), groups.double()) ** 2
    cost = (cost / cost.max()).cpu().numpy()
    a, b = (np.full(n, 1 / n) for n in cost.shape)
    c = np.ones_like(cost) if regularizer == "entropy" else np.outer(a, b)  # "entropy" compares the flow with 1
    flow = ot.unbalanced.sinkhorn_knopp_unbalanced(a, b, cost, 0.1, 0.5, c=c, numItermax=1000, stopThr=1e-6)
    return torch.from_numpy(flow).to(slide.device, groups.dtype)
