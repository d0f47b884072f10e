"""Biological pathways and patches as tokens of one sparse attention.

Jaume et al.: Modeling dense multimodal interactions between biological pathways and histology for survival prediction
(SurvPath). CVPR 2024.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bag, Bags
from prognoscope.core.batch import Inputs, Output
from prognoscope.core.errors import ModelError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import ATTENTION, SHARE, Kind
from prognoscope.models.layers.dropout import Dropout
from prognoscope.models.options import check_choices
from prognoscope.models.survpath.attention import Attended, LandmarkAttention, PathwayAttention
from prognoscope.models.survpath.card import CARD, DRAWN
from prognoscope.models.survpath.pathway_networks import PathwayNetworks

CHOICES = {
    "attention": ("sparse", "nystrom"),
    "pool": ("both", "pathways", "patches"),
    "variant": ("paper", "released"),
}


class SurvPath(SurvivalModel):
    """A token for each gene group, which is a pathway, and one for each patch; pathways attend to all tokens, patches
    to pathways only, and the means of both kinds predict.

    Pathways are the study's gene groups, any number of them, from a GMT or CSV file; `cohort.omics.min_coverage: 0.9`
    is the published rule for leaving out those of which the table lacks genes. Linear in T.

    Explains with `attention`: "patches" (T,), what pathways give each patch on average, scaled to sum to 1 (of
    "nystrom" the size of the mean, which can be negative); in evaluation mode also "pathway_to_patch" (T, S), which
    with `details["pathway_to_pathway"]` (P, S, S) sums to 1 for each pathway, and "patch_to_pathway" (T, S), which sums
    to 1 over pathways. Details: `pathway_tokens` (P, S, d) and `patch_tokens` (T, d), what attention reads and where
    gradients of the risk can be taken; `embedding` (P, d).

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each of the S pathways.
        n_bins: K, the number of time bins.
        variant: "released" fills shorter bags with zeros up to 4096 in training, and lets them take part.
        d: Width of a token; attention has half of it.
        attention: "sparse", or "nystrom": all tokens attend to all through landmarks, where the order matters.
        landmarks, steps: Of the Nystrom attention.
        pool: Which means predict: "both", of "pathways" or of "patches".
        dropout: Rate of AlphaDropout in the pathways' networks.
        forward_dropout: Rate inside the feed-forward layer.
    """

    card = CARD
    patch_maps = ATTENTION | {
        "pathway_to_patch": Kind(
            "pathway_to_patch",
            "How much of what the pathway looks for in the slides the patch gives.",
            SHARE,
            "gene_groups",
        ),
        "patch_to_pathway": Kind(
            "patch_to_pathway",
            "How much of what the patch looks for among the genes the pathway gives.",
            SHARE,
            "gene_groups",
        ),
    }

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        variant: str = "paper",
        d: int = 256,
        attention: str = "sparse",
        landmarks: int = 256,
        steps: int = 6,
        pool: str = "both",
        dropout: float = 0.25,
        forward_dropout: float = 0.1,
    ):
        super().__init__()
        check_choices("survpath", {"variant": variant, "attention": attention, "pool": pool}, CHOICES)
        if d % 2 or d < 4:
            raise ModelError(f"survpath needs an even width of at least 4, not d={d}.")
        self.fills_bags, self.pool = variant == "released", pool
        self.pathways = PathwayNetworks(group_sizes, d, dropout)
        self.project = nn.Linear(embedding_dim, d)
        is_sparse = attention == "sparse"
        self.attend = PathwayAttention(d) if is_sparse else LandmarkAttention(d, landmarks=landmarks, steps=steps)
        width = d // 2 if is_sparse else d
        self.norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), Dropout(forward_dropout), nn.Linear(width, width)
        )
        self.last_norm = nn.LayerNorm(width)
        self.narrow = nn.Sequential(nn.Linear(width * (2 if pool == "both" else 1), d // 4), nn.ReLU())
        self.head = nn.Linear(d // 4, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        return self._predict(inputs, None)

    @torch.no_grad()
    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        """What lies between tokens and prediction, for both kinds of token.

        "attended_pathways" (P, S, e), "attended_patches" (T, e), what attention made of them; "pathways" and "patches",
        after the feed-forward layer. Of sparse attention also the scores before the softmax: "raw_pathway_to_pathway"
        (P, S, S), "raw_pathway_to_patch" (T, S) and "raw_patch_to_pathway" (T, S).
        """
        record: dict[str, Tensor] = {}
        self._predict(inputs, record)
        return record

    def _predict(self, inputs: Inputs, record: dict[str, Tensor] | None) -> Output:
        bags = inputs.bags
        bags.need_patches("survpath")
        if self.fills_bags and self.training:
            bags = _filled(bags, DRAWN)
        pathways, patches = self.pathways(inputs.omics), bags.replace(self.project(bags.values))
        details = {"pathway_tokens": pathways, "patch_tokens": patches.values}
        if isinstance(self.attend, PathwayAttention):
            attended = self.attend(pathways, patches)
            new_pathways, new_patches = attended.pathways, attended.patches
            attention = _where_pathways_look(attended, bags)
            if not self.training:
                attention, details = {**attention, **_maps(attended)}, {**details, **_among_pathways(attended)}
            if record is not None:
                record |= _raw(attended)
        else:
            new_pathways, new_patches, attention = self._through_landmarks(pathways, patches)
        stages = {"attended_pathways": new_pathways, "attended_patches": new_patches}
        new_pathways, new_patches = (
            self.last_norm(self.feed_forward(self.norm(tokens))) for tokens in (new_pathways, new_patches)
        )
        if record is not None:
            record |= stages | {"pathways": new_pathways, "patches": new_patches}
        means = {"pathways": new_pathways.mean(dim=1), "patches": bags.mean(new_patches)}
        embedding = torch.cat(list(means.values()), dim=1) if self.pool == "both" else means[self.pool]
        details["embedding"] = embedding
        return Output(self.head(self.narrow(embedding)), attention=attention, details=details)

    def _through_landmarks(
        self, pathways: Float[Tensor, "P S d"], patches: Bags
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        s = pathways.shape[1]
        pairs = zip(pathways, patches.split(patches.values), strict=True)
        both = Bags.pack([Bag(torch.cat([genes.to(bag.dtype), bag])) for genes, bag in pairs])
        attend = self.attend
        assert isinstance(attend, LandmarkAttention)
        new = both.split(attend(both))
        attention = {}
        if not self.training:
            draws = [attend.mean_map(tokens, s)[s:].abs() for tokens in both.split(both.values)]
            attention = {"patches": _shares(torch.cat(draws), patches)}
        return torch.stack([each[:s] for each in new]), torch.cat([each[s:] for each in new]), attention


def _shares(values: Float[Tensor, " T"], bags: Bags) -> Float[Tensor, " T"]:
    """Values scaled to sum to 1 within each patient."""
    return bags.softmax(values.clamp(min=torch.finfo(values.dtype).tiny).log())


def _where_pathways_look(attended: Attended, bags: Bags) -> dict[str, Tensor]:
    s = attended.pathways.shape[1]
    return {"patches": _shares(torch.cat([each.detach()[:, s:].mean(dim=0) for each in attended.to_all]), bags)}


def _maps(attended: Attended) -> dict[str, Tensor]:
    s = attended.pathways.shape[1]
    to_patch = torch.cat([each.detach()[:, s:].T for each in attended.to_all])
    return {"pathway_to_patch": to_patch, "patch_to_pathway": torch.cat(attended.to_pathways).detach()}


def _among_pathways(attended: Attended) -> dict[str, Tensor]:
    s = attended.pathways.shape[1]
    return {"pathway_to_pathway": torch.stack([each.detach()[:, :s] for each in attended.to_all])}


def _raw(attended: Attended) -> dict[str, Tensor]:
    s = attended.pathways.shape[1]
    return {
        "raw_pathway_to_pathway": torch.stack([each[:, :s] for each in attended.raw_to_all]),
        "raw_pathway_to_patch": torch.cat([each[:, s:].T for each in attended.raw_to_all]),
        "raw_patch_to_pathway": torch.cat(attended.raw_to_pathways),
    }


def _filled(bags: Bags, n: int) -> Bags:
    """Bags of at least n patches, the last of them zeros."""
    parts = [torch.cat([bag, bag.new_zeros(max(n - len(bag), 0), bag.shape[1])]) for bag in bags.split(bags.values)]
    return Bags.pack([Bag(part) for part in parts])
