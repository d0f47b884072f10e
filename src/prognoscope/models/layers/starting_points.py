"""Where the centres of clusters begin: where a caller says, or anywhere."""

import torch
from jaxtyping import Float
from torch import Tensor

from prognoscope.core.errors import ModelError


def given_or_random(given: Tensor | None, k: int, dim: int, have: str) -> Float[Tensor, "k D"]:
    """A copy of the given points, in float32, or normal random ones.

    Args:
        have: How an error begins: "The anchor of ccl has".

    Raises:
        ModelError: They are no tensor, or of another shape.
    """
    if given is None:
        return torch.randn(k, dim)
    if not isinstance(given, Tensor):
        raise ModelError(f"{have} to be a tensor, given from Python. Leave that out of a study file.")
    if given.shape != (k, dim):
        raise ModelError(f"{have} shape ({k}, {dim}), not {tuple(given.shape)}.")
    return given.detach().float().clone()
