"""Tokens that must tell a patient's genes from the slide, and whose attention then helps to pool it for survival.

G-HANet. Wang et al.: Histo-genomic knowledge distillation for cancer prognosis from histopathology whole slide images.
arXiv:2403.10040, 2024.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import InputError
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import ATTENTION, SHARE, Kind
from prognoscope.models.ghanet.card import CARD
from prognoscope.models.ghanet.hyper_pooling import HyperPooling
from prognoscope.models.ghanet.presets import check_sizes, settled
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.dropout import Dropout, relu_dropout
from prognoscope.models.layers.precision import for_products
from prognoscope.models.layers.token_attention import GatedFeedForward, TokenAttention
from prognoscope.models.options import check_numbers


class GHANet(SurvivalModel):
    """Learns from slides and genes, predicts from slides alone.

    The associating branch: one learned token per gene group draws on the patches in two rounds of cross-attention, and
    must reconstruct the patient's expression of the group. The survival branch: the patches with each token's largest
    scores, together with a gated attention, pool the bag once per token; a bridge joins both views of every token.
    The survival loss reaches the associating branch through the bridge alone. Linear in T.

    Explains with `attention`: "patches" (T,), the mean of "hyper" over tokens; "hyper" (T, G), the weights of the
    pooling; "association" (T, G), the mean over heads of the second round's scores, before the softmax; and where the
    branch is hyper, "genomic" (T, G), the softmax of the selected scores, and "morphology" (T,), the gated attention.
    Details: `reconstruction_0` ... (P, genes), of each group with genes; `f_gi`, `f_f2` (P, G, D), the pooled patches
    and the associating tokens; `f_m`, `f_m_attended` (P, G, E), joined, and after the last block; `embedding`
    (P, G * compress_dim); where the branch is hyper, `topk_mask` (T, G). G counts tokens here.

    Args:
        embedding_dim: The length of a patch embedding.
        group_sizes: Genes in each gene group, as many groups as tokens; a group without genes teaches nothing.
        n_bins: K, the number of time bins.
        variant: "paper" or "released": sets fusion and recon_reduction.
        preset: A row of the paper's ablation, "model1" to "model7"; sets cab, branch, bridge, pooling, differential.
        ratio: The share of a patient's patches that a token selects; at least one, and all that tie with the last.
        fusion: How the bridge joins: "concat" (E = 2 D) or "mean" (E = D).
        sce_gamma: Exponent of the scaled cosine error, at least 1.
        alpha_recon: Weight of the reconstruction losses.
        recon_reduction: Over the groups with genes: "mean" or "sum".
        num_tokens: G; only checked, as there is a token per gene group.
        differential, adjust, min_genes, round_counts: Which genes the groups are of, chosen in each fold; see
            `core.genes.GeneSelection`. By default "auto", in both variants.
        cab: The associating branch: two rounds of "cross" attention, or one "gated" attention per token.
        branch: How bags are pooled: "hyper", or "cross" attention from the associating tokens.
        bridge: False leaves the associating tokens out of the survival branch.
        pooling: Weights of the hyper branch: "both", or "genomic" alone.
        hidden_dim: D, the width of a projected patch and of a token.
        heads: Of every attention that has heads.
        attention_dim: The width of the gated attention's two branches.
        compress_dim: The width of a token before the hazards.
        dropout: Rate, below 1.
    """

    card = CARD
    patch_maps = ATTENTION | {
        "association": Kind(
            "association", "How strongly the gene group's token is associated with the patch.", "score", "gene_groups"
        ),
        "hyper": Kind(
            "hyper", "How much of the gene group's view of the slides the patch makes up.", SHARE, "gene_groups"
        ),
        "genomic": Kind("genomic", "The part of that which the genes' associations decide.", SHARE, "gene_groups"),
        "morphology": Kind("morphology", "The part of that which the patch's looks decide.", SHARE),
    }

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        variant: str = "paper",
        preset: str = "model7",
        ratio: float = 0.2,
        fusion: str | None = None,
        sce_gamma: float = 3.0,
        alpha_recon: float = 0.3,
        recon_reduction: str | None = None,
        num_tokens: int | None = None,
        differential: str | None = None,
        adjust: str = "none",
        min_genes: int = 2,
        round_counts: bool = False,
        cab: str | None = None,
        branch: str | None = None,
        bridge: bool | None = None,
        pooling: str | None = None,
        hidden_dim: int = 512,
        heads: int = 4,
        attention_dim: int = 256,
        compress_dim: int = 256,
        dropout: float = 0.25,
    ):
        chosen = {"variant": variant, "preset": preset, "fusion": fusion, "recon_reduction": recon_reduction}
        chosen |= {"cab": cab, "branch": branch, "bridge": bridge, "pooling": pooling, "differential": differential}
        super().__init__(**chosen, adjust=adjust, min_genes=min_genes, round_counts=round_counts)
        chosen = settled(chosen)
        check_sizes(group_sizes, num_tokens, hidden_dim, heads)
        check_numbers(
            "ghanet",
            ("ratio", ratio, 0 < ratio <= 1, "number above 0 and at most 1"),
            ("sce_gamma", sce_gamma, sce_gamma >= 1, "number from 1 on"),
            ("alpha_recon", alpha_recon, alpha_recon >= 0, "number from 0 on"),
            ("dropout", dropout, 0 <= dropout < 1, "number from 0 to below 1"),
        )
        self.group_sizes, self.sce_gamma, self.alpha_recon = tuple(group_sizes), sce_gamma, alpha_recon
        self.recon_reduction, self.dropout = chosen["recon_reduction"], dropout
        self.fusion = chosen["fusion"] if chosen["bridge"] else "none"

        n_tokens, width = len(group_sizes), hidden_dim * (2 if self.fusion == "concat" else 1)
        if chosen["cab"] == "cross":
            self.associate = _CrossAssociation(embedding_dim, hidden_dim, n_tokens, heads, dropout)
        else:
            self.associate = _GatedAssociation(embedding_dim, hidden_dim, n_tokens, attention_dim, dropout)
        self.reconstruct = nn.ModuleDict(
            {str(i): _reconstruction_head(hidden_dim, size, dropout) for i, size in enumerate(group_sizes) if size}
        )
        self.project = nn.Sequential(nn.Linear(embedding_dim, hidden_dim), nn.LayerNorm(hidden_dim))
        if chosen["branch"] == "hyper":
            self.pool = HyperPooling(hidden_dim, attention_dim, ratio, morphology=chosen["pooling"] == "both")
        else:
            self.pool = _CrossPooling(hidden_dim, heads, dropout)
        self.attend = TokenAttention(width, heads, dropout)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = GatedFeedForward(width, dropout)
        self.compress = nn.Sequential(
            nn.Linear(width, compress_dim), nn.LayerNorm(compress_dim), nn.ReLU(), Dropout(dropout)
        )
        self.head = nn.Linear(n_tokens * compress_dim, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        inputs.bags.need_patches("ghanet")
        bags = inputs.bags.replace(for_products(inputs.bags.values))
        f2, association = self.associate(bags)
        # the two projections as one product are no faster, as everything behind would read every other half row
        patches = bags.replace(relu_dropout(self.project(bags.values), self.dropout, training=self.training))
        f_gi, attention, details = self.pool(patches, f2, association)
        joined = self._join(f_gi, f2)
        tokens = joined + self.attend(joined)
        tokens = tokens + self.feed_forward(self.norm(tokens))
        embedding = self.compress(tokens).flatten(1)
        attention |= {"association": association, "patches": attention["hyper"].mean(dim=1)}
        details |= {"f_gi": f_gi, "f_f2": f2, "f_m": joined, "f_m_attended": tokens, "embedding": embedding}
        details |= {f"reconstruction_{i}": head(f2[:, int(i)]) for i, head in self.reconstruct.items()}
        return Output(self.head(embedding), attention=attention, details=details)

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """Errors of the reconstruction, weighted: "sce", scaled cosine, and "mse", mean square.

        Zero for a patient without genes. A group of one gene has no direction, so its cosine error is left out.

        Raises:
            InputError: There are no genes to learn from, or others than the model was made for.
        """
        if not target.omics:
            raise InputError(
                "ghanet learns to tell genes from slides, but the patients to train on have no genes. "
                "Give cohort.omics in the study file; they are not needed to predict."
            )
        if (sizes := tuple(group.shape[1] for group in target.omics)) != self.group_sizes:
            raise InputError(f"This ghanet was made for gene groups of {self.group_sizes} genes, not of {sizes}.")
        sce = mse = count = torch.zeros(len(target), device=output.logits.device)
        for i in map(int, self.reconstruct):
            genes, found = target.omics[i], output.details[f"reconstruction_{i}"].float()
            known = ~genes.isnan().any(dim=1)
            genes = genes.where(known[:, None], 0)
            mse = mse + (found - genes).square().mean(dim=1).where(known, 0)
            if self.group_sizes[i] > 1:
                sce = sce + scaled_cosine_error(found, genes, self.sce_gamma).where(known, 0)
            count = count + known
        scale = self.alpha_recon / (count.clamp(min=1) if self.recon_reduction == "mean" else 1)
        return {"sce": scale * sce, "mse": scale * mse}

    def _join(self, f_gi: Float[Tensor, "P G D"], f2: Float[Tensor, "P G D"]) -> Float[Tensor, "P G E"]:
        if self.fusion == "concat":
            return torch.cat([f_gi, f2], dim=2)
        return (f_gi + f2) / 2 if self.fusion == "mean" else f_gi


def scaled_cosine_error(found: Float[Tensor, "P g"], truth: Float[Tensor, "P g"], gamma: float) -> Float[Tensor, " P"]:
    """(1 - cosine) ** gamma, per patient; 1 where a vector is zero.

    Source: Hou et al.: GraphMAE: self-supervised masked graph autoencoders. KDD 2022.
    """
    cosine = (F.normalize(found, dim=1) * F.normalize(truth, dim=1)).sum(dim=1)
    return (1 - cosine).clamp(min=0) ** gamma  # rounding may take the cosine above 1


class _CrossAssociation(nn.Module):
    """Two rounds of cross-attention from the tokens, with the same weights: the tokens' view, and their scores."""

    def __init__(self, embedding_dim: int, dim: int, n_tokens: int, heads: int, dropout: float):
        super().__init__()
        self.dropout = dropout
        self.project = nn.Linear(embedding_dim, dim)
        self.tokens = nn.Parameter(torch.randn(1, n_tokens, dim))
        self.attend = TokenAttention(dim, heads, dropout)
        self.patch_norm = nn.LayerNorm(dim)
        self.query_norm = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))  # of each round
        self.update_norm = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.feed_forward = nn.ModuleList(GatedFeedForward(dim, dropout) for _ in range(2))
        self.last_norm = nn.LayerNorm(dim)

    def forward(self, bags: Bags) -> tuple[Float[Tensor, "P G D"], Float[Tensor, "T G"]]:
        patches = relu_dropout(self.project(bags.values), self.dropout, training=self.training)
        patches = bags.replace(self.patch_norm(patches))
        update: Tensor | float = 0.0
        for i in range(2):
            drawn, scores = self.attend.over(self.query_norm[i](self.tokens + update), patches)
            update = drawn + self.feed_forward[i](self.update_norm[i](drawn))
        return self.last_norm(update), scores.mean(dim=1)


