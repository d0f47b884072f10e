"""Dropout whose masks are cheap on a CPU, where torch's own take longer than all else between two matrix products."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 2**16  # of a rate
MANY_WORDS = 2**14
LEAST = -1.7580993408473766  # of SELU


class Dropout(nn.Dropout):
    """Each entry is zero by a chance of `p`, in training alone; what is kept grows so that the mean stays."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return drop(x, self.p) if self.training else x


class AlphaDropout(nn.AlphaDropout):
    """Dropout for self-normalising networks: to the least value of SELU, then rescaled to the mean and variance of x.

    Source: Klambauer et al.: Self-normalizing neural networks. NeurIPS 2017.
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        steps = round(self.p * LEVELS)
        if not self.training or not 0 < steps < LEVELS or x.device.type != "cpu":
            return super().forward(x)
        rate, kept = steps / LEVELS, _kept(x, steps)
        scale = ((1 - rate) * (1 + rate * LEAST**2)) ** -0.5
        return scale * (x * kept + LEAST * (1 - kept - rate))


def drop(x: Float[Tensor, "*shape"], rate: float) -> Float[Tensor, "*shape"]:
    """`x` with entries set to zero by a chance of `rate`, rounded to 1 / 65536, and the others divided by one minus it.

    On a CPU masks come from 16 random bits an entry, which torch's generator draws or seeds, so its seed fixes them;
    elsewhere from torch's own kernel.

    Source: Srivastava et al.: Dropout: a simple way to prevent neural networks from overfitting. JMLR 2014.
    """
    steps = round(rate * LEVELS)
    if x.device.type != "cpu" or steps == LEVELS:
        return F.dropout(x, rate)
    return x * _kept(x, steps).mul_(LEVELS / (LEVELS - steps)) if steps else x


def relu_dropout(x: Float[Tensor, "..."], rate: float, *, training: bool) -> Float[Tensor, "..."]:
    """`dropout(relu(x))` for a rate rounded to 1 / 65536; keeps nothing but its result for the backward pass.

    An entry of the result is positive exactly where its input was positive and was not dropped, so neither the mask
    nor the ReLU's own result is needed again.
    """
    steps = round(rate * LEVELS)
    if training and 0 < steps < LEVELS:
        return _ReluDropout.apply(x, steps)
    return drop(F.relu(x), 1.0) if training and steps else F.relu(x)


class _ReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, steps: int) -> Tensor:
        ctx.scale = LEVELS / (LEVELS - steps)
        result = F.relu(x).mul_(_kept(x, steps)).mul_(ctx.scale)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (result,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, result, 0).mul_(ctx.scale), None  # the gradient of a ReLU


def _kept(x: Float[Tensor, "*shape"], steps: int) -> Float[Tensor, "*shape"]:
    """One by a chance of `1 - steps / LEVELS`, else zero, from 16 random bits an entry, four of them drawn at once."""
    n = -(-x.numel() // 4)
    if x.device.type == "cpu" and n >= MANY_WORDS:  # numpy's generator is twice as fast, once it has a seed
        words = torch.from_numpy(np.random.SFC64(int(torch.randint(2**63 - 1, ()))).random_raw(n).view(np.int64))
    else:
        words = torch.empty(n, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    return torch.ge(bits, steps - LEVELS // 2, out=torch.empty(x.shape, dtype=x.dtype, device=x.device))
