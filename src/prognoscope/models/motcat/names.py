"""Published names of MOTCat's parameters: those of MCAT, without the co-attention. Its transport leaves no trace."""

from prognoscope.models.mcat.names import NAMES as OF_MCAT
from prognoscope.models.mcat.names import arguments

__all__ = ["NAMES", "arguments"]
NAMES = {name: ours for name, ours in OF_MCAT.items() if name != "coattn"}
