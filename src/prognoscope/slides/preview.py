"""One look at what will be used of a slide: its thumbnail with tissue, pen marks and patches drawn on it."""

from pathlib import Path

import numpy as np
import scipy  # its parts load at their first use
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont

from prognoscope.core.files import written_whole
from prognoscope.slides.readers.base import Slide
from prognoscope.slides.tiling import PatchGrid
from prognoscope.slides.tissue import TissueMask

PATCH, TISSUE, PEN, INK = (25, 80, 190), (0, 140, 70), (240, 120, 0), (50, 50, 50)
PALE = 0.5  # how much white lies over what is not used
FINE = 2  # lines are drawn this much larger, then averaged, so that they are smooth
PREVIEWS = "previews"  # a folder beside the embeddings
LEAST_SIDE_PX = 6.0  # of a patch whose lines are drawn
OUTLINE_PX, TEXT_PX, PAD_PX = 3, 15, 10
BARS_UM = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


def preview_path(folder: Path | str, slide: str) -> Path:
    """Where the preview of a slide lies in the folder of its embeddings."""
    return Path(folder) / PREVIEWS / f"{slide}.jpg"


def draw_preview(
    slide: Slide, tissue: TissueMask, grid: PatchGrid, *, longest_px: int = 800
) -> UInt8[np.ndarray, "h w 3"]:
    """The whole slide with a caption: patches blue, tissue outlined in green, pen marks orange, the unused part pale.

    Slides smaller than `longest_px` are enlarged. Patches too small to be told apart are drawn as one surface.

    Raises:
        SlideError: The slide is damaged.
    """
    seen = tissue.thumbnail  # of large slides more than a picture needs; of small ones, the slide itself is sharper
    image = Image.fromarray(seen if max(seen.shape[:2]) >= longest_px else slide.thumbnail(longest_px))
    scale = longest_px / max(slide.size_px)  # preview pixels per level-0 pixel
    size = (max(1, round(slide.size_px[0] * scale)), max(1, round(slide.size_px[1] * scale)))
    way = Image.Resampling.BOX if image.width > size[0] else Image.Resampling.BICUBIC
    image = image.resize(size, way)
    image = Image.composite(image, Image.blend(image, Image.new("RGB", size, "white"), PALE), _patches(grid, size))
    has_pen = bool(tissue.pen.any())
    if has_pen:
        image.paste(PEN, mask=_enlarged(tissue.pen, size).point([on // 3 for on in range(256)]))
    if grid.patch_px_level0 * scale >= LEAST_SIDE_PX:
        image.paste(PATCH, mask=_patches(grid, size, lines=True))
    if has_pen:
        image.paste(PEN, mask=_outline(tissue.pen, size))
    image.paste(TISSUE, mask=_outline(tissue.mask, size))
    um_per_px = grid.level0_mpp / scale
    said = [f"{len(grid)} patches of {grid.patch_um:g} um", f"tissue {tissue.area_mm2:.3g} sq mm"]
    said += ["pen left out"] if has_pen else []
    return np.asarray(_captioned(image, said, um_per_px))


def write_preview(
    path: Path | str, slide: Slide, tissue: TissueMask, grid: PatchGrid, *, longest_px: int = 800
) -> None:
    """Write the preview as a JPEG, whole or not at all."""
    picture = Image.fromarray(draw_preview(slide, tissue, grid, longest_px=longest_px))
    with written_whole(path) as beside:
        picture.save(beside, "JPEG", quality=85)


def _patches(grid: PatchGrid, size: tuple[int, int], *, lines: bool = False) -> Image.Image:
    """The squares of a grid as a mask, filled or as their lines."""
    layer = Image.new("L", (size[0] * FINE, size[1] * FINE))
    draw = ImageDraw.Draw(layer)
    scale = layer.width / grid.slide_size_px[0], layer.height / grid.slide_size_px[1]
    for x, y in grid.coords.tolist():
        left, top = x * scale[0], y * scale[1]
        corners = (left, top, left + grid.patch_px_level0 * scale[0], top + grid.patch_px_level0 * scale[1])
        draw.rectangle(corners, **({"outline": 255, "width": FINE} if lines else {"fill": 255}))
    return layer.resize(size, Image.Resampling.BOX)


def _enlarged(mask: Bool[np.ndarray, "h w"], size: tuple[int, int]) -> Image.Image:
    soft = scipy.ndimage.gaussian_filter(mask * np.float32(255), 0.8)  # so that its rim shows no stairs
    return Image.fromarray(np.rint(soft).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def _outline(mask: Bool[np.ndarray, "h w"], size: tuple[int, int]) -> Image.Image:
    """The rim of a mask; none where the slide ends."""
    inside = np.asarray(_enlarged(mask, (size[0] * FINE, size[1] * FINE))) > 127
    width = OUTLINE_PX * FINE + 1
    core = scipy.ndimage.minimum_filter(inside, size=width, mode="nearest")
    rim = Image.fromarray((inside & np.logical_not(core)).astype(np.uint8) * 255)
    return rim.resize(size, Image.Resampling.BOX)


def _captioned(image: Image.Image, said: list[str], um_per_px: float) -> Image.Image:
    """The picture above a line of text and a scale bar of about a sixth of its width."""
    font = ImageFont.load_default(TEXT_PX)
    bar_um = max((um for um in BARS_UM if um <= image.width * um_per_px / 6), default=BARS_UM[0])
    bar = bar_um / um_per_px
    bar_said = f"{bar_um:g} um" if bar_um < 1000 else f"{bar_um / 1000:g} mm"
    text = "   ".join([bar_said, *said])
    width = max(image.width, round(bar + font.getlength(text)) + 3 * PAD_PX)
    whole = Image.new("RGB", (width, image.height + TEXT_PX + 2 * PAD_PX), "white")
    whole.paste(image, ((width - image.width) // 2, 0))
    draw = ImageDraw.Draw(whole)
    middle = image.height + PAD_PX + TEXT_PX // 2
    draw.rectangle((PAD_PX, middle - 1, PAD_PX + bar, middle + 1), fill=INK)
    draw.text((2 * PAD_PX + bar, middle), text, fill=INK, font=font, anchor="lm")
    return whole
