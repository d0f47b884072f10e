"""Nystrom attention, its residual layer, and the convolutional position code, of one sequence."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NystromAttention(nn.Module):
    """Three softmaxes over landmarks, six steps towards a pseudo-inverse, and a convolution of the values."""

    def __init__(self, d: int, heads: int = 8, kernel: int = 33, dropout: float = 0.1):
        super().__init__()
        self.heads, self.landmarks = heads, d // 2
        self.to_qkv = nn.Linear(d, 3 * d, bias=False)
        self.to_out = nn.Sequential(nn.Linear(d, d), nn.Dropout(dropout))
        self.res_conv = nn.Conv2d(heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (1, n, d)
        n, m = x.shape[1], self.landmarks
        x = F.pad(x, (0, 0, -n % m, 0))
        q, k, v = (each.unflatten(2, (self.heads, -1)).transpose(1, 2) for each in self.to_qkv(x).chunk(3, dim=2))
        q = q / math.sqrt(q.shape[-1])
        q_landmarks, k_landmarks = (each.unflatten(2, (m, -1)).mean(dim=3) for each in (q, k))
        first = torch.softmax(q @ k_landmarks.transpose(2, 3), dim=-1)  # (1, h, n', m)
        second = torch.softmax(q_landmarks @ k_landmarks.transpose(2, 3), dim=-1)
        third = torch.softmax(q_landmarks @ k.transpose(2, 3), dim=-1)
        out = (first @ pseudo_inverse(second)) @ (third @ v) + self.res_conv(v)
        return self.to_out(out.transpose(1, 2).flatten(2))[:, -n:]


def pseudo_inverse(a: Tensor, steps: int = 6) -> Tensor:
    """An iterative pseudo-inverse of each head's matrix; the scale of the start is common to all heads."""
    identity = torch.eye(a.shape[-1], device=a.device)
    z = a.transpose(-1, -2) / (a.abs().sum(dim=-1).max() * a.abs().sum(dim=-2).max())
    for _ in range(steps):
        w = a @ z
        z = z @ (13 * identity - w @ (15 * identity - w @ (7 * identity - w))) / 4
    return z


class TransLayer(nn.Module):
    """Attention after a norm, added to its input."""

    def __init__(self, d: int):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.attn = NystromAttention(d)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attn(self.norm(x))


class PPEG(nn.Module):
    """Three depthwise convolutions over the tokens laid out as a square; the class token stays as it is."""

    def __init__(self, d: int):
        super().__init__()
        self.proj = nn.Conv2d(d, d, 7, padding=3, groups=d)
        self.proj1 = nn.Conv2d(d, d, 5, padding=2, groups=d)
        self.proj2 = nn.Conv2d(d, d, 3, padding=1, groups=d)

    def forward(self, x: Tensor, side: int) -> Tensor:  # (1, 1 + side * side, d)
        image = x[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        image = image + self.proj(image) + self.proj1(image) + self.proj2(image)
        return torch.cat([x[:, :1], image.flatten(2).transpose(1, 2)], dim=1)
