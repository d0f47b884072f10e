"""Filters over the last two axes of a stack of images, each image on its own; borders repeat the outermost pixel."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32, Int

Images = Float32[np.ndarray, "B _ _"]


def pooled(images: Images, factor: int) -> Images:
    """Means of squares of `factor` pixels; what does not fill a square at the right and the bottom is left out."""
    if factor == 1:
        return images
    height, width = images.shape[1:]
    images = images[:, : height // factor * factor, : width // factor * factor]
    rows = sum(images[:, i::factor] for i in range(1, factor)) + images[:, ::factor]
    return (sum(rows[:, :, i::factor] for i in range(1, factor)) + rows[:, :, ::factor]) * np.float32(1 / factor**2)


def enlarged(images: Images, factor: int, shape: tuple[int, int]) -> Images:
    """Every pixel as a square of `factor` pixels, cut or continued to `shape`."""
    large = images.repeat(factor, axis=1).repeat(factor, axis=2)[:, : shape[0], : shape[1]]
    short = (shape[0] - large.shape[1], shape[1] - large.shape[2])
    return np.pad(large, ((0, 0), (0, short[0]), (0, short[1])), mode="edge") if any(short) else large


def smoothed(images: Images, passes: int = 1) -> Images:
    """Smoothed by [1 2 1] / 4 in both directions, `passes` times: a Gaussian of variance passes / 2 pixels."""
    for _ in range(passes):
        for axis in (1, 2):
            before, after = _moved(images, axis)
            images = images * np.float32(0.5) + (before + after) * np.float32(0.25)
    return images


def gradients(images: Images) -> tuple[Images, Images]:
    """Central differences along x and y, per pixel."""
    left, right = _moved(images, 2)
    above, below = _moved(images, 1)
    return (right - left) * np.float32(0.5), (below - above) * np.float32(0.5)


def laplacian(images: Images) -> Images:
    """The mean of the four neighbours minus the pixel: positive at dark spots."""
    left, right = _moved(images, 2)
    above, below = _moved(images, 1)
    return (left + right + above + below) * np.float32(0.25) - images


def opened(images: Images, height: int, width: int) -> Images:
    """The grey opening by a rectangle of pixels: what is bright and does not hold the rectangle disappears."""
    for running in (np.minimum, np.maximum):
        images = _running(running, _running(running, images, height, 1), width, 2)
    return images


def peaks(images: Images) -> Bool[np.ndarray, "B _ _"]:
    """Where a pixel is the largest of its 3 x 3 neighbourhood; on a plateau everywhere."""
    return images >= _running(np.maximum, _running(np.maximum, images, 3, 1), 3, 2)


def binary_patterns(images: Images, contrast: float) -> Float32[np.ndarray, "B 10"]:
    """The shares of pixels with each uniform local binary pattern, against neighbours brighter by `contrast`.

    Source: Ojala, Pietikainen, Maenpaa: Multiresolution gray-scale and rotation invariant texture classification.
    IEEE Trans Pattern Anal Mach Intell 2002.
    """
    framed = _framed(_framed(images, 1, 1, 1), 2, 1, 1)
    floor = images + np.float32(contrast)
    count, height, width = images.shape
    code = np.zeros(images.shape, np.uint8)
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    for bit, (y, x) in enumerate(ring):
        code |= (framed[:, y : y + height, x : x + width] > floor).view(np.uint8) << np.uint8(bit)
    numbers = np.stack([np.bincount(one.reshape(-1), minlength=256) for one in code])
    shares = np.zeros((count, 10), np.float32)
    for i in range(10):
        shares[:, i] = numbers[:, i == UNIFORM].sum(axis=1) / (height * width)
    return shares


def _uniform_table() -> Int[np.ndarray, " 256"]:
    """0 to 8 for as many brighter neighbours in one run, 9 for several runs."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9)


UNIFORM = _uniform_table()


def _moved(images: Images, axis: int) -> tuple[Images, Images]:
    """The neighbours before and after each pixel along an axis."""
    framed = _framed(images, axis, 1, 1)
    n = images.shape[axis]
    return _cut(framed, axis, 0, n), _cut(framed, axis, 2, n + 2)


def _framed(images: Images, axis: int, before: int, after: int) -> Images:
    """Continued by its outermost pixels along an axis; np.pad does it four times slower."""
    n = images.shape[axis]
    shape = list(images.shape)
    shape[axis] = before + n + after
    framed = np.empty(shape, images.dtype)
    _cut(framed, axis, before, before + n)[...] = images
    _cut(framed, axis, 0, before)[...] = _cut(images, axis, 0, 1)
    _cut(framed, axis, before + n, before + n + after)[...] = _cut(images, axis, n - 1, n)
    return framed


def _cut(images: Images, axis: int, start: int, stop: int) -> Images:
    return images[:, start:stop] if axis == 1 else images[:, :, start:stop]


def _running(operation: Callable, images: Images, width: int, axis: int) -> Images:
    """The minimum or maximum over `width` pixels around each pixel, in log2(width) passes."""
    images = _framed(images, axis, width // 2, width - 1 - width // 2)
    span = 1
    while span < width:
        step = min(span, width - span)
        n = images.shape[axis]
        images = operation(_cut(images, axis, 0, n - step), _cut(images, axis, step, n))
        span += step
    return images
