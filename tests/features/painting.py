"""Patches of known content, painted by Beer-Lambert mixing of haematoxylin and eosin: what encoders should see."""

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

HAEMATOXYLIN = np.array([0.65, 0.70, 0.29]) / np.linalg.norm([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11]) / np.linalg.norm([0.07, 0.99, 0.11])
TISSUES = ("tumour", "lymphocytes", "stroma", "necrosis", "fat")


def paint(tissue: str, rng: np.random.Generator, *, density=None, diameter_um=None, px=256, mpp=0.5) -> np.ndarray:
    """One patch; `density` is nuclei per 100 um squared. Stain strength and hue vary from patch to patch."""
    defaults = {"tumour": (30, 11), "lymphocytes": (70, 6.5), "stroma": (8, 8), "necrosis": (25, 2.5), "fat": (2, 6)}
    density, diameter_um = (
        given or usual for given, usual in zip((density, diameter_um), defaults[tissue], strict=True)
    )
    dark = {"tumour": 0.7, "lymphocytes": 1.1, "stroma": 0.8, "necrosis": 0.9, "fat": 0.8}[tissue]
    e = {"tumour": 0.3, "lymphocytes": 0.2, "stroma": 0.55, "necrosis": 0.45, "fat": 0.25}[tissue]
    y, x = np.mgrid[:px, :px] * mpp
    grain = ndimage.gaussian_filter(rng.normal(size=(px, px)), 2) * 4
    eosin = e * (1 + 0.15 * grain)
    angle = rng.uniform(0, np.pi)
    if tissue == "stroma":
        drift = ndimage.gaussian_filter(rng.normal(size=(px, px)), 20) * 60
        eosin *= 1 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) / 1.2 + drift)
    haematoxylin = np.full((px, px), 0.05)
    n = rng.poisson(density * (px * mpp / 100) ** 2)
    for cx, cy in rng.uniform(0, px * mpp, (n, 2)):
        long = 2.2 if tissue == "stroma" else rng.uniform(1, 1.3)
        turn = angle + np.pi / 2 if tissue == "stroma" else rng.uniform(0, np.pi)
        radius = diameter_um / 2 * rng.uniform(0.85, 1.15)
        reach = radius * np.sqrt(long)
        near = tuple(slice(max(0, int((c - reach) / mpp)), int((c + reach) / mpp) + 2) for c in (cy, cx))
        right, down = x[near] - cx, y[near] - cy
        u, v = right * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - right * np.sin(turn)
        inside = u**2 / (radius**2 * long) + v**2 * long / radius**2 < 1
        haematoxylin[near][inside] = dark * rng.uniform(0.8, 1.2)
    if tissue == "fat":
        for cx, cy in np.stack(np.meshgrid(*[np.arange(0, px * mpp, 55)] * 2), -1).reshape(-1, 2):
            white = (x - cx - rng.uniform(-4, 4)) ** 2 + (y - cy - rng.uniform(-4, 4)) ** 2 < 26**2
            eosin[white], haematoxylin[white] = 0.01, 0
    strength = rng.uniform(0.8, 1.2, 2)
    hue = rng.normal(0, 0.02, (2, 3))
    blur = [ndimage.gaussian_filter(stain, 0.8) for stain in (haematoxylin, eosin)]
    optical = strength[0] * blur[0][..., None] * (HAEMATOXYLIN + hue[0])
    optical = optical + strength[1] * blur[1][..., None] * (EOSIN + hue[1])
    noisy = 255 * 10**-optical + rng.normal(0, 2, (px, px, 3))
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def paint_many(tissues, seed: int, **more) -> UInt8[np.ndarray, "B H W 3"]:
    """One patch for each name."""
    rng = np.random.default_rng(seed)
    return np.stack([paint(tissue, rng, **more) for tissue in tissues])
