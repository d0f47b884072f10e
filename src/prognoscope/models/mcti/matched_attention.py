"""Attention between channels, gated by the tokens of another stream that exact transport matches.

The blocks of the released code of MCTI (MICCAI 2024), which differ from its paper. S streams run as one batch, each
with its own weights: everywhere, a stream is (S, P, n, D), and a source or objective may be one stream for all.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.transport import exact_matching
from prognoscope.models.mcti.guided_attention import StreamLinear, StreamNorm

Maps = dict[str, Tensor]


def channel_attention(
    queries: Float[Tensor, "*B n D"], keys: Float[Tensor, "*B n D"], scale: Float[Tensor, "*_ 1 1"]
) -> Float[Tensor, "*B D D"]:
    """How much each channel of the keys draws on each of the queries, by their cosines over the tokens."""
    queries, keys = (F.normalize(at_least_float32(x), dim=-2) for x in (queries, keys))
    return (scale * (keys.mT @ queries)).softmax(dim=-1)


class FeedForward(nn.Module):
    """Two layers of a token's own width, added to what they read."""

    def __init__(self, streams: int, dim: int):
        super().__init__()
        self.norm = StreamNorm(streams, dim)
        self.widen, self.narrow = StreamLinear(streams, dim, dim), StreamLinear(streams, dim, dim)

    def forward(self, x: Float[Tensor, "S P n D"]) -> Float[Tensor, "S P n D"]:
        return x + self.narrow(F.gelu(self.widen(self.norm(x))))


class SelfAttention(nn.Module):
    """Attention among the tokens of a stream, with one head, then a feed-forward layer."""

    def __init__(self, streams: int, dim: int):
        super().__init__()
        self.norm = StreamNorm(streams, dim)
        self.to_qkv = StreamLinear(streams, dim, 3 * dim, bias=False)
        self.proj = StreamLinear(streams, dim, dim)
        self.feed = FeedForward(streams, dim)

    def forward(self, x: Float[Tensor, "S P n D"]) -> Float[Tensor, "S P n D"]:
        q, k, v = self.to_qkv(self.norm(x)).chunk(3, dim=-1)
        return self.feed(x + self.proj(F.scaled_dot_product_attention(q, k, v)))


class MatchedAttention(nn.Module):
    """Channels attend to each other; the values are gated by the objective's tokens that they are matched with.

    The matching carries no gradient; the objective's tokens learn as the gate.
    """

    def __init__(self, streams: int, dim: int):
        super().__init__()
        self.to_qkv = StreamLinear(streams, dim, 3 * dim, bias=False)
        self.rescale = nn.Parameter(torch.ones(streams))
        self.proj = StreamLinear(streams, dim, dim)
        self.widen, self.narrow = StreamLinear(streams, dim, dim), StreamLinear(streams, dim, dim)

    def forward(
        self, x: Float[Tensor, "_ P n D"], objective: Float[Tensor, "_ P n D"]
    ) -> tuple[Float[Tensor, "S P n D"], Int[Tensor, "S P n"]]:
        """The new tokens, and the token of `x` that each of the objective's is matched with."""
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        objective = objective.expand_as(v)
        matching = cheapest_matching(objective, v)
        # as released: the index belongs to the tokens of x, but picks those of the objective; 1 / n is the plan's mass
        gated = objective.gather(2, matching[..., None].expand_as(v)) * v / v.shape[2]
        y = gated @ channel_attention(q, k, self.rescale[:, None, None, None]).to(v.dtype).mT
        return self.proj(y) + self.narrow(F.gelu(self.widen(v))), matching


class MatchedBlock(nn.Module):
    """Pre-norm matched attention and a feed-forward layer, each added to what it reads."""

    def __init__(self, streams: int, dim: int):
        super().__init__()
        self.norm = StreamNorm(streams, dim)
        self.attend = MatchedAttention(streams, dim)
        self.feed = FeedForward(streams, dim)

    def forward(
        self, x: Float[Tensor, "_ P n D"], objective: Float[Tensor, "_ P n D"]
    ) -> tuple[Float[Tensor, "S P n D"], Int[Tensor, "S P n"]]:
        y, matching = self.attend(self.norm(x), objective)
        return self.feed(x + y), matching


