"""Self-attention through landmarks, linear in the number of tokens, on packed sequences of unequal lengths.

Xiong et al.: Nystromformer, AAAI 2021, in the form that TransMIL and CMTA use: zeros in front up to a multiple of the
number of landmarks take part as keys, and a convolution of the values along the sequence is added.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from prognoscope.core.bags import Bags
from prognoscope.core.errors import ModelError
from prognoscope.models.layers.by_length import in_order, map_by_length
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.layers.precision import at_least_float32

RECOMPUTE_ABOVE = 65_536  # tokens of a sequence; a layer of longer ones is computed again in the backward pass


class NystromAttention(nn.Module):
    """Attention of every token to all tokens of its own sequence, (T, dim) -> (T, dim).

    Sequences of one length run as one batch, so no sequence is padded to another's length. No map between tokens and
    landmarks is kept: both are inside fused attention, whose backward pass computes them again. Order matters.

    Args:
        dim: Width of a token.
        landmarks: m, half the width by default.
        steps: Of the iteration for the pseudo-inverse. It does not converge in 6, so they are part of the method.
        kernel: Taps of the convolution along the sequence; odd.
        dropout: Rate at the output.
        exact: Ordinary attention for sequences of at most m tokens.
        legacy: Return the first rows of the padded sequence, as version 0.0.9 of the public package did by mistake.
    """

    def __init__(
        self,
        dim: int,
        *,
        heads: int = 8,
        landmarks: int | None = None,
        steps: int = 6,
        kernel: int = 33,
        dropout: float = 0.1,
        exact: bool = False,
        legacy: bool = False,
    ):
        super().__init__()
        if dim % heads:
            raise ModelError(f"Tokens of width {dim} cannot be cut into {heads} equal heads.")
        if kernel % 2 == 0:
            raise ModelError(f"A convolution centred on each token has an odd number of taps, not {kernel}.")
        if landmarks is not None and landmarks < 1:
            raise ModelError(f"A Nystrom attention needs a landmark at least, not landmarks={landmarks}.")
        self.heads, self.landmarks, self.steps = heads, landmarks or dim // 2, steps
        self.exact, self.legacy = exact, legacy
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.convolve = nn.Conv2d(heads, heads, (kernel, 1), groups=heads, bias=False)  # one filter a head
        self.to_out = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)

    def forward(
        self, bags: Bags, *, first_only: bool = False, rows: list[Tensor] | None = None
    ) -> Float[Tensor, "_ D"]:
        """The new tokens, (T, dim), or, far cheaper, the first token of each sequence, (P, dim).

        Args:
            rows: Gets the first row of every sequence's `map` on its tokens, (T, heads), without gradient.
        """
        kept: list[Tensor] | None = None if rows is None else []
        mixed = map_by_length(bags, lambda x: self._mix(x, first_only, kept))
        if rows is not None and kept is not None:
            rows.append(in_order(bags, kept))
        return self.dropout(self.to_out(mixed))

    def map(self, x: Float[Tensor, "n D"], *, first_only: bool = False) -> Float[Tensor, "h r k"]:
        """How much each token of one sequence draws on each key, A1 Z A3, which can be negative.

        Keys are the p zeros in front, then the n tokens; rows are the same, or the first token alone.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._map(at_least_float32(x), first_only)

    def _map(self, x: Float[Tensor, "n D"], first_only: bool) -> Float[Tensor, "h r k"]:
        n, m, scale = len(x), self.landmarks, (x.shape[1] // self.heads) ** -0.5
        of_short = self.exact and n <= m
        x = x if of_short else F.pad(x, (0, 0, -n % m, 0))
        row = 0 if self.legacy else len(x) - n
        rows = x[row : row + 1] if first_only else x
        w_q, w_k, _ = self.to_qkv.weight.chunk(3)
        q, k = self._heads(rows @ w_q.T), self._heads(x @ w_k.T)
        if of_short:
            return (scale * q @ k.mT).softmax(dim=-1)
        means = x.unflatten(0, (m, -1)).mean(dim=1)
        q_mean, k_mean = self._heads(means @ w_q.T), self._heads(means @ w_k.T)
        a1, a2, a3 = ((scale * a @ b.mT).softmax(dim=-1) for a, b in ((q, k_mean), (q_mean, k_mean), (q_mean, k)))
        return a1 @ pseudo_inverse(a2[None], a2.sum(dim=-2).amax()[None], self.steps)[0] @ a3

    def _mix(self, x: Float[Tensor, "B n D"], first_only: bool, kept: list[Tensor] | None) -> Float[Tensor, "B r D"]:
        """Sequences of one length, with all their rows or only the first; `kept` gets the first of their maps."""
        n, m = x.shape[1], self.landmarks
        short = n < m and not self.legacy
        is_exact = self.exact and n <= m
        p = 0 if short or is_exact else -n % m
        x = F.pad(x, (0, 0, p, 0)) if p else x
        start = 0 if self.legacy else p
        w_q, w_k, w_v = self.to_qkv.weight.chunk(3)
        k, v = F.linear(x, torch.cat([w_k, w_v])).chunk(2, dim=-1)
        if short and not is_exact:
            q = F.linear(x, w_q)
            with torch.autocast(x.device.type, enabled=False):
                q_heads, k_heads, v_heads = (self._heads(at_least_float32(each)) for each in (q, k, v))
                mixed = self._mix_short(q_heads, k_heads, v_heads, 1 if first_only else n, kept)
        else:
            q = F.linear(x[:, start : start + (1 if first_only else n)], w_q)
            means = (
                x if is_exact else x.unflatten(1, (m, -1)).mean(dim=2)
            )  # projections of means are means of projections
            landmarks = F.linear(means, torch.cat([w_q, w_k])).chunk(2, dim=-1)
            with torch.autocast(x.device.type, enabled=False):
                q_heads, k_heads, v_heads, *means_by_head = (
                    self._heads(at_least_float32(each)) for each in (q, k, v, *landmarks)
                )
                mixed = self._mix_long(q_heads, k_heads, v_heads, means_by_head[0], means_by_head[1], is_exact, kept)
            if kept is not None:
                kept[-1] = kept[-1][:, p:]
        return mixed.transpose(1, 2).flatten(2) + self._along(v, start, 1 if first_only else n)

    def _mix_long(self, q, k, v, q_mean, k_mean, is_exact: bool, kept) -> Float[Tensor, "B h r e"]:
        """A1 (Z (A3 v)), linear in the tokens in this order; the zeros in front are keys like any other."""
        scale = q.shape[-1] ** -0.5
        if is_exact:
            if kept is not None:
                with torch.no_grad():
                    kept.append(_as_columns((scale * q[:, :, :1] @ k.mT).softmax(dim=-1)))
            return F.scaled_dot_product_attention(q, k, v, scale=scale)
        a2 = (scale * q_mean @ k_mean.mT).softmax(dim=-1)
        inverse = pseudo_inverse(a2, a2.sum(dim=-2).amax(dim=(1, 2)), self.steps)
        if kept is not None:
            with torch.no_grad():
                a1, a3 = ((scale * a @ b.mT).softmax(dim=-1) for a, b in ((q[:, :, :1], k_mean), (q_mean, k)))
                kept.append(_as_columns(a1 @ inverse @ a3))
        gathered = F.scaled_dot_product_attention(q_mean, k, v, scale=scale)
        return F.scaled_dot_product_attention(q, k_mean, inverse @ gathered, scale=scale)

    def _mix_short(self, q, k, v, n_rows: int, kept) -> Float[Tensor, "B h r e"]:
        """The same for n < m tokens, exactly: each is its own landmark, and the m - n landmarks that are zero are one
        that counts m - n times. A1, A2 and A3 are then rows and columns of one matrix."""
        n = q.shape[2]
        weight = q.new_ones(n + 1)
        weight[-1] = self.landmarks - n
        root = weight.sqrt()
        q, k = F.pad(q, (0, 0, 0, 1)), F.pad(k, (0, 0, 0, 1))
        a = (q.shape[-1] ** -0.5 * q @ k.mT + weight.log()).softmax(dim=-1)  # with the columns' weights in it
        largest = ((weight @ a) / weight).amax(dim=(1, 2))
        inverse = pseudo_inverse(root[:, None] * a / root, largest, self.steps)
        if kept is not None:
            with torch.no_grad():
                kept.append(_as_columns(a[:, :, :1] / root @ inverse @ (root[:, None] * a[..., :n])))
        gathered = root[:, None] * (a[..., :n] @ v)
        return (a[:, :, :n_rows] / root) @ (inverse @ gathered)

    def _along(self, v: Float[Tensor, "B n D"], start: int, n_rows: int) -> Float[Tensor, "B r D"]:
        """The convolution of the values along the sequence, at rows from `start` on."""
        filters = self.convolve.weight.repeat_interleave(v.shape[-1] // self.heads, dim=0)  # (D, 1, taps, 1)
        reach = filters.shape[2] // 2
        if n_rows == 1:
            first = max(start - reach, 0)
            near = v[:, first : start + reach + 1]
            taps = filters[:, 0, first - start + reach :, 0][:, : near.shape[1]]
            return (near * taps.T.to(v.dtype)).sum(dim=1, keepdim=True)
        image = v.mT[..., None].contiguous(memory_format=torch.channels_last)  # far faster than channels first
        filtered = F.conv2d(image, filters, padding=(reach, 0), groups=v.shape[-1])
        return filtered[..., 0].mT[:, start : start + n_rows]

    def _heads(self, x: Float[Tensor, "*B n D"]) -> Float[Tensor, "*B h n e"]:
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)


class NystromLayer(nn.Module):
    """x + attention(LayerNorm(x)), without a feed-forward part; the arguments are those of `NystromAttention`."""

    def __init__(self, dim: int, **options):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attend = NystromAttention(dim, **options)

    def forward(
        self, bags: Bags, *, first_only: bool = False, rows: list[Tensor] | None = None
    ) -> Float[Tensor, "_ D"]:
        """The new tokens, (T, dim), or the first of each sequence, (P, dim); `rows` as in `NystromAttention`."""
        if torch.is_grad_enabled() and max(bags.lengths.tolist(), default=0) > RECOMPUTE_ABOVE:
            return checkpoint(self._forward, bags.values, bags, first_only, rows, use_reentrant=False)
        return self._forward(bags.values, bags, first_only, rows)

    def _forward(self, values: Tensor, bags: Bags, first_only: bool, rows: list | None) -> Float[Tensor, "_ D"]:
        kept = values[bags.starts] if first_only else values
        return kept + self.attend(bags.replace(self.norm(values)), first_only=first_only, rows=rows)


def _as_columns(row: Float[Tensor, "B h 1 n"]) -> Float[Tensor, "B n h"]:
    return row[:, :, 0].mT


def pseudo_inverse(a: Float[Tensor, "B h m m"], scale: Float[Tensor, " B"], steps: int) -> Float[Tensor, "B h m m"]:
    """Steps of an iteration from a^T / scale towards the pseudo-inverse; gradients flow through the scale.

    The scale is one number for all heads of a sequence: the largest column sum times the largest row sum, and rows of
    softmaxes sum to 1.

    Source: Razavi et al., as cited by Nystromformer, eq. 11.
    """
    shape = a.shape
    z = (a.mT / scale[:, None, None, None]).flatten(0, 1)
    a = a.flatten(0, 1)
    for _ in range(steps):  # z <- z (13 - w (15 - w (7 - w))) / 4 with w = a z
        w = a @ z
        inner = torch.baddbmm(w, w, w, beta=7, alpha=-1)
        inner = torch.baddbmm(w, w, inner, beta=15, alpha=-1)
        z = torch.baddbmm(z, z, inner, beta=3.25, alpha=-0.25)
    return z.view(shape)
