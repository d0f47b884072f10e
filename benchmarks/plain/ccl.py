"""CCL in its released variant, of one patient, with its state: an anchor and a bank of earlier patients."""

from collections.abc import Sequence
from itertools import chain

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from benchmarks.plain.losses import nll
from benchmarks.plain.nystrom import TransLayer


class Specific(nn.Module):
    """What one modality alone knows."""

    def __init__(self, d: int):
        super().__init__()
        self.conv = mlp(d)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Interaction(nn.Module):
    """What both modalities know, or know only together: co-attention by the full d x d matrix."""

    def __init__(self, d: int):
        super().__init__()
        self.geno_fc, self.path_fc = mlp(d), mlp(d)
        self.geno_atten, self.path_atten = nn.Linear(d, 1), nn.Linear(d, 1)

    def forward(self, genes: Tensor, slide: Tensor) -> Tensor:  # (1, d) each
        g, p = self.geno_fc(genes), self.path_fc(slide)
        matrix = g.T @ p  # (d, d)
        gene_gate = torch.sigmoid(self.geno_atten(matrix)).T
        slide_gate = torch.sigmoid(self.path_atten(matrix.T)).T
        return p * slide_gate + g * gene_gate


class Decomposition(nn.Module):
    """Four components; the specific encoders get each other's input, as released."""

    def __init__(self, d: int):
        super().__init__()
        self.geno_spec, self.path_spec = Specific(d), Specific(d)
        self.common_encoder, self.synergy_encoder = Interaction(d), Interaction(d)

    def forward(self, genes: Tensor, slide: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        common, synergy = self.common_encoder(genes, slide), self.synergy_encoder(genes, slide)
        return common, synergy, self.geno_spec(slide), self.path_spec(genes)


class Fusion(nn.Module):
    """A class token and two layers of Nystrom attention over five tokens."""

    def __init__(self, d: int):
        super().__init__()
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, d))
        self.layer1, self.layer2, self.norm = TransLayer(d), TransLayer(d), nn.LayerNorm(d)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(self.layer2(self.layer1(torch.cat([self.cls_token, tokens], dim=1))))[:, 0]


class CCL(nn.Module):
    """Swapped specific encoders, Nystrom fusion, joint contrast; the patient is pushed before the loss."""

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: Sequence[int],
        n_bins: int,
        d: int = 256,
        gene_width: int = 256,
        k: int = 6,
        bank_length: int = 10,
    ):
        super().__init__()
        self.genomics_fc = nn.ModuleList(nn.Sequential(snn(size, gene_width)) for size in group_sizes)
        self.geno_fc, self.path_fc = snn(gene_width, d), snn(embedding_dim, d)
        self.geno_conv, self.path_conv = pool(len(group_sizes)), pool(k)
        self.know_decompose = Decomposition(d)
        self.transformer = Fusion(d)
        self.classifier = nn.Linear(d, n_bins)
        self.anchor = torch.randn(k, embedding_dim)
        self.bank: list[list[Tensor]] = [[] for _ in range(n_bins)]
        self.bank_length = bank_length

    def forward(self, bag: Tensor, genes: Sequence[Tensor]) -> dict[str, Tensor]:
        """bag (N, D), a vector a gene group."""
        tokens = torch.stack([net(group) for net, group in zip(self.genomics_fc, genes, strict=True)])
        genes_as_one = self.geno_conv(self.geno_fc(tokens)[None])[0]
        self.anchor = self.anchor.to(bag.device)
        with torch.no_grad():
            centres = k_means(bag, self.anchor)
            cost = torch.cdist(centres, self.anchor, p=1).cpu().numpy()
            rows, slots = (torch.from_numpy(each) for each in linear_sum_assignment(cost))
            aligned = torch.empty_like(centres).index_copy_(0, slots.to(bag.device), centres[rows.to(bag.device)])
            if self.training:
                self.anchor = 0.9 * self.anchor + 0.1 * aligned
        slide_as_one = self.path_conv(self.path_fc(aligned)[None])[0]
        common, synergy, third, fourth = self.know_decompose(genes_as_one, slide_as_one)
        parts = torch.stack([common, synergy, third, fourth], dim=1)
        logits = self.classifier(self.transformer(parts))
        return {"logits": logits, "parts": parts[0], "genes": genes_as_one, "slide": slide_as_one, "centres": aligned}

    def loss(self, bag: Tensor, genes: Sequence[Tensor], label: int, censored: bool, subtype: int) -> Tensor:
        out = self(bag, genes)
        return nll(out["logits"], label, censored) + self.knowledge(out) + self.contrast(out["parts"], label, censored)

    def knowledge(self, out: dict[str, Tensor]) -> Tensor:
        """How far the components are from what they should share with genes and slide."""
        common, synergy, third, fourth = out["parts"]
        genes, slide = out["genes"][0].detach(), out["slide"][0].detach()

        def cos(a: Tensor, b: Tensor) -> Tensor:
            return F.cosine_similarity(a, b, dim=0)

        terms = cos(third, slide).abs() - cos(third, genes) - cos(fourth, slide) + cos(fourth, genes).abs()
        terms = terms - cos(common, slide) - cos(common, genes) + cos(synergy, slide).abs() + cos(synergy, genes).abs()
        return terms / 8 + 1

    def contrast(self, parts: Tensor, label: int, censored: bool) -> Tensor:
        """Likeness to earlier patients of the same survival group against the others."""
        own = self.bank[label]
        own.append(parts.detach())
        if len(own) > self.bank_length:
            own.pop(0)
        if censored:
            alike, different = self.bank[label:], self.bank[:label]
        else:
            alike, different = [own[:-1]], self.bank[:label] + self.bank[label + 1 :]
        alike, different = (list(chain.from_iterable(each)) for each in (alike, different))
        if not alike or not different:
            return parts.new_zeros(())
        a, b = (torch.exp(parts * torch.stack(each) / 2).mean() for each in (alike, different))
        return -torch.log(a / (a + b + 1e-10))


@torch.no_grad()
def k_means(bag: Tensor, anchor: Tensor) -> Tensor:
    """Centres (k, D) that start from the patches nearest to the anchor, moved until they stay.

    The differences of every patch and centre are formed, as released; a centre without patches becomes zero.
    """
    start = ((bag[:, None] - anchor[None]) ** 2).sum(dim=-1).argmin(dim=0)
    centres = bag[start]
    while True:
        nearest = ((bag[:, None] - centres[None]) ** 2).sum(dim=-1).argmin(dim=1)
        moved = [bag[nearest == j] for j in range(len(centres))]
        moved = torch.stack([each.mean(dim=0) if len(each) else torch.zeros_like(bag[0]) for each in moved])
        shift = (moved - centres).norm(dim=1).sum()
        centres = moved
        if shift**2 < 1e-4:
            return centres


def snn(n_in: int, n_out: int) -> nn.Sequential:
    """A self-normalising layer with SELU."""
    return nn.Sequential(nn.Linear(n_in, n_out), nn.SELU(), nn.AlphaDropout(0.15))


def mlp(d: int) -> nn.Sequential:
    """A layer with a norm."""
    return nn.Sequential(nn.Linear(d, d), nn.LayerNorm(d), nn.ReLU())


def pool(n: int) -> nn.Sequential:
    """n tokens -> one."""
    return nn.Sequential(nn.Conv1d(n, 1, 1), nn.InstanceNorm1d(1), nn.ReLU())
