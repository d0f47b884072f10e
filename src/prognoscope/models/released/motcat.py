"""Published names of MOTCat's parameters: those of MCAT, without the co-attention. Its transport leaves no trace."""

from prognoscope.models.released.mcat import NAMES as OF_MCAT
from prognoscope.models.released.mcat import arguments

__all__ = ["NAMES", "arguments"]
NAMES = {name: ours for name, ours in OF_MCAT.items() if name != "coattn"}
