"""A few learned prototypes read the slide, and the share of patches that each resembles most scales what it says.

Wang et al.: Surformer, an interpretable pattern-perceptive survival transformer for cancer survival prediction from
histopathology whole slide images. Comput Methods Programs Biomed 2023.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import discrete_nll
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import ATTENTION, SHARE, Kind
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.token_attention import GatedFeedForward, TokenAttention
from prognoscope.models.surformer.card import CARD


class Surformer(SurvivalModel):
    """One global and several local prototypes draw on the patches by cross-attention, twice, and attend to each other.

    Each head counts, for every local prototype, the patches that score highest with it; the shares, without gradient,
    scale the local tokens. Hazards are predicted from the global token, from the local ones, and from both, which is
    the prediction. Keys are folded into the prototypes and values are projected after pooling. Linear in T.

    Explains with `attention`: "patches" (T,), the mean of "prototypes"; "prototypes" (T, J), each prototype's softmax
    over patches, the mean over heads. Details: `scores` (T, heads, J), scaled, before the softmax; `assign` (T, heads),
    the local prototype, 0 to J - 2, that scores highest; `selected` (T, heads), whether it was counted; `ratio`
    (P, J - 1); `tokens` (P, J, D), after the last block; `local_features` (P, J - 1, c); `global_logits` and
    `local_logits` (P, K). J counts prototypes here.

    Args:
        embedding_dim: The length of a patch embedding.
        n_bins: K, the number of time bins.
        n_prototypes: J, the global one included; at least 3.
        hidden_dim: D, the width of a token and of a projected patch.
        heads, head_dim: Of both attentions.
        local_dim: c, the width of a local token before the hazards.
        margin: Two local features repel each other only if their cosine is above this; None: always.
        dropout: Rate on the attention and after the feed-forward layers.
    """

    card = CARD
    patch_maps = ATTENTION | {
        "prototype": Kind("prototypes", "How much of this prototype the patch makes up.", SHARE, "numbers")
    }

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        n_prototypes: int = 5,
        hidden_dim: int = 512,
        heads: int = 4,
        head_dim: int = 64,
        local_dim: int = 128,
        margin: float | None = None,
        dropout: float = 0.25,
    ):
        super().__init__()
        if n_prototypes < 3:
            raise ModelError(f"surformer needs a global and two local prototypes, not n_prototypes={n_prototypes}.")
        self.margin = margin
        self.prototypes = nn.Parameter(torch.randn(1, n_prototypes, hidden_dim))
        self.project = nn.Sequential(
            nn.Linear(embedding_dim, hidden_dim),
            nn.LayerNorm(hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(9))  # numbered as published
        self.draw = TokenAttention(hidden_dim, heads, dropout, inner=heads * head_dim)
        self.mix = TokenAttention(hidden_dim, heads, dropout, inner=heads * head_dim)
        self.feed_forward = nn.ModuleList(GatedFeedForward(hidden_dim, dropout) for _ in range(4))
        self.compress = nn.Sequential(nn.Linear(hidden_dim, local_dim), nn.LayerNorm(local_dim), nn.ReLU())
        all_local = (n_prototypes - 1) * local_dim
        self.local_norm = nn.LayerNorm(all_local)
        self.global_head = nn.Linear(hidden_dim, n_bins, bias=False)
        self.local_head = nn.Linear(all_local, n_bins, bias=False)
        self.head = nn.Linear(hidden_dim + all_local, n_bins, bias=False)
        nn.init.kaiming_normal_(self.get_parameter("compress.0.weight"), mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.get_parameter("compress.0.bias"))
        for head in (self.global_head, self.local_head, self.head):
            nn.init.normal_(head.weight, std=1e-3)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        bags.need_patches("surformer")
        norm, feed_forward = self.norms, self.feed_forward
        patches = bags.replace(norm[1](self.project(bags.values)))
        queries = norm[0](self.prototypes)
        tokens, scores = self.draw.over(queries, patches)
        ratio, assign, selected = shares(bags, scores)
        tokens = tokens + feed_forward[0](norm[2](tokens))
        tokens = tokens + self.mix(norm[3](tokens))
        tokens = tokens + feed_forward[1](norm[4](tokens))
        tokens = tokens + self.draw(queries, norm[5](tokens))
        tokens = tokens + feed_forward[2](norm[6](tokens))
        tokens = torch.cat([tokens[:, :1], (1 + ratio[:, :, None]) * tokens[:, 1:]], dim=1)
        tokens = tokens + self.mix(norm[7](tokens))
        tokens = tokens + feed_forward[3](norm[8](tokens))
        compressed = self.compress(tokens[:, 1:]).flatten(1)
        whole, local = tokens[:, 0], self.local_norm(compressed)
        prototypes = bags.softmax(scores.detach()).mean(dim=1)  # (T, J)
        return Output(
            self.head(torch.cat([whole, local], dim=1)),
            attention={"patches": prototypes.mean(dim=1), "prototypes": prototypes},
            details={
                "scores": scores,
                "assign": assign,
                "selected": selected,
                "ratio": ratio,
                "tokens": tokens,
                "local_features": local.unflatten(1, (tokens.shape[1] - 1, -1)),
                "global_logits": self.global_head(whole),
                "local_logits": self.local_head(local),
            },
        )

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """Likelihoods of the two other heads, "global" and "local", and how alike the local features are, "cosine"."""
        return {
            "global": discrete_nll(output.details["global_logits"], target, alpha=alpha),
            "local": discrete_nll(output.details["local_logits"], target, alpha=alpha),
            "cosine": mean_cosine(output.details["local_features"], self.margin),
        }


@torch.no_grad()
def shares(
    bags: Bags, scores: Float[Tensor, "T h J"]
) -> tuple[Float[Tensor, "P L"], Int[Tensor, "T h"], Int[Tensor, "T h"]]:
    """The share of (patch, head) pairs that score highest with each local prototype, all but the first.

    Also which one that is, and whether the pair counts: its softmax over local prototypes must exceed that of a tie of
    all of them. The shares sum to 1; equal ones where nothing counts.
    """
    chance = at_least_float32(scores)[:, :, 1:].softmax(dim=2)
    n_local = chance.shape[2]
    largest, assign = chance.max(dim=2)
    selected = (largest > 1 / n_local).int()
    counts = bags.sum((F.one_hot(assign, n_local) * selected[:, :, None]).sum(dim=1).to(chance))  # (P, L)
    total = counts.sum(dim=1, keepdim=True)
    return torch.where(total > 0, counts / total.clamp(min=1), 1 / n_local), assign, selected


def mean_cosine(features: Float[Tensor, "P L c"], margin: float | None = None) -> Float[Tensor, " P"]:
    """The mean cosine over pairs of a patient's features; only of pairs above the margin, if given, 0 without any."""
    unit = F.normalize(at_least_float32(features), dim=2)
    first, second = torch.triu_indices(features.shape[1], features.shape[1], 1, device=features.device)
    cosine = (unit[:, first] * unit[:, second]).sum(dim=2)  # (P, pairs)
    counted = torch.ones_like(cosine) if margin is None else (cosine > margin).to(cosine)
    return (cosine * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
