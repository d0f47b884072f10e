"""CLAM with a single branch as a survival model, of one patient."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.plain.attention import Gate, layer
from benchmarks.plain.losses import nll


class CLAMSB(nn.Module):
    """Gated attention with a linear head; the first and the last patches teach a classifier of each bin."""

    def __init__(self, embedding_dim: int, n_bins: int, width: int = 512, hidden: int = 256, k: int = 8):
        super().__init__()
        self.k = k
        self.attention_net = nn.Sequential(*layer(embedding_dim, width), Gate(width, hidden))
        self.classifiers = nn.Linear(width, n_bins)
        self.instance_classifiers = nn.ModuleList(nn.Linear(width, 2) for _ in range(n_bins))

    def forward(self, bag: Tensor) -> dict[str, Tensor]:
        """bag (N, D)."""
        scores, patches = self.attention_net(bag)
        attention = torch.softmax(scores.T, dim=1)
        return {"attention": attention, "patches": patches, "logits": self.classifiers(attention @ patches)}

    def loss(self, bag: Tensor, genes: object, label: int, censored: bool, subtype: int) -> Tensor:
        out = self(bag)
        survival = 0.7 * nll(out["logits"], label, censored)
        return survival if censored or len(bag) < 2 else survival + 0.3 * self.instances(out, label)

    def instances(self, out: dict[str, Tensor], label: int) -> Tensor:
        """The loss of the classifiers: of the own bin on the first and the last patches, of the others on the first."""
        attention, k = out["attention"][0], min(self.k, len(out["patches"]))
        first, last = (out["patches"][each.topk(k).indices] for each in (attention, -attention))
        total = attention.new_zeros(())
        for i, classify in enumerate(self.instance_classifiers):
            shown = torch.cat([first, last]) if i == label else first
            says_own = torch.zeros(len(shown), dtype=torch.int64, device=shown.device)
            says_own[: k if i == label else 0] = 1
            total = total + F.cross_entropy(classify(shown), says_own)
        return total / len(self.instance_classifiers)
