"""Haematoxylin and eosin, and what the hospital's bottle, bath and lamp make of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from prognoscope.simulation.patients import COHORT, SLIDES, generator

HAEMATOXYLIN = (0.64, 0.71, 0.30)  # optical density in red, green and blue of one unit
EOSIN = (0.12, 0.86, 0.46)
LIGHT = (0.957, 0.953, 0.961)  # of bare glass, share of full scale


@dataclass(frozen=True, slots=True)
class Stain:
    """How one slide's stains absorb light."""

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    light: tuple[float, float, float]


def site_stain(seed: int, site: int, rng: np.random.Generator) -> Stain:
    """The stain of a hospital, with the little by which `rng` lets one of its slides differ."""
    of_site = generator(seed, COHORT, SLIDES, site)
    looks: list[tuple[float, float, float]] = []
    for reference in (HAEMATOXYLIN, EOSIN):
        hue = np.array(reference) + 0.045 * of_site.standard_normal(3) + 0.008 * rng.standard_normal(3)
        strength = of_site.uniform(0.82, 1.2) * rng.uniform(0.95, 1.05)
        looks.append(_of_three(strength * hue.clip(0.04, None)))
    light = np.minimum(np.array(LIGHT) + 0.012 * of_site.standard_normal(3), 1)
    haematoxylin, eosin = looks
    return Stain(haematoxylin, eosin, _of_three(light))


def develop(
    haematoxylin: Float32[np.ndarray, "H W"], eosin: Float32[np.ndarray, "H W"], stain: Stain
) -> UInt8[np.ndarray, "H W 3"]:
    """The picture by the law of Beer and Lambert: light times exp(-(haematoxylin + eosin)), channel by channel."""
    picture = np.empty((*haematoxylin.shape, 3), np.uint8)
    density, part = np.empty_like(haematoxylin), np.empty_like(haematoxylin)
    for channel in range(3):
        np.multiply(haematoxylin, -stain.haematoxylin[channel], out=density)
        np.multiply(eosin, stain.eosin[channel], out=part)
        density -= part
        np.exp(density, out=density)
        density *= 255 * stain.light[channel]
        density += 0.5
        picture[..., channel] = density
    return picture


def _of_three(values: Float64[np.ndarray, " 3"]) -> tuple[float, float, float]:
    red, green, blue = values.tolist()
    return red, green, blue