class MatchedBlocks(nn.ModuleList):
    """Several blocks under one unchanging objective; also all their matchings, (blocks, S, P, n)."""

    def __init__(self, streams: int, dim: int, depth: int):
        super().__init__(MatchedBlock(streams, dim) for _ in range(depth))

    def forward(
        self, x: Float[Tensor, "_ P n D"], objective: Float[Tensor, "_ P n D"]
    ) -> tuple[Float[Tensor, "S P n D"], Int[Tensor, "B S P n"]]:
        matchings = []
        for block in self:
            x, matching = block(x, objective)
            matchings.append(matching)
        return x, torch.stack(matchings)


class Mix(nn.Module):
    """Weighted sums of two streams, each with a shift: a 1 x 1 convolution over the pair."""

    def __init__(self, outputs: int):
        super().__init__()
        bound = 2**-0.5  # torch's own start of such a convolution
        self.weight = nn.Parameter(torch.empty(outputs, 2).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))

    def forward(self, pair: Float[Tensor, "2 P n D"]) -> Float[Tensor, "M P n D"]:
        weight, bias = self.weight[..., None, None, None], self.bias[:, None, None, None]
        return torch.addcmul(bias + weight[:, 0] * pair[0], weight[:, 1], pair[1])  # no product of matrices: in float32


class EncoderBlock(nn.Module):
    """Both tasks attend to themselves, then each gates the shared stream; a mix of both is the new shared stream."""

    def __init__(self, dim: int, depth: int):
        super().__init__()
        self.refine = nn.Sequential(SelfAttention(2, dim), SelfAttention(2, dim))
        self.guide = MatchedBlocks(2, dim, depth)
        self.mix = Mix(1)

    def forward(
        self, tasks: Float[Tensor, "2 P n D"], share: Float[Tensor, "1 P n D"]
    ) -> tuple[Float[Tensor, "2 P n D"], Float[Tensor, "1 P n D"], Maps]:
        refined = self.refine(tasks)
        tasks, matching = self.guide(share, refined)
        return tasks, self.mix(tasks), {"refined": refined, "matching": matching}


class Bottleneck(nn.Module):
    """Each task gates the shared stream; a mix of both is the new shared stream, and the tasks stay as they are."""

    def __init__(self, dim: int, depth: int = 2):
        super().__init__()
        self.guide = MatchedBlocks(2, dim, depth)
        self.mix = Mix(1)

    def forward(
        self, tasks: Float[Tensor, "2 P n D"], share: Float[Tensor, "1 P n D"]
    ) -> tuple[Float[Tensor, "1 P n D"], Maps]:
        guided, matching = self.guide(share, tasks)
        return self.mix(guided), {"matching": matching}


class DecoderBlock(nn.Module):
    """The shared stream and its skip attend to themselves; mixes of both gate the tasks, a third is the new share."""

    def __init__(self, dim: int, depth: int):
        super().__init__()
        self.refine = nn.Sequential(SelfAttention(1, dim), SelfAttention(1, dim))
        self.guide = MatchedBlocks(2, dim, depth)
        self.mix = Mix(3)  # the subtype's objective, survival's, and the new shared stream

    def forward(
        self, tasks: Float[Tensor, "2 P n D"], share: Float[Tensor, "1 P n D"], skip: Float[Tensor, "1 P n D"]
    ) -> tuple[Float[Tensor, "2 P n D"], Float[Tensor, "1 P n D"], Maps]:
        both = torch.cat([share, skip], dim=1)  # one set of weights, so both are more patients of one stream
        refined = self.refine(both).unflatten(1, (2, -1))[0]
        mixed = self.mix(refined)
        tasks, matching = self.guide(tasks, mixed[:2])
        return tasks, mixed[2:], {"refined": refined, "objective": mixed[:2], "matching": matching}


@torch.no_grad()
def cheapest_matching(rows: Float[Tensor, "S P n D"], columns: Float[Tensor, "S P n D"]) -> Int[Tensor, "S P n"]:
    """The column token of each row token at the least total squared distance.

    Squared norms are the same for every matching, so the products alone decide; nothing is lost to rounding where
    tokens are close to each other.
    """
    with torch.autocast(rows.device.type, enabled=False):
        product = at_least_float32(rows).flatten(0, 1) @ at_least_float32(columns).flatten(0, 1).mT
    return exact_matching(-product).unflatten(0, rows.shape[:2])
