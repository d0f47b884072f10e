"""Saturation and hue of pixels, as HSV has them."""

import numpy as np
from jaxtyping import Float, UInt8


def extremes(rgb: UInt8[np.ndarray, "*s 3"]) -> tuple[UInt8[np.ndarray, "*s"], UInt8[np.ndarray, "*s"]]:
    """The largest and the smallest channel; reductions over so short an axis are many times slower."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)


def saturation_of(rgb: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Saturation in [0, 1]; 0 is grey."""
    largest, smallest = extremes(rgb)
    return (largest - smallest) / np.maximum(largest, 1).astype(np.float32)


def hue_deg(rgb: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Hue in [0, 360), 0 is red, 120 green, 240 blue; 0 for grey."""
    red, green, blue = rgb.T.astype(np.float32)
    largest, smallest = extremes(rgb)
    chroma = np.maximum(largest - smallest, 1).astype(np.float32)
    sixth = np.where(
        largest == rgb[:, 0],
        (green - blue) / chroma,
        np.where(largest == rgb[:, 1], 2 + (blue - red) / chroma, 4 + (red - green) / chroma),
    )
    return (sixth * 60) % 360
