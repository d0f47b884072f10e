"""The patients whom G-HANet's released code compared genes on: one epoch of its balanced sampler."""

import numpy as np
import torch
from jaxtyping import Bool, Int


def drawn_as_released(bin: Int[np.ndarray, " P"], event: Bool[np.ndarray, " P"]) -> Int[np.ndarray, " P"]:
    """As many patients as there are, with replacement, every (bin, event) equally likely; always the same draw.

    PyTorch's generator from seed 1, after the one number that its data loader takes.
    """
    stratum = 2 * bin + event
    weights = torch.from_numpy(len(bin) / np.bincount(stratum)[stratum])
    generator = torch.Generator().manual_seed(1)
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    return torch.multinomial(weights, len(bin), replacement=True, generator=generator).numpy()
