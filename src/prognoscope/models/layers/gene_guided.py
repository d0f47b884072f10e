"""What MCAT and MOTCat make of a patient's gene tokens and of the slide tokens that those have guided."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.core.errors import ModelError
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.fusion import BilinearFusion, ConcatFusion
from prognoscope.models.layers.precision import at_least_float32
from prognoscope.models.layers.projection import GeneGroups
from prognoscope.models.layers.relu_layers import ReLULayers
from prognoscope.models.options import check_choices

OMIC_WIDTHS = {"small": (None,), "big": (1024, 1024, 1024)}  # inside a gene group's network; None is the token's width
FUSIONS = ("concat", "bilinear")


def gene_layers(
    method: str, group_sizes: Sequence[int], dim: int, omic_width: str, hidden: Sequence[int] | None, dropout: float
) -> GeneGroups:
    """A self-normalising network for each gene group, (P, _) each -> (P, S, dim).

    Args:
        omic_width: "small" has one hidden layer of the token's width, "big" three of 1024.
        hidden: Widths of the hidden layers, instead of those.
    """
    check_choices(method, {"omic_width": omic_width}, {"omic_width": OMIC_WIDTHS})
    widths = [width or dim for width in OMIC_WIDTHS[omic_width]] if hidden is None else hidden
    return GeneGroups(group_sizes, widths, dim, dropout)


class TokenSummary(nn.Module):
    """A transformer over the tokens of each patient, and one vector of them all by gated attention.

    The layers of the transformer normalise after each residual and start as copies of each other.
    """

    def __init__(self, dim: int, *, heads: int, layers: int, feed_forward: int, dropout: float):
        super().__init__()
        layer = nn.TransformerEncoderLayer(dim, heads, feed_forward, dropout, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.attend = GatedAttention(dim, dim, dropout)
        self.narrow = ReLULayers(dim, dim, dropout=dropout)

    def forward(self, tokens: Float[Tensor, "P S D"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The vector (P, D), the tokens after the transformer, and their weights, (P, S), before and after softmax."""
        tokens = self.transformer(tokens)
        logits = at_least_float32(self.attend(tokens.flatten(0, 1)).view(tokens.shape[:2]))
        weights = logits.softmax(dim=1)
        pooled = (weights[:, None, :].to(tokens.dtype) @ tokens)[:, 0]
        return self.narrow(pooled), tokens, logits, weights


class LateFusion(nn.Module):
    """Slide tokens and gene tokens, each summarised apart, then fused.

    Args:
        method: Who asks, for errors.
        dim: Width of a token and of the result.
        fusion: "concat" or "bilinear".
        fusion_hidden, shrink: `hidden` and `shrink` of the bilinear fusion.
    """

    def __init__(
        self,
        method: str,
        dim: int,
        *,
        heads: int,
        layers: int,
        feed_forward: int,
        fusion: str,
        fusion_hidden: int,
        shrink: tuple[int, int],
        dropout: float,
    ):
        super().__init__()
        check_choices(method, {"fusion": fusion}, {"fusion": FUSIONS})
        if dim % heads:
            raise ModelError(f"{method} cannot share a width of d={dim} between heads={heads}: it is no multiple.")
        options = {"heads": heads, "layers": layers, "feed_forward": feed_forward, "dropout": dropout}
        self.patches, self.genes = (TokenSummary(dim, **options) for _ in range(2))
        bilinear = {"hidden": fusion_hidden, "shrink": shrink, "dropout": dropout}
        self.fuse = ConcatFusion(dim) if fusion == "concat" else BilinearFusion(dim, **bilinear)

    def forward(
        self, guided: Float[Tensor, "P S D"], genes: Float[Tensor, "P S D"]
    ) -> tuple[Float[Tensor, "P D"], dict[str, Tensor]]:
        """The fused vector and what lies before it, by the names that MCAT's docstring explains."""
        details = {"gene_groups": genes, "guided_tokens": guided}
        for name, summarise, tokens in (("patch", self.patches, guided), ("gene", self.genes, genes)):
            details[name], details[f"{name}_tokens"], details[f"{name}_pool_logits"], details[f"{name}_pool"] = (
                summarise(tokens)
            )
        details["fused"] = self.fuse(details["patch"], details["gene"])
        return details["fused"], details