class _GatedAssociation(nn.Module):
    """A gated attention with a logit per token instead: the ablation's definition is ours."""

    def __init__(self, embedding_dim: int, dim: int, n_tokens: int, attention_dim: int, dropout: float):
        super().__init__()
        self.dropout = dropout
        self.project = nn.Linear(embedding_dim, dim)
        self.gate = GatedAttention(dim, attention_dim, outputs=n_tokens)
        self.last_norm = nn.LayerNorm(dim)

    def forward(self, bags: Bags) -> tuple[Float[Tensor, "P G D"], Float[Tensor, "T G"]]:
        patches = relu_dropout(self.project(bags.values), self.dropout, training=self.training)
        logits = self.gate(patches)
        pooled = bags.weighted_sum(bags.softmax(logits).to(patches.dtype), patches)
        return self.last_norm(pooled), logits


class _CrossPooling(nn.Module):
    """Bags pooled by cross-attention from the associating tokens instead: the ablation's definition is ours."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.attend = TokenAttention(dim, heads, dropout)

    def forward(
        self, patches: Bags, f2: Float[Tensor, "P G D"], association: Float[Tensor, "T G"]
    ) -> tuple[Float[Tensor, "P G D"], dict[str, Tensor], dict[str, Tensor]]:
        drawn, scores = self.attend.over(f2, patches)
        return drawn, {"hyper": patches.softmax(scores.detach()).mean(dim=1)}, {}


def _reconstruction_head(dim: int, n_genes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, dim), nn.LayerNorm(dim), nn.ELU(), Dropout(dropout), nn.Linear(dim, n_genes))
