"""Attention bricks that several methods share."""

from jaxtyping import Float
from torch import Tensor, nn

from prognoscope.models.layers.dropout import Dropout, drop


class GatedAttention(nn.Module):
    """A logit per patch from a tanh branch gated by a sigmoid branch, (T, H) -> (T,); `outputs` of them, if given.

    In training both branches drop out. What neither of them drops is drawn once, which is the same by chance.

    Source: Ilse, Tomczak, Welling: Attention-based deep multiple instance learning. ICML 2018, eq. 9.
    """

    def __init__(self, input_dim: int, hidden_dim: int, dropout: float = 0.0, *, outputs: int | None = None):
        super().__init__()
        self.tanh_branch = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.Tanh(), Dropout(dropout))
        self.gate_branch = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.Sigmoid(), Dropout(dropout))
        self.score = nn.Linear(hidden_dim, outputs or 1)
        self.outputs = outputs

    def forward(self, patches: Float[Tensor, "T H"]) -> Float[Tensor, "T *outputs"]:
        (tanh, squash, dropout), (gate, open_, dropout_too) = self.tanh_branch, self.gate_branch
        gated = squash(tanh(patches)) * open_(gate(patches))
        if self.training:
            assert isinstance(dropout, Dropout) and isinstance(dropout_too, Dropout)
            gated = drop(gated, 1 - (1 - dropout.p) * (1 - dropout_too.p))
        logits = self.score(gated)
        return logits[:, 0] if self.outputs is None else logits
