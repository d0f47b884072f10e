"""Gated attention over the rows of one matrix, and the small networks of genes, as MCAT and its relatives have them."""

from torch import Tensor, nn


class Gate(nn.Module):
    """Scores (N, 1) of N rows, and the rows."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.attention_a = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Dropout(0.25))
        self.attention_b = nn.Sequential(nn.Linear(width, hidden), nn.Sigmoid(), nn.Dropout(0.25))
        self.attention_c = nn.Linear(hidden, 1)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.attention_c(self.attention_a(rows) * self.attention_b(rows)), rows


def layer(n_in: int, n_out: int) -> nn.Sequential:
    """A layer with ReLU and dropout."""
    return nn.Sequential(nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(0.25))


def snn(n_in: int, n_out: int) -> nn.Sequential:
    """A self-normalising layer with ELU."""
    return nn.Sequential(nn.Linear(n_in, n_out), nn.ELU(), nn.AlphaDropout(0.25))
