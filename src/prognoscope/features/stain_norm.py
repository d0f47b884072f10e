"""Stains of a slide brought to a stated target: Macenko's and Reinhard's normalisation.

Macenko et al.: A method for normalizing histology slides for quantitative analysis. ISBI 2009.
Reinhard, Ashikhmin, Gooch, Shirley: Color transfer between images. IEEE Computer Graphics and Applications 2001.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from prognoscope.core.errors import FeatureError

StainNorm = Literal["macenko", "reinhard"]
Recolour = Callable[[UInt8[np.ndarray, "B H W 3"]], UInt8[np.ndarray, "B H W 3"]]

LEAST_OD, EDGE = 0.15, 1.0  # Macenko's beta, and alpha in percent
# the target of Macenko's: haematoxylin and eosin as optical densities of red, green, blue, and the amounts of them that
# 99 of 100 pixels do not exceed; the values that the published implementations share
STAINS = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]])
MOST = np.array([1.9705, 1.0308])
# the target of Reinhard's: mean and standard deviation of l, alpha, beta, in natural logarithms; even H&E has about it
LAB_MEAN, LAB_SD = np.array([8.9, -0.09, 0.045]), np.array([0.35, 0.07, 0.02])
# Reinhard 2001, eq. 4 and 6: RGB to the cones' LMS, logarithms of which are turned to l, alpha, beta
TO_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
TO_LAB = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
FEWEST_PX = 100  # of tissue


def fit_stains(pixels: UInt8[np.ndarray, "N 3"], kind: StainNorm) -> Recolour:
    """How patches of a slide are recoloured, by pixels of its tissue.

    Raises:
        FeatureError: There is too little stain to go by.
    """
    seen = pixels[(_density(pixels) > LEAST_OD).all(axis=1)] if kind == "macenko" else _tissue(pixels)
    if len(seen) < FEWEST_PX:
        raise FeatureError(f"only {len(seen)} of {len(pixels)} pixels are stained, too few for --stain-norm {kind}")
    return _macenko(seen) if kind == "macenko" else _reinhard(seen)


def _tissue(pixels: UInt8[np.ndarray, "N 3"]) -> UInt8[np.ndarray, "M 3"]:
    return pixels[_density(pixels).mean(axis=1) > LEAST_OD / 2]


def _density(rgb: UInt8[np.ndarray, "*s 3"]) -> Float[np.ndarray, "*s 3"]:
    """Optical density, -log((I + 1) / 256), of light that glass lets pass as a whole."""
    return -np.log((rgb.astype(np.float64) + 1) / 256)


def _macenko(pixels: UInt8[np.ndarray, "N 3"]) -> Recolour:
    density = _density(pixels)
    stains = macenko_stains(density)
    most = np.percentile(density @ np.linalg.pinv(stains), 99, axis=0)
    target = STAINS / np.linalg.norm(STAINS, axis=1, keepdims=True)
    turn = np.linalg.pinv(stains) @ np.diag(MOST / np.maximum(most, 1e-6)) @ target  # (3, 3)

    def recolour(patches: UInt8[np.ndarray, "B H W 3"]) -> UInt8[np.ndarray, "B H W 3"]:
        return _bytes(256 * np.exp(-(_density(patches) @ turn)) - 1)

    return recolour


def macenko_stains(density: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "2 3"]:
    """Unit vectors of haematoxylin and eosin: the extreme directions in the plane that densities lie in."""
    plane = np.linalg.eigh(np.cov(density.T))[1][:, 1:]  # (3, 2), the two with the largest eigenvalues
    plane = plane * np.where(plane.sum(axis=0) < 0, -1, 1)
    on_plane = density @ plane
    angles = np.arctan2(on_plane[:, 0], on_plane[:, 1])
    low, high = np.percentile(angles, [EDGE, 100 - EDGE])
    stains = np.array([plane @ np.array([np.sin(angle), np.cos(angle)]) for angle in (low, high)])
    return stains if stains[0, 0] > stains[1, 0] else stains[::-1]  # haematoxylin takes more of the red


def _reinhard(pixels: UInt8[np.ndarray, "N 3"]) -> Recolour:
    lab = _lab(pixels)
    mean, sd = lab.mean(axis=0), np.maximum(lab.std(axis=0), 1e-6)

    def recolour(patches: UInt8[np.ndarray, "B H W 3"]) -> UInt8[np.ndarray, "B H W 3"]:
        moved = (_lab(patches) - mean) / sd * LAB_SD + LAB_MEAN
        return _bytes(np.exp(moved @ np.linalg.inv(TO_LAB).T) @ np.linalg.inv(TO_LMS).T - 1)

    return recolour


def _lab(rgb: UInt8[np.ndarray, "*s 3"]) -> Float[np.ndarray, "*s 3"]:
    return np.log((rgb.astype(np.float64) + 1) @ TO_LMS.T) @ TO_LAB.T


def _bytes(values: Float[np.ndarray, "*s"]) -> UInt8[np.ndarray, "*s"]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
