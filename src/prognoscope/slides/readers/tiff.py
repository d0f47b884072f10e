"""TIFFs that OpenSlide reads in part or not at all: OME-TIFF, pyramids in SubIFDs, JPEG 2000, large strips."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import openslide
import tifffile

from prognoscope.core.errors import SlideError, some
from prognoscope.slides.readers.base import whole_downsample
from prognoscope.slides.readers.ome import OmeImage, is_ome, ome_images
from prognoscope.slides.readers.pillow import MOST_PIXELS, OF_SCANNERS, SCANNERS
from prognoscope.slides.readers.tiff_tile import COLOUR, GREY, JPEG_2000, READABLE, YCBCR, decode
from prognoscope.slides.readers.tiles import Level, Tile, TiledSlide, on_white

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_PAGES = 64  # that are looked at
BESIDE = re.compile(r"label|macro|overview|thumbnail|preview|barcode", re.IGNORECASE)  # names of pictures of the glass
SMALL = 0.01  # of the slide's pixels; what is no larger and fits nothing is no slide
APART = 0.02  # of a level's downsample across and down, where rows were lost
MASK = 4  # of the tag that says what a page is
PER_UM = {2: 25400.0, 3: 1e4}  # um in the unit of resolution tags: inch, cm
FAULTS = (OSError, ValueError, KeyError, IndexError, TypeError, ArithmeticError, AttributeError)
CONVERT = "Convert it to an RGB pyramid of 8 bits, for example with QuPath"
LEAVE = "or leave it out of the cohort."
Page = tifffile.TiffPage


class TiffSlide(TiledSlide):
    """A TIFF whose levels lie in SubIFDs or in pages of their own.

    Raises:
        SlideError: It is damaged, is of other than 8 bits grey or colour, holds several channels, planes or pictures,
            or is compressed in a way that is not read.
    """

    def __init__(self, path: Path, *, mpp: float | None = None):
        try:
            self._file = tifffile.TiffFile(path)
        except FAULTS as cause:
            raise _damaged(path, cause) from cause
        try:
            pages = _levels(path, self._file)
            told, images = _told(pages[0], ome_images(pages[0].description))
            lock = threading.Lock()
            levels = [_level(self._file, page, lock) for page in pages]
            super().__init__(path, levels, given=mpp, told=told, properties=_properties(pages[0], images))
        except BaseException as cause:
            self._file.close()
            if isinstance(cause, FAULTS) and not isinstance(cause, SlideError):
                raise _damaged(path, cause) from cause
            raise

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether this is a TIFF that no other reader reads as well; by content, and no scanner's own format."""
        if path.suffix.lower() in OF_SCANNERS or not path.is_file():
            return False
        with path.open("rb") as file:
            if not file.read(4).startswith(BEGINNINGS):
                return False
        vendor = _vendor(path)
        if vendor not in (None, "generic-tiff"):
            return False
        try:
            with tifffile.TiffFile(path) as file:
                page = _page(file, 0)
                described = " ".join(str(page.tags.valueof(tag, "")) for tag in (270, 271, 305))
                if SCANNERS.search(described):
                    return False
                if is_ome(page.description) or page.subifds:
                    return True
                if vendor is None:
                    return page.imagewidth * page.imagelength > MOST_PIXELS
                return page.compression in JPEG_2000
        except FAULTS:
            return False

    def close(self) -> None:
        super().close()
        self._file.close()


def _vendor(path: Path) -> str | None:
    try:
        return openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError:
        return "damaged"  # which OpenSlide tells better


def _page(file: tifffile.TiffFile, number: int) -> Page:
    page = file.pages[number]
    return page if isinstance(page, Page) else page.aspage()


def _levels(path: Path, file: tifffile.TiffFile) -> list[Page]:
    """The pages of the slide, from fine to coarse."""
    n_pages = len(file.pages)
    pages = [_page(file, number) for number in range(min(n_pages, MOST_PAGES))]
    pages = [page for page in pages if not int(page.subfiletype) & MASK] or pages
    main = max(pages, key=_area)
    images = ome_images(pages[0].description) if is_ome(pages[0].description) else []
    named = {image.size_px: image for image in reversed(images)}
    own = named.get(_size(main))
    if own is not None:
        _need_one_plane(path, main, own)
    if n_pages > MOST_PAGES:
        raise SlideError(f"The slide {path} holds {n_pages} pictures, as a stack does. {CONVERT}, {LEAVE}")
    _need_readable(path, main)
    levels = [page for page in _below(main) if _ratio(main, page)]
    others = []
    for page in pages:
        if page is main:
            continue
        image = named.get(_size(page), OmeImage())
        if _is_level(main, page, own or OmeImage(), image):
            levels.append(page)
        elif page.bitspersample == 8 and not BESIDE.search(image.name) and _area(page) > SMALL * _area(main):
            others.append(page)
    if others:
        sizes = some(f"{page.imagewidth} x {page.imagelength}" for page in (main, *others))
        raise SlideError(
            f"The slide {path} holds {1 + len(others)} pictures of {sizes} pixels, of which none says to be the "
            f"slide. Save the one that is meant as a file of its own, {LEAVE}"
        )
    distinct = {_size(page): page for page in reversed(levels)}
    for page in distinct.values():
        _need_readable(path, page)
    return [main, *sorted(distinct.values(), key=_area, reverse=True)]


