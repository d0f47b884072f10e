"""Two Nystrom attentions over the patches of a bag with a code of position between them, and a class token.

Shao et al.: TransMIL: Transformer based correlated multiple instance learning. NeurIPS 2021.
"""

from torch import Tensor, nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.models.base import SurvivalModel
from prognoscope.models.layers.nystrom_encoder import NystromEncoder, class_attention
from prognoscope.models.layers.ppeg import fold_copies
from prognoscope.models.options import check_choices
from prognoscope.models.transmil.card import CARD

CHOICES = {"alignment": ("current", "legacy"), "attention": ("nystrom", "exact")}


class TransMIL(SurvivalModel):
    """Patches correlate through landmarks; the class token gives the hazards. The order of patches matters.

    The paper classifies bags; hazards from the class token are what the survival papers made of it. Linear in T;
    patients of a batch keep apart, and the second layer is computed for the class token alone.

    Explains, in evaluation mode, with `output.attention["patches"]`, (T,): the magnitude of the class token's row in
    the second layer's map. Details: `slide` (P, H), and in evaluation mode `layer1` and `layer2`, (T,): the rows
    themselves, means over heads, whose entries may be negative. What falls on a copy that squaring made is the patch's.

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        hidden_dim: H, the width of a token.
        heads, landmarks, steps, kernel: Of the Nystrom attention; H / 2 landmarks by default.
        alignment: "legacy" is for checkpoints that were trained with version 0.0.9 of the public attention package,
            which returned the wrong rows of padded sequences; "current" returns the tokens' own.
        attention: "exact" is ordinary attention in sequences of at most `landmarks` tokens; else "nystrom".
        attention_dropout: Rate at the output of an attention.
    """

    card = CARD

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        hidden_dim: int = 512,
        heads: int = 8,
        landmarks: int | None = None,
        steps: int = 6,
        kernel: int = 33,
        alignment: str = "current",
        attention: str = "nystrom",
        attention_dropout: float = 0.1,
    ):
        super().__init__()
        check_choices("transmil", {"alignment": alignment, "attention": attention}, CHOICES)
        self.project = nn.Sequential(nn.Linear(embedding_dim, hidden_dim), nn.ReLU())
        self.encoder = NystromEncoder(
            hidden_dim,
            square=True,
            heads=heads,
            landmarks=landmarks,
            steps=steps,
            kernel=kernel,
            dropout=attention_dropout,
            exact=attention == "exact",
            legacy=alignment == "legacy",
        )
        nn.init.normal_(self.encoder.class_token)
        self.head = nn.Linear(hidden_dim, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        bags.need_patches("transmil")
        rows: list[Tensor] | None = None if self.training else []
        slide = self.encoder.summary(bags.replace(self.project(bags.values)), rows)
        attention, details = {}, {"slide": slide}
        if rows is not None:
            folded = [fold_copies(each, bags) for each in rows]
            details |= {f"layer{i}": each.mean(dim=1) for i, each in enumerate(folded, start=1)}
            attention = {"patches": class_attention(folded[-1], bags)}
        return Output(self.head(slide), attention=attention, details=details)
