"""Pictures as addresses that hold them, small enough for a page."""

import io
from base64 import b64encode
from pathlib import Path

from PIL import Image

LONGEST_PX, QUALITY = 900, 80


def jpeg_source(path: Path, *, longest_px: int = LONGEST_PX) -> str:
    """A picture file as a data address, no larger than it needs to be on a page."""
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((longest_px, longest_px))
        small.save(out := io.BytesIO(), "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode()}"
