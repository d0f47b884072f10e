"""How far the guess of a summary is from the summary, per patient.

Zhou, Chen: Cross-modal translation and alignment for survival analysis (CMTA). ICCV 2023, eq. 20 and its variants.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from prognoscope.models.layers.precision import at_least_float32

ALIGNMENTS = ("l1", "mse", "kl", "cosine", "orthogonal")


def distance(kind: str, x: Float[Tensor, "P D"], guess: Float[Tensor, "P D"]) -> Float[Tensor, " P"]:
    """Mean absolute ("l1") or squared ("mse") difference, divergence of softmaxes ("kl"), or 1 - "cosine"."""
    if kind == "l1":
        return (x - guess).abs().mean(dim=1)
    if kind == "mse":
        return (x - guess).square().mean(dim=1)
    if kind == "kl":
        log_x, log_guess = x.log_softmax(dim=1), guess.log_softmax(dim=1)
        return (log_x.exp() * (log_x - log_guess)).sum(dim=1)
    return 1 - F.cosine_similarity(x, guess)


def alignment_loss(
    kind: str,
    p: Float[Tensor, "P D"],
    p_hat: Float[Tensor, "P D"],
    g: Float[Tensor, "P D"],
    g_hat: Float[Tensor, "P D"],
    *,
    detach: bool = True,
    gamma: float = 0.5,
) -> Float[Tensor, " P"]:
    """The distances of both guesses from their summaries, which are not moved by it where `detach`; in float32.

    "orthogonal" wants a guess parallel to its own summary and, `gamma` as much, all else at right angles.
    """
    p, p_hat, g, g_hat = map(at_least_float32, (p, p_hat, g, g_hat))
    fixed_p, fixed_g = (p.detach(), g.detach()) if detach else (p, g)
    if kind != "orthogonal":
        return distance(kind, fixed_p, p_hat) + distance(kind, fixed_g, g_hat)
    pairs = ((fixed_p, p_hat), (fixed_g, g_hat), (p, g), (fixed_p, g_hat), (fixed_g, p_hat))
    own_p, own_g, *others = (F.cosine_similarity(a, b).abs() for a, b in pairs)
    return 2 - own_p - own_g + gamma * sum(others)
