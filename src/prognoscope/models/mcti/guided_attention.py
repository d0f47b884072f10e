"""Attention within task streams, steered by the transport of another stream: the block that MCTI stacks.

MCTI (MICCAI 2024), eq. 1 and the figure of its block. S streams run as one batch, each with its own weights.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.transport import column_potentials, exact_matching


@dataclass(frozen=True, slots=True)
class GuidedAttentionSpec:
    """How a block attends and how it is steered; the defaults are the paper's."""

    heads: int = 1
    ff_ratio: int = 1
    transport: bool = True  # False: values stay where they are
    guidance: str = "values"  # or "gate"
    intra: str = "token"  # or "channel"
    ot: str = "sinkhorn"  # or "emd"
    ot_eps: float = 0.2
    ot_iters: int = 20
    ot_grad: str = "last"  # or "none", "unroll"


class Tokens(NamedTuple):
    """How much each of a patient's n tokens counts: 0 for padding, k for one that stands for k equal ones."""

    weight: Float[Tensor, "P n"]
    copies: Int[Tensor, " n"]  # the same for all patients, before padding

    @property
    def mass(self) -> Float[Tensor, "P n"]:
        return self.weight / self.weight.sum(dim=1, keepdim=True)


class StreamLinear(nn.Module):
    """A linear map for each of S streams, (S, P, n, inputs) -> (S, P, n, outputs); starts like `nn.Linear`."""

    def __init__(self, streams: int, inputs: int, outputs: int, *, bias: bool = True):
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(streams, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(streams, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Float[Tensor, "S P n I"]) -> Float[Tensor, "S P n O"]:
        return multiply(x, self.weight, self.bias)


def multiply(
    x: Float[Tensor, "S P n I"], weight: Float[Tensor, "S O I"], bias: Float[Tensor, "S O"] | None = None
) -> Float[Tensor, "S P n O"]:
    """Every token of a stream times the stream's weight, plus its bias."""
    flat = x.flatten(1, 2)
    y = flat @ weight.mT if bias is None else torch.baddbmm(bias[:, None], flat, weight.mT)
    return y.unflatten(1, x.shape[1:3])


class StreamNorm(nn.Module):
    """Layer normalisation with a scale and a shift for each of S streams; one stream may be given for all."""

    def __init__(self, streams: int, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(streams, dim))
        self.bias = nn.Parameter(torch.zeros(streams, dim))

    def forward(self, x: Float[Tensor, "_ P n d"]) -> Float[Tensor, "S P n d"]:
        normal = F.layer_norm(x, x.shape[-1:])
        return torch.addcmul(self.bias[:, None, None], normal, self.weight[:, None, None])


class GuidedAttention(nn.Module):
    """Pre-norm attention of S source streams whose values an objective re-orders, then a feed-forward layer.

    Args:
        streams: S; each has its own weights.
        dim: d, the width of a token.
    """

    def __init__(self, streams: int, dim: int, spec: GuidedAttentionSpec):
        super().__init__()
        self.spec = spec
        self.norm1, self.norm2 = StreamNorm(streams, dim), StreamNorm(streams, dim)
        self.to_qkv = StreamLinear(streams, dim, 3 * dim, bias=False)
        self.proj = StreamLinear(streams, dim, dim)
        self.widen = StreamLinear(streams, dim, spec.ff_ratio * dim)
        self.narrow = StreamLinear(streams, spec.ff_ratio * dim, dim)
        if spec.intra == "channel":
            self.rescale = nn.Parameter(torch.ones(streams))

    def forward(
        self, source: Float[Tensor, "_ P n d"], objective: Float[Tensor, "_ P n d"], tokens: Tokens
    ) -> tuple[Float[Tensor, "S P n d"], dict[str, Tensor]]:
        """The new streams, and their maps: "plan" (S, P, n, n) and "attention" (S, P, h, n, n), each row sums to 1.

        Source and objective may be one stream for all. Rows of padding are finite and mean nothing.
        """
        q, k, v = self._queries_keys_values(self.norm1(source))
        maps = {}
        u = v
        if self.spec.transport:
            maps["plan"] = plan = self._plan(objective, v, tokens)
            u = plan.to(v.dtype) @ v if self.spec.guidance == "values" else self._gate(plan, objective, tokens) * v
        attend = self._attend_tokens if self.spec.intra == "token" else self._attend_channels
        y, own_maps = attend(q, k, u, tokens)
        z = source + self.proj(y)
        return z + self.narrow(F.gelu(self.widen(self.norm2(z)))), maps | own_maps

    def _queries_keys_values(self, x: Float[Tensor, "S P n d"]) -> tuple[Tensor, Tensor, Tensor]:
        if self.spec.heads > 1 or self.spec.intra == "channel":
            return self.to_qkv(x).chunk(3, dim=-1)
        # (W_q x_i) (W_k x_j) = (W_k^T W_q x_i) x_j: with one head the tokens themselves are the keys, a product less
        to_q, to_k, to_v = self.to_qkv.weight.chunk(3, dim=1)
        q, v = multiply(x, torch.cat([to_k.mT @ to_q, to_v], dim=1)).chunk(2, dim=-1)
        return q, x, v

    def _attend_tokens(self, q: Tensor, k: Tensor, u: Tensor, tokens: Tokens) -> tuple[Tensor, dict[str, Tensor]]:
        streams, n_patients, n, _ = q.shape
        heads = self.spec.heads
        q, k, u = (x.unflatten(-1, (heads, -1)).transpose(2, 3).flatten(0, 2) for x in (q, k, u))  # (S P h, n, d / h)
        weight = tokens.weight.log()[None, :, None, None].expand(streams, -1, heads, -1, -1).flatten(0, 2)
        logits = torch.baddbmm(weight.to(q.dtype), q, k.mT, alpha=q.shape[-1] ** -0.5)
        attention = logits.softmax(dim=-1)
        y = (attention.to(u.dtype) @ u).unflatten(0, (streams, n_patients, heads)).transpose(2, 3).flatten(3)
        return y, {"attention": attention.view(streams, n_patients, heads, n, n)}

    def _attend_channels(self, q: Tensor, k: Tensor, u: Tensor, tokens: Tokens) -> tuple[Tensor, dict[str, Tensor]]:
        heads = self.spec.heads
        root = tokens.weight.sqrt()[:, :, None, None]
        q, k = (F.normalize(x.unflatten(-1, (heads, -1)) * root, dim=2).permute(0, 1, 3, 4, 2) for x in (q, k))
        attention = (self.rescale[:, None, None, None, None] * (k @ q.mT)).softmax(dim=-1)  # (S, P, h, d / h, d / h)
        y = torch.einsum("sphij,spnhj->spnhi", attention.to(u.dtype), u.unflatten(-1, (heads, -1)))
        return y.flatten(3), {"channels": attention}

    def _gate(self, plan: Tensor, objective: Tensor, tokens: Tokens) -> Tensor:
        """For each source token, the mean of the objective's tokens whose mass it receives: n plan^T O."""
        moved = (plan * tokens.mass[:, :, None]).mT.to(objective.dtype) @ objective
        return moved / tokens.mass.where(tokens.mass > 0, 1)[:, :, None]

    def _plan(self, objective: Tensor, v: Tensor, tokens: Tokens) -> Float[Tensor, "S P n n"]:
        """Rows: the objective's tokens; columns: the source's. In float32 at least, and never under autocast.

        The double-centred cost -O V^T is the product of the centred O and V.
        """
        with torch.autocast(v.device.type, enabled=False):
            o, v = at_least_float32(objective), at_least_float32(v)
            mass = tokens.mass.to(v.dtype)
            o, v = (x - mass[:, None] @ x for x in (o, v))  # (_, P, n, d)
            gain = o.expand_as(v).flatten(0, 1) @ v.flatten(0, 1).mT  # minus the cost, before its scale
            mass = mass.expand(len(v), -1, -1).flatten(0, 1)
            if self.spec.ot == "emd":
                return self._matching(gain, tokens.copies, mass).unflatten(0, v.shape[:2])
            square = (mass[:, None] @ gain.detach().square())[:, 0].mul(mass).sum(dim=1)
            gain = gain * (1 / (self.spec.ot_eps * (square.sqrt() + 1e-6)))[:, None, None]  # in units of eps
            log_mass = mass.log()
            with torch.set_grad_enabled(self.spec.ot_grad == "unroll" and torch.is_grad_enabled()):
                g = column_potentials(-gain, log_mass, log_mass, eps=1.0, iterations=self.spec.ot_iters)
            plan = (gain + g[:, None]).softmax(dim=-1)
            plan = plan.detach() if self.spec.ot_grad == "none" else plan
            return plan.unflatten(0, v.shape[:2])

    def _matching(self, gain: Tensor, copies: Int[Tensor, " n"], mass: Tensor) -> Float[Tensor, "B n n"]:
        """The exact plan with rows that sum to 1: an assignment between all copies, gathered back to their tokens."""
        plan = torch.zeros_like(gain)
        of_copy = torch.repeat_interleave(copies)
        for one, cost, present in zip(plan, -gain.detach(), mass > 0, strict=True):
            token = of_copy[present[of_copy]]
            match = exact_matching(cost[token][:, token][None])[0]
            one.index_put_((token, token[match]), one.new_ones(()), accumulate=True)
        return plan / plan.sum(dim=-1, keepdim=True).clamp(min=1)


def note(record: dict[str, Tensor] | None, block: str, values: dict[str, Tensor]) -> None:
    """Add a block's values to a record, if there is one."""
    if record is not None:
        record.update({f"{block}.{name}": value for name, value in values.items()})
