"""Two encoders and two decoders: each modality guesses the summary of the other, and both meet in the prediction.

Zhou, Chen: Cross-modal translation and alignment for survival analysis. ICCV 2023.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Output, Target
from prognoscope.core.errors import ModelError
from prognoscope.core.losses import discrete_nll, survival_cross_entropy
from prognoscope.models.base import SurvivalModel
from prognoscope.models.cmta.alignment import ALIGNMENTS, alignment_loss
from prognoscope.models.cmta.card import CARD
from prognoscope.models.cmta.cross_attention import Exchange, SeparateCrossAttention, SharedCrossAttention
from prognoscope.models.explained import ATTENTION, GENE_TO_PATCH, SHARE, Kind
from prognoscope.models.layers.fusion import BilinearFusion, ConcatFusion
from prognoscope.models.layers.nystrom_encoder import NystromEncoder, class_attention, start_xavier
from prognoscope.models.layers.ppeg import fold_copies, without_copies
from prognoscope.models.layers.projection import MODEL_SIZES, GeneGroups, as_bags
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.options import check_choices

CHOICES = {
    "variant": ("paper", "released"),
    "model_size": tuple(MODEL_SIZES),
    "fusion": ("concat", "bilinear"),
    "alignment": ALIGNMENTS,
    "attention": ("nystrom", "exact"),
    "likelihood": ("nll", "ce"),
}


class CMTA(SurvivalModel):
    """Encoders summarise bag and gene groups; cross-attention and decoders guess each summary from the other side.

    The prediction uses the means of summaries and guesses; a loss pulls each guess to its summary. The order of
    patches matters. Linear in T.

    Explains with `attention`: "gene_to_patch" (T, S), where in the bag each gene group looks, sums to 1 within a
    patient; "patches" (T,), its mean over groups; "patch_to_gene" (T, S), which group each patch looks at, sums to 1
    over groups. Attention to a copy that squaring made of a patch is the patch's. Without cross-attention there is only
    "patches", the magnitude of the class token's row in the bag encoder's last map, and in evaluation mode alone.
    Details: `p`, `p_hat`, `g`, `g_hat`, the summaries of bag and genes and their guesses, and `fused`, all (P, d).

    Args:
        embedding_dim: D, the length of a patch embedding.
        group_sizes: Genes in each of the S gene groups.
        n_bins: K, the number of time bins.
        variant: Cross-attention by the "paper", with one matrix of similarities for both directions, or as "released":
            two attentions with biases and output projections, and a likelihood of probabilities clamped at 1e-7.
        model_size: Widths of the projections, "small" or "large".
        d: Width of a token.
        patch_hidden, gene_hidden: Width and widths inside the projections, instead of those of `model_size`.
        heads, landmarks, steps, kernel: Of the Nystrom attention; d / 2 landmarks by default.
        fusion: Of the two means: "concat" or "bilinear".
        alignment: What pulls a guess to its summary: "l1", "mse", "kl", "cosine" or "orthogonal".
        alpha: Weight of the alignment. The paper gives none; 0.5 is the released code's default, whose commands say 1
            for BLCA, GBMLGG and UCEC, 100 for BRCA and 0.0001 for LUAD, probably chosen on the reported folds.
        gamma: Weight of the right angles in the "orthogonal" alignment.
        detach: The alignment moves the guesses alone.
        cross_attention: False hands the encoded tokens of each side straight to the other side's decoder.
        ppeg: False leaves out squaring and the code of position.
        final_norm: Normalise what encoders and decoders return, as released; False is the paper's equations.
        attention: "exact" is ordinary attention in sequences of at most `landmarks` tokens.
        likelihood: "nll", or "ce", the released code's cross-entropy of survival.
        dropout: Rate in the projections and in the bilinear fusion.
        attention_dropout: Rate at the output of a Nystrom attention.
    """

    card = CARD
    patch_maps = (
        ATTENTION
        | GENE_TO_PATCH
        | {
            "patch_to_gene": Kind(
                "patch_to_gene",
                "How much of what the patch looks for among the genes the gene group gives.",
                SHARE,
                "gene_groups",
            )
        }
    )

    def __init__(
        self,
        embedding_dim: int,
        group_sizes: tuple[int, ...],
        n_bins: int,
        *,
        variant: str = "paper",
        model_size: str = "small",
        d: int = 256,
        patch_hidden: int | None = None,
        gene_hidden: Sequence[int] | None = None,
        heads: int = 8,
        landmarks: int | None = None,
        steps: int = 6,
        kernel: int = 33,
        fusion: str = "concat",
        alignment: str = "l1",
        alpha: float = 0.5,
        gamma: float = 0.5,
        detach: bool = True,
        cross_attention: bool = True,
        ppeg: bool = True,
        final_norm: bool = True,
        attention: str = "nystrom",
        likelihood: str = "nll",
        dropout: float = 0.25,
        attention_dropout: float = 0.1,
    ):
        super().__init__()
        given = {"variant": variant, "model_size": model_size, "fusion": fusion, "alignment": alignment}
        given |= {"attention": attention, "likelihood": likelihood}
        check_choices("cmta", given, CHOICES)
        if alpha < 0:
            raise ModelError(f"The weight of cmta's alignment cannot be negative: alpha={alpha}.")
        self.variant, self.likelihood = variant, likelihood
        self.alignment, self.alpha, self.gamma, self.detach = alignment, alpha, gamma, detach

        widths = MODEL_SIZES[model_size]
        self.project = ReLULayers(embedding_dim, patch_hidden or widths[0], d, dropout=dropout)
        self.genes = GeneGroups(group_sizes, widths[1] if gene_hidden is None else gene_hidden, d, dropout)
        options = {
            "final_norm": final_norm,
            "heads": heads,
            "landmarks": landmarks,
            "steps": steps,
            "kernel": kernel,
            "dropout": attention_dropout,
            "exact": attention == "exact",
        }
        self.patch_encoder, self.patch_decoder = (NystromEncoder(d, square=ppeg, **options) for _ in range(2))
        self.gene_encoder, self.gene_decoder = (NystromEncoder(d, **options) for _ in range(2))
        self.cross = None
        if cross_attention:
            self.cross = SharedCrossAttention(d) if variant == "paper" else SeparateCrossAttention(d)
        self.fuse = ConcatFusion(d) if fusion == "concat" else BilinearFusion(d, dropout=dropout)
        self.head = nn.Linear(d, n_bins)
        self.apply(start_xavier)

    def forward(self, inputs: Inputs) -> Output:
        return self._predict(inputs, None)

    @torch.no_grad()
    def stages(self, inputs: Inputs) -> dict[str, Tensor]:
        """What lies between input and prediction; U counts patches with the copies that squaring made.

        "patch_embedding" (T, d), "gene_embedding" (P, S, d); after the encoders "patch_tokens" (U, d) and "gene_tokens"
        (P, S, d). With cross-attention, before folding: "attn_g2p" and "attn_p2g", scores before the softmax as
        "score_g2p" and "score_p2g", all (U, S), and what they read, "patch_cross" (U, d) and "gene_cross" (P, S, d).
        "patch_encoder.layer1" and ".layer2" (T, heads): how much the class token draws on each patch, folded; entries
        may be negative. The same of "patch_decoder" with cross-attention.
        """
        record: dict[str, Tensor] = {}
        self._predict(inputs, record)
        return record

    def why_one_cause(self) -> str:
        return "its cross-entropy knows one kind of event; set likelihood: nll" if self.likelihood == "ce" else ""

    def survival_loss(self, output: Output, target: Target, *, alpha: float = 0.0) -> Float[Tensor, " P"]:
        if self.likelihood == "ce":
            return survival_cross_entropy(output.logits, target, alpha=alpha)
        return discrete_nll(output.logits, target, alpha=alpha, clamp=self.variant == "released")

    def extra_losses(self, output: Output, target: Target, *, alpha: float = 0.0) -> dict[str, Float[Tensor, " P"]]:
        """How far the guesses are from their summaries, times `alpha`."""
        if self.alpha == 0:
            return {}
        four = (output.details[name] for name in ("p", "p_hat", "g", "g_hat"))
        loss = alignment_loss(self.alignment, *four, detach=self.detach, gamma=self.gamma)
        return {"alignment": self.alpha * loss}

    def _predict(self, inputs: Inputs, record: dict[str, Tensor] | None) -> Output:
        bags = inputs.bags
        bags.need_patches("cmta")
        patches, groups = bags.replace(self.project(bags.values)), self.genes(inputs.omics)
        needs_rows = record is not None or (self.cross is None and not self.training)
        rows: list[Tensor] | None = [] if needs_rows else None
        p, patch_tokens = self.patch_encoder(patches, rows)
        g, gene_tokens = self.gene_encoder(as_bags(groups))
        gene_tokens = gene_tokens.values.view_as(groups)
        if self.cross is None:
            exchange, for_patches, for_genes = None, as_bags(gene_tokens), patch_tokens
        else:
            exchange = self.cross(patch_tokens, gene_tokens)
            for_patches, for_genes = patch_tokens.replace(exchange.of_genes), as_bags(exchange.of_patches)
        decoder_rows: list[Tensor] | None = None if record is None else []
        p_hat = self.patch_decoder.summary(for_patches, decoder_rows)
        g_hat = self.gene_decoder.summary(for_genes)
        fused = self.fuse((p + p_hat) / 2, (g + g_hat) / 2)
        if record is not None:
            record |= {"patch_embedding": patches.values, "gene_embedding": groups}
            record |= {"patch_tokens": patch_tokens.values, "gene_tokens": gene_tokens}
            record |= _of_exchange(exchange)
            covers = {"patch_encoder": rows} | ({} if exchange is None else {"patch_decoder": decoder_rows})
            for name, maps in covers.items():
                record |= {f"{name}.layer{i}": fold_copies(x, bags) for i, x in enumerate(maps or (), start=1)}
        details = {"p": p, "p_hat": p_hat, "g": g, "g_hat": g_hat, "fused": fused}
        return Output(self.head(fused), attention=self._attention(bags, exchange, rows), details=details)

    @torch.no_grad()
    def _attention(self, bags: Bags, exchange: Exchange | None, rows: list[Tensor] | None) -> dict[str, Tensor]:
        if exchange is None:
            return {} if rows is None else {"patches": class_attention(fold_copies(rows[-1], bags), bags)}
        gene_to_patch = fold_copies(exchange.gene_to_patch, bags)
        own = without_copies(exchange.patch_to_gene, bags)
        return {"patches": gene_to_patch.mean(dim=1), "gene_to_patch": gene_to_patch, "patch_to_gene": own}


def _of_exchange(exchange: Exchange | None) -> dict[str, Tensor]:
    if exchange is None:
        return {}
    names = {"of_genes": "patch_cross", "of_patches": "gene_cross", "patch_to_gene": "attn_p2g"}
    names |= {"gene_to_patch": "attn_g2p", "patch_scores": "score_p2g", "gene_scores": "score_g2p"}
    return {names[field]: value for field, value in exchange._asdict().items()}
