"""ReLU and dropout in one, for arrays as long as a bag."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

LEVELS = 2**16  # of a rate


def relu_dropout(x: Float[Tensor, "..."], rate: float, *, training: bool) -> Float[Tensor, "..."]:
    """`dropout(relu(x))` for a rate below 1, rounded to 1 / 65536; keeps nothing but its result for the backward pass.

    An entry of the result is positive exactly where its input was positive and was not dropped, so neither the mask
    nor the ReLU's own result is needed again. Masks come from 16 random bits an entry: on a CPU, torch's own take
    longer than all else that is done to a patch between two matrix products.
    """
    steps = round(rate * LEVELS)
    return _ReluDropout.apply(x, steps) if training and steps else F.relu(x)


class _ReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, steps: int) -> Tensor:
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        ctx.scale = LEVELS / (LEVELS - steps)
        result = F.relu(x).mul_(bits >= steps - LEVELS // 2).mul_(ctx.scale)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (result,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, result, 0).mul_(ctx.scale), None  # the gradient of a ReLU
