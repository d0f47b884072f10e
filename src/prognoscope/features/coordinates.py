"""Where patches lie, in the forms that tools write: x and y, a level or sizes beside them, turned, fields by name."""

import numpy as np
from jaxtyping import Int64

FURTHEST_PX = 2**31  # beyond which nothing lies on a slide


class CoordinatesError(ValueError):
    """Coordinates that cannot be used; says why, in the form of a clause."""


def as_corners(values: np.ndarray, n_patches: int) -> Int64[np.ndarray, "N 2"]:
    """The top left corners of N patches in whole pixels.

    Raises:
        CoordinatesError: It cannot be told where the patches lie.
    """
    corners = exact_corners(values, n_patches)
    rounded = np.round(corners).astype(np.int64)
    if corners.dtype.kind == "f" and len(np.unique(rounded, axis=0)) < len(np.unique(corners, axis=0)):
        raise CoordinatesError("coordinates that are no pixels: some are equal once they are rounded")
    return rounded


def exact_corners(values: np.ndarray, n_patches: int) -> np.ndarray:
    """The same in the file's unit, (N, 2), of integers or float64.

    Raises:
        CoordinatesError: It cannot be told where the patches lie.
    """
    values = _two_columns(_plain(values), n_patches)
    if len(values) != n_patches:
        raise CoordinatesError("not as many coordinates as embeddings")
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            raise CoordinatesError("coordinates that are NaN or infinite")
    if values.size and (values.max() >= FURTHEST_PX or values.min() <= -FURTHEST_PX):
        raise CoordinatesError("coordinates far outside any slide")
    return values


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers in rows; fields x and y become two columns."""
    if values.dtype.names:
        fields = {name.lower(): name for name in values.dtype.names}
        if not {"x", "y"} <= set(fields):
            raise CoordinatesError("coordinates without fields x and y")
        values = np.stack([values[fields["x"]], values[fields["y"]]], axis=-1)
    if values.dtype.kind not in "iuf":
        raise CoordinatesError("coordinates that are no numbers")
    if values.dtype.kind == "u":
        values = np.minimum(values, FURTHEST_PX).astype(np.int64)  # whose differences are not below zero
    return values[0] if values.ndim == 3 and len(values) == 1 else values


def _two_columns(values: np.ndarray, n_patches: int) -> np.ndarray:
    """x and y of values that may have more columns, or lie on their side."""
    if values.size == 0:
        return values.reshape(0, 2)
    if values.ndim == 1 and values.size == 2 * n_patches == 2:
        return values[None]
    if values.ndim != 2:
        raise CoordinatesError("coordinates that are no table of x and y")
    if values.shape[1] not in (2, 3, 4) or (values.shape == (2, n_patches) and n_patches != 2):
        values = values.T
    columns = values.shape[1]
    if columns == 3:
        return _beside_a_level(values)
    if columns == 4:
        return _before_a_size(values)
    if columns != 2:
        raise CoordinatesError("coordinates that are no table of x and y")
    return values


def _beside_a_level(values: np.ndarray) -> np.ndarray:
    """x and y of (level, x, y) or (x, y, level): the level is the same for all, while patches lie apart."""
    is_first, is_last = (len(np.unique(values[:, k])) == 1 for k in (0, 2))
    if is_first == is_last:
        raise CoordinatesError("coordinates of three columns, of which it cannot be told which are x and y")
    return values[:, 1:] if is_first else values[:, :2]


def _before_a_size(values: np.ndarray) -> np.ndarray:
    """x and y of (x, y, width, height) or (x, y, right, bottom): sizes are the same for all."""
    for sizes in (values[:, 2:], values[:, 2:] - values[:, :2]):
        if (sizes == sizes[0]).all() and (sizes[0] > 0).all():
            return values[:, :2]
    raise CoordinatesError("coordinates of four columns that are not x, y and a size")
