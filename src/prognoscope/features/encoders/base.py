"""What every encoder owes extraction."""

from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

AskedPrecision = Literal["float32", "bf16"]  # of a network's products


@runtime_checkable
class Encoder(Protocol):
    """Turns patches into embeddings. Each patch is encoded as if it were alone."""

    name: str
    embedding_dim: int  # D
    weights_hash: str  # stands for all numbers the embeddings depend on besides the pixels

    def encode(self, patches: UInt8[np.ndarray, "B H W 3"], mpp: float) -> Float32[np.ndarray, "B D"]:
        """The embeddings of RGB patches whose pixels are `mpp` um wide."""
        ...