def _below(page: Page) -> Iterator[Page]:
    """The pages in SubIFDs."""
    for each in page.pages or ():
        yield each if isinstance(each, Page) else each.aspage()


def _size(page: Page) -> tuple[int, int]:
    return page.imagewidth, page.imagelength


def _area(page: Page) -> int:
    return page.imagewidth * page.imagelength


def _ratio(main: Page, page: Page) -> float | None:
    """Level-0 pixels in a pixel of what may be a level; None where it is of another shape or no smaller."""
    if not page.imagewidth or not page.imagelength or page.samplesperpixel != main.samplesperpixel:
        return None
    across, down = main.imagewidth / page.imagewidth, main.imagelength / page.imagelength
    is_one = whole_downsample(_size(main), _size(page)) or abs(across - down) <= APART * across
    return across if is_one and across > 1.5 else None


def _is_level(main: Page, page: Page, own: OmeImage, image: OmeImage) -> bool:
    """Whether a page of its own is the slide, smaller by a whole number, and says nothing against it."""
    whole = whole_downsample(_size(main), _size(page))
    if not whole or not _ratio(main, page) or BESIDE.search(image.name):
        return False
    fine, coarse = own.size_um[0], image.size_um[0]
    return fine is None or coarse is None or abs(coarse / fine - whole) <= APART * whole


def _need_one_plane(path: Path, main: Page, image: OmeImage) -> None:
    if image.planes > 1:
        raise SlideError(
            f"The slide {path} holds {image.planes} planes, in depth or in time. Save one of them, {LEAVE}"
        )
    if image.channels > 1:
        raise SlideError(
            f"The slide {path} holds {image.channels} channels apart, as fluorescence has, not the colours of stained "
            f"tissue. If they are red, green and blue, convert it to RGB, for example with QuPath, {LEAVE}"
        )


def _need_readable(path: Path, page: Page) -> None:
    bits, samples = page.bitspersample, page.samplesperpixel
    if page.compression not in READABLE:
        name = getattr(page.compression, "name", page.compression)
        raise SlideError(
            f"The slide {path} is compressed as {name}, which is not read. Convert it to a tiled TIFF with JPEG or LZW "
            f"compression, for example with QuPath or bfconvert, {LEAVE}"
        )
    if bits != 8 or int(page.sampleformat or 1) != 1:
        raise SlideError(f"The slide {path} has {bits} bits a channel, not 8, as fluorescence has. {CONVERT}, {LEAVE}")
    wanted = {1: GREY, 3: (COLOUR, YCBCR), 4: (COLOUR,)}.get(samples, ())
    is_jpeg = page.compression == 7 or page.photometric != YCBCR
    if page.photometric not in wanted or not is_jpeg or page.imagedepth > 1:
        kind = getattr(page.photometric, "name", page.photometric)
        raise SlideError(
            f"The slide {path} has {samples} samples a pixel of the kind {kind}, not grey or colour. {CONVERT}, {LEAVE}"
        )


def _told(page: Page, images: list[OmeImage]) -> tuple[tuple[float | None, float | None], list[OmeImage]]:
    """Width and height of a pixel in um: of the OME image of the slide's size, or the first, or else by its tags."""
    fitting = [image for image in images if image.size_px == _size(page)] or images
    if fitting and any(fitting[0].size_um):
        return fitting[0].size_um, fitting
    unit = PER_UM.get(int(page.resolutionunit))
    if unit is None or 282 not in page.tags or 283 not in page.tags:
        return (None, None), fitting
    across, down = page.resolution
    return (unit / across if across else None, unit / down if down else None), fitting


def _properties(page: Page, images: list[OmeImage]) -> dict[str, str]:
    told = {"tiff.ImageDescription": page.description}
    return told | ({"ome.image": images[0].name} if images else {})


def _level(file: tifffile.TiffFile, page: Page, lock: threading.Lock) -> Level:
    tile_px = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, _rows(page))
    return Level(_size(page), tile_px, partial(_tile, file, page, lock, tile_px))


def _rows(page: Page) -> int:
    """Of a strip."""
    return max(1, min(int(page.rowsperstrip or page.imagelength), page.imagelength))


def _tile(
    file: tifffile.TiffFile, page: Page, lock: threading.Lock, tile_px: tuple[int, int], column: int, row: int
) -> Tile | None:
    wide, high = tile_px
    across, down = -(-page.imagewidth // wide), -(-page.imagelength // high)
    is_apart = page.planarconfig == 2 and page.samplesperpixel > 1
    planes, samples = (page.samplesperpixel, 1) if is_apart else (1, page.samplesperpixel)
    high = high if page.is_tiled else min(high, page.imagelength - row * high)  # the last strip is shorter
    parts = []
    for plane in range(planes):
        number = plane * across * down + row * across + column
        start, length = page.dataoffsets[number], page.databytecounts[number]
        if not length:
            return None
        with lock:
            file.filehandle.seek(start)
            data = file.filehandle.read(length)
        parts.append(decode(page, data, wide, high, samples))
    pixels = on_white(np.concatenate(parts, axis=2) if is_apart else parts[0])
    return pixels[: page.imagelength - row * tile_px[1], : page.imagewidth - column * wide]


def _damaged(path: Path, cause: BaseException) -> SlideError:
    reason = str(cause).rstrip(".") or type(cause).__name__
    return SlideError(f"The slide {path} is damaged and cannot be opened ({reason}). Get the file again, {LEAVE}")
