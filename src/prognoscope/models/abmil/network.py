"""Attention over the patches of a bag, then one hazard per time bin.

Ilse, Tomczak, Welling: Attention-based deep multiple instance learning. ICML 2018.
"""

from torch import nn

from prognoscope.core.batch import Inputs, Output
from prognoscope.models.abmil.card import CARD
from prognoscope.models.base import SurvivalModel
from prognoscope.models.layers.attention import GatedAttention
from prognoscope.models.layers.relu_layers import ReLULayers


class ABMIL(SurvivalModel):
    """Gated-attention pooling (eq. 7 and 9) with a discrete-time survival head.

    The paper classifies bags; predicting hazards from the pooled patch is what the survival papers made of it.
    Explains with `output.attention["patches"]`, (T,). Linear in T. Details: `patches` (T, H), `attention_logits`
    (T,), `embedding` (P, H).

    Args:
        embedding_dim: D, the length of a patch embedding.
        n_bins: K, the number of time bins.
        hidden_dim: H, the width of a projected patch.
        attention_dim: The width of the attention's two branches and of the layer before the hazards.
        dropout: Rate after the projection, in both branches of the attention, and before the hazards.
    """

    card = CARD

    def __init__(
        self,
        embedding_dim: int,
        n_bins: int,
        *,
        hidden_dim: int = 512,
        attention_dim: int = 256,
        dropout: float = 0.25,
    ):
        super().__init__()
        self.project = ReLULayers(embedding_dim, hidden_dim, dropout=dropout)
        self.attend = GatedAttention(hidden_dim, attention_dim, dropout)
        self.narrow = ReLULayers(hidden_dim, attention_dim, dropout=dropout)
        self.head = nn.Linear(attention_dim, n_bins)

    def forward(self, inputs: Inputs) -> Output:
        bags = inputs.bags
        patches = self.project(bags.values)  # (T, H): one product for all patients, no padding
        logits = self.attend(patches)
        weights = bags.softmax(logits)  # (T,), sums to 1 within each patient
        pooled = bags.weighted_sum(weights[:, None].to(patches.dtype), patches)[:, 0]  # (P, H)
        return Output(
            self.head(self.narrow(pooled)),
            attention={"patches": weights},
            details={"patches": patches, "attention_logits": logits, "embedding": pooled},
        )
