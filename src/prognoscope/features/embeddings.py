"""The embeddings of one slide: what extraction makes, files hold and bags are packed from."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from prognoscope.core.errors import FeatureError, some


@dataclass(frozen=True, slots=True)
class Embeddings:
    """N patch embeddings of one slide, with where and how they were made as far as that is known.

    `coords_um` and `patch_um` follow from the pixels where `mpp` is known and they are not given.
    A slide-level embedding, or a row of a table, is a bag of one without coordinates.
    """

    slide: str
    features: Float[np.ndarray, "N D"]  # float16 or float32
    coords_um: Float32[np.ndarray, "_ 2"] | None = None  # top left corners, from the slide's top left corner
    coords_px: Int64[np.ndarray, "_ 2"] | None = None  # the same in pixels of level 0
    patch_um: float | None = None  # side of a patch
    patch_px: int | None = None  # side as the encoder saw it
    patch_px_level0: float | None = None  # side in pixels of level 0
    overlap_px: int | None = None  # of neighbouring patches, in pixels as the encoder saw them
    mpp: float | None = None  # um per pixel of level 0
    magnification: float | None = None  # of level 0, as the scanner says or the resolution tells
    encoder: str | None = None
    weights_hash: str | None = None
    spec_hash: str | None = None  # of everything that made them; None for files made elsewhere
    coords_fault: str | None = None  # why coordinates that its file has are not used

    def __post_init__(self):
        if self.features.dtype not in (np.float16, np.float32):
            raise FeatureError(f"The embeddings of {self.slide} are {self.features.dtype}, not float16 or float32.")
        for coords in (self.coords_um, self.coords_px):
            if coords is not None and coords.shape != (len(self.features), 2):
                raise FeatureError(
                    f"{self.slide} has {len(self.features)} embeddings and coordinates of shape {coords.shape}, "
                    "which do not belong together. Extract the slide again."
                )
        if self.mpp is not None:
            if self.coords_um is None and self.coords_px is not None:
                object.__setattr__(self, "coords_um", (self.coords_px * self.mpp).astype(np.float32))
            if self.patch_um is None and self.patch_px_level0 is not None:
                object.__setattr__(self, "patch_um", float(self.patch_px_level0 * self.mpp))

    def __len__(self) -> int:
        return len(self.features)

    @property
    def embedding_dim(self) -> int:
        """D, the length of an embedding; 0 where an empty file does not say."""
        return self.features.shape[1]


def rows_not_finite(features: Float[np.ndarray, "N D"]) -> Int64[np.ndarray, " _"]:
    """The rows with NaN or infinite values."""
    with np.errstate(invalid="ignore", over="ignore"):
        bad = np.flatnonzero(~np.isfinite(features.sum(axis=1, dtype=np.float32)))  # one value a row: cheap on memory
    return bad[~np.isfinite(features[bad]).all(axis=1)]


def need_finite(features: Float[np.ndarray, "N D"], where: object) -> None:
    """Refuse embeddings with NaN or infinite values.

    Raises:
        FeatureError: Names `where`, how many rows are affected, and the first of them.
    """
    if len(bad := rows_not_finite(features)):
        raise FeatureError(
            f"{len(bad)} of {len(features)} embeddings in {where} are NaN or infinite: rows {some(bad)}. "
            "Remove the file and extract the slide again."
        )
