"""Attention bricks that several methods share."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.models.layers.dropout import LEVELS, Dropout, kept_by_chance
from prognoscope.models.layers.precision import for_products


class GatedAttention(nn.Module):
    """A logit per patch from a tanh branch gated by a sigmoid branch, (T, H) -> (T,); `outputs` of them, if given.

    In training both branches drop out; what passes both is drawn at once, which is the same by chance.

    Source: Ilse, Tomczak, Welling: Attention-based deep multiple instance learning. ICML 2018, eq. 9.
    """

    def __init__(self, input_dim: int, hidden_dim: int, dropout: float = 0.0, *, outputs: int | None = None):
        super().__init__()
        self.tanh_branch = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.Tanh(), Dropout(dropout))
        self.gate_branch = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.Sigmoid(), Dropout(dropout))
        self.score = nn.Linear(hidden_dim, outputs or 1)
        self.outputs = outputs

    def forward(self, patches: Float[Tensor, "T H"]) -> Float[Tensor, "T *outputs"]:
        if self.training:
            logits = self._learning(patches)
        else:
            logits = self.score(self.tanh_branch(patches) * self.gate_branch(patches))
        return logits[:, 0] if self.outputs is None else logits

    def _learning(self, patches: Float[Tensor, "T H"]) -> Float[Tensor, "T outputs"]:
        (tanh, _, drop), (gate, _, drop_gate) = self.tanh_branch, self.gate_branch
        weight, bias = torch.cat([tanh.weight, gate.weight]), torch.cat([tanh.bias, gate.bias])
        values = (for_products(each) for each in (patches, weight, bias, self.score.weight, self.score.bias))
        return _GatedScores.apply(*values, 1 - (1 - drop.p) * (1 - drop_gate.p))


class _GatedScores(torch.autograd.Function):
    """The logits (T, C) of both branches' weights (2A, H); reads patches once, and adds no two gradients of them.

    For the backward pass it keeps four values an entry of a branch, where autograd would keep eight.
    """

    @staticmethod
    def forward(
        ctx, patches: Tensor, weight: Tensor, bias: Tensor, score: Tensor, score_bias: Tensor, rate: float
    ) -> Tensor:
        half = len(weight) // 2
        both = torch.addmm(bias, patches, weight.T)
        tanh, gate = both[:, :half].tanh_(), both[:, half:].sigmoid_()
        gated, kept, steps = tanh * gate, None, round(rate * LEVELS)
        ctx.growth = LEVELS / max(LEVELS - steps, 1)  # of what is kept
        if steps:
            kept = kept_by_chance(gated, steps)
            gated.mul_(kept)
            score = score * ctx.growth
        ctx.save_for_backward(patches, weight, score, both, gated, kept)
        return torch.addmm(score_bias, gated, score.T)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        patches, weight, score, both, gated, kept = ctx.saved_tensors
        half = both.shape[1] // 2
        tanh, gate = both[:, :half], both[:, half:]
        of_gated = gradient @ score
        through = of_gated * gated
        of_both = torch.empty_like(both)
        torch.addcmul(through, through, gate, value=-1, out=of_both[:, half:])  # sigmoid' = sigmoid (1 - sigmoid)
        of_tanh = of_gated.mul_(gate) if kept is None else of_gated.mul_(gate).mul_(kept)
        torch.addcmul(of_tanh, through, tanh, value=-1, out=of_both[:, :half])  # tanh' = 1 - tanh^2
        of_patches = of_both @ weight if ctx.needs_input_grad[0] else None
        of_score = (gradient.T @ gated).mul_(ctx.growth)
        return of_patches, of_both.T @ patches, of_both.sum(dim=0), of_score, gradient.sum(dim=0), None
