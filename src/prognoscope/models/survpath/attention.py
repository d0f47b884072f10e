"""Where pathways and patches of a patient look, without a map of patches on patches."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.models.layers.by_length import map_by_length
from prognoscope.models.layers.nystrom import pseudo_inverse
from prognoscope.models.layers.precision import at_least_float32


class Attended(NamedTuple):
    """What attention made of the tokens, and the maps of each patient, which are of (S, S + N) and (N, S)."""

    pathways: Float[Tensor, "P S e"]
    patches: Float[Tensor, "T e"]
    to_all: list[Tensor]  # of pathways, to pathways and then patches
    to_pathways: list[Tensor]  # of patches
    raw_to_all: list[Tensor]  # before the softmax
    raw_to_pathways: list[Tensor]


class PathwayAttention(nn.Module):
    """One head of half the tokens' width: pathways attend to all tokens of a patient, patches to pathways only."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * (dim // 2), bias=False)

    def forward(self, pathways: Float[Tensor, "P S d"], bags: Bags) -> Attended:
        of_pathways, of_patches = self.to_qkv(self.norm(pathways)), self.norm(bags.values)
        weights = self.to_qkv.weight.chunk(3)
        if 2 * pathways.shape[1] > len(weights[0]):  # with fewer pathways matrices are better applied to them alone
            of_patches, weights = self.to_qkv(of_patches), None
        with torch.autocast(pathways.device.type, enabled=False):
            patients = zip(at_least_float32(of_pathways), bags.split(at_least_float32(of_patches)), strict=True)
            one_by_one = zip(*(_attend(*patient, weights) for patient in patients), strict=True)
            new_pathways, new_patches, *maps = map(list, one_by_one)
            return Attended(torch.stack(new_pathways), bags.join(new_patches), *maps)


def _attend(
    pathways: Float[Tensor, "S three_e"], patches: Float[Tensor, "N _"], weights: tuple[Tensor, ...] | None
) -> tuple[Tensor, ...]:
    """Of one patient.

    Args:
        patches: Their queries, keys and values; with `weights` what those are made of, (N, d).
        weights: Of queries, keys and values, (e, d) each.
    """
    q, k, v = pathways.chunk(3, dim=1)
    scale, n = q.shape[1] ** -0.5, len(q)
    q, k_of_patches = scale * q, scale * k
    if weights is None:
        q_patch, k_patch, v_patch = patches.chunk(3, dim=1)
        to_patches, raw_to_pathways = q @ k_patch.T, q_patch @ k_of_patches.T
    else:
        w_q, w_k, w_v = weights
        both = patches @ torch.cat([q @ w_k, k_of_patches @ w_q]).T
        to_patches, raw_to_pathways = both[:, :n].T, both[:, n:]
    raw_to_all = torch.cat([q @ k.T, to_patches], dim=1)
    to_all, to_pathways = raw_to_all.softmax(dim=1), raw_to_pathways.softmax(dim=1)
    drawn = to_all[:, n:] @ v_patch if weights is None else to_all[:, n:] @ patches @ w_v.T
    return to_all[:, :n] @ v + drawn, to_pathways @ v, to_all, to_pathways, raw_to_all, raw_to_pathways


class LandmarkAttention(nn.Module):
    """Every token attends to all through landmarks: one head of half the width, no convolution, no skip.

    Means of equal runs of tokens are the landmarks; zeros in front fill the first run and take part as keys.

    Source: Xiong et al.: Nystromformer. AAAI 2021.
    """

    def __init__(self, dim: int, *, landmarks: int = 256, steps: int = 6):
        super().__init__()
        self.to_qkv = nn.Linear(dim, 3 * (dim // 2), bias=False)
        self.to_out = nn.Linear(dim // 2, dim)
        self.landmarks, self.steps = landmarks, steps

    def forward(self, bags: Bags) -> Float[Tensor, "_ d"]:
        return self.to_out(map_by_length(bags.replace(self.to_qkv(bags.values)), self._mix))

    def _mix(self, qkv: Float[Tensor, "B n three_e"]) -> Float[Tensor, "B n e"]:
        with torch.autocast(qkv.device.type, enabled=False):
            q, k, v, to_landmarks, inverse, of_landmarks = self._maps(qkv)
            gathered = F.scaled_dot_product_attention(of_landmarks, k, v)
            return F.scaled_dot_product_attention(q, to_landmarks, inverse @ gathered)[:, -qkv.shape[1] :]

    def _maps(self, qkv: Float[Tensor, "B n three_e"]) -> tuple[Tensor, ...]:
        padded = F.pad(at_least_float32(qkv), (0, 0, -qkv.shape[1] % self.landmarks, 0))
        q, k, v = padded.chunk(3, dim=-1)
        q_mean, k_mean, _ = padded.unflatten(1, (self.landmarks, -1)).mean(dim=2).chunk(3, dim=-1)
        a = (q.shape[-1] ** -0.5 * q_mean @ k_mean.mT).softmax(dim=-1)
        inverse = pseudo_inverse(a[:, None], a.sum(dim=-2).amax(dim=-1), self.steps)[:, 0]
        return q, k, v, k_mean, inverse, q_mean

    @torch.no_grad()
    def mean_map(self, tokens: Float[Tensor, "n d"], first: int) -> Float[Tensor, " n"]:
        """How much the first tokens of one sequence draw on each token, on average; can be negative."""
        with torch.autocast(tokens.device.type, enabled=False):
            qkv = F.linear(at_least_float32(tokens), self.to_qkv.weight)[None]
            q, k, _, k_mean, inverse, q_mean = (each[0] for each in self._maps(qkv))
            scale, rows = q.shape[-1] ** -0.5, q[len(q) - len(tokens) :][:first]
            mean = (scale * rows @ k_mean.T).softmax(dim=-1).mean(dim=0)
            return (mean @ inverse @ (scale * q_mean @ k.T).softmax(dim=-1))[-len(tokens) :]
