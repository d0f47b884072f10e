"""The likelihood as the released codes compute it, of one patient."""

import torch
from torch import Tensor


def survival_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Hazards and survival (1, K) of logits (1, K)."""
    hazards = torch.sigmoid(logits)
    return hazards, torch.cumprod(1 - hazards, dim=1)


def nll(logits: Tensor, label: int, censored: bool, eps: float = 1e-7) -> Tensor:
    """Negative log-likelihood of a bin, censored there or not, with every probability clamped."""
    hazards, survival = survival_of(logits)
    before = torch.cat([torch.ones_like(survival[:, :1]), survival], dim=1)
    if censored:
        return -before[0, label + 1].clamp(min=eps).log()
    return -before[0, label].clamp(min=eps).log() - hazards[0, label].clamp(min=eps).log()
