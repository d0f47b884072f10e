import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from prognoscope.core.errors import SlideError
from prognoscope.simulation import slide_files
from prognoscope.slides.readers import open_slide
from prognoscope.slides.readers.base import need_mpp
from prognoscope.slides.readers.openslide import OpenSlideSlide
from prognoscope.slides.readers.tiff import TiffSlide
from tests.slides.scene import pixels

LEVELS = [pixels(530, 370, each) for each in (1, 2, 4)]
TILED = {"tile": (128, 256), "photometric": "rgb"}
MPP = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}


def as_subifds(path, *, ome=True, planar="contig", **options):
    """As QuPath, bfconvert and vips write: levels below the first page."""
    levels = LEVELS if planar == "contig" else [np.moveaxis(level, 2, 0) for level in LEVELS]
    axes = {"axes": "YXS" if planar == "contig" else "SYX"}
    with tifffile.TiffWriter(path, ome=ome) as file:
        options |= {**TILED, "planarconfig": planar}
        file.write(levels[0], subifds=2, metadata=axes | MPP if ome else None, **options)
        for level in levels[1:]:
            file.write(level, subfiletype=1, **options)


def as_images(path, sizes_um=(0.25, 0.5, 1.0), more=()):
    """As older writers do: each level an image of its own."""
    pictures = [*zip(LEVELS, sizes_um, ("slide", "slide", "slide"), strict=True), *more]
    with tifffile.TiffWriter(path, ome=True) as file:
        for picture, um, name in pictures:
            size = {} if um is None else MPP | {"PhysicalSizeX": um, "PhysicalSizeY": um}
            file.write(picture, metadata={"axes": "YXS", "Name": name, **size}, **TILED)


def equals_another_reading(path):
    """Every level, whole and at offsets, with its white around, against tifffile's own reading."""
    with tifffile.TiffFile(path) as file:
        series = file.series
        theirs = [level.asarray() for level in (series[0].levels if len(series[0].levels) > 1 else series[:3])]
    with open_slide(path) as slide:
        assert slide.level_downsamples == (1, 2, 4)
        for k, level in enumerate(theirs):
            level = np.moveaxis(level, 0, 2) if level.shape[0] == 3 else level
            framed = np.pad(level, ((40, 200), (40, 200), (0, 0)), constant_values=255)
            for x, y, width, height in ((0, 0, 132, 92), (-7, -9, 60, 50), (61, 33, 90, 80), (400, 0, 9, 9)):
                x, y = min(x, level.shape[1]), min(y, level.shape[0])
                seen = slide.read(x * 2**k, y * 2**k, k, width, height)
                assert (seen == framed[40 + y : 40 + y + height, 40 + x : 40 + x + width]).all()


@pytest.mark.parametrize(("planar", "compression"), [("contig", None), ("separate", "deflate")])
def test_levels_in_subifds_are_those_of_the_slide(tmp_path, planar, compression):
    as_subifds(tmp_path / "a.ome.tif", planar=planar, compression=compression)
    equals_another_reading(tmp_path / "a.ome.tif")
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert isinstance(slide, TiffSlide)
        assert slide.mpp == 0.25


def test_levels_that_are_images_of_their_own_are_those_of_the_slide(tmp_path):
    as_images(tmp_path / "a.ome.tif", more=[(pixels(265, 185), 9.0, "label image"), (pixels(300, 90), 9.0, "Macro")])
    equals_another_reading(tmp_path / "a.ome.tif")


def test_a_pyramid_in_subifds_without_ome_has_the_resolution_of_its_tags(tmp_path):
    resolution = {"resolution": (4e4, 4e4), "resolutionunit": "CENTIMETER"}
    as_subifds(tmp_path / "a.tif", ome=False, **resolution)
    equals_another_reading(tmp_path / "a.tif")
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.mpp == 0.25
    as_subifds(tmp_path / "b.tif", ome=False)
    with open_slide(tmp_path / "b.tif") as slide, pytest.raises(SlideError, match="does not say its um per pixel"):
        need_mpp(slide)


def test_jpeg_tiles_are_decoded_as_openslide_decodes_them(tmp_path):
    slide_files.write_slide(tmp_path / "a.tif", pixels(1100, 600), 0.5)
    for reader in (ours := TiffSlide(tmp_path / "a.tif"), theirs := OpenSlideSlide(tmp_path / "a.tif")):
        assert (reader.size_px, reader.mpp, len(reader.level_sizes_px)) == ((1100, 600), 0.5, 2)
    for level, (width, height) in enumerate(theirs.level_sizes_px):
        assert (ours.read(0, 0, level, width, height) == theirs.read(0, 0, level, width, height)).all()
    ours.close()
    theirs.close()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "jpeg"])
def test_a_large_tiff_in_strips_is_read_strip_by_strip(tmp_path, monkeypatch, compression):
    picture = Image.fromarray(LEVELS[0])
    picture.save(
        tmp_path / "a.tif",
        compression=compression,
        tiffinfo={278: 48, **({317: 2} if compression == "tiff_lzw" else {})},
    )
    monkeypatch.setattr("prognoscope.slides.readers.tiff.MOST_PIXELS", 100_000)
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        assert isinstance(slide, TiffSlide)
        with Image.open(tmp_path / "a.tif") as theirs:
            assert (slide.read(7, 30, 0, 500, 340) == np.asarray(theirs.convert("RGB"))[30:370, 7:507]).all()


def test_jpeg_2000_is_read_where_openslide_refuses_it(tmp_path):
    tiles = []
    for y in (0, 256):
        tile = np.full((256, 256, 3), 255, np.uint8)
        tile[:] = pixels(256, 512)[y : y + 256]
        Image.fromarray(tile).save(out := io.BytesIO(), "JPEG2000", irreversible=False)
        tiles.append(out.getvalue())
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        options = {"tile": (256, 256), "photometric": "rgb", "compression": "deflate", "metadata": None}
        file.write(iter(tiles), shape=(512, 256, 3), dtype="uint8", **options)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(34712)
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        assert (slide.read(0, 0, 0, 256, 512) == pixels(256, 512)).all()


def test_tiles_without_bytes_are_white_and_clear_pixels_too(tmp_path):
    clear = np.dstack([LEVELS[0], np.full(LEVELS[0].shape[:2], 255, np.uint8)])
    clear[300:, 300:, 3] = 0
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        options = {"tile": (256, 256), "photometric": "rgb", "extrasamples": ["unassalpha"]}
        file.write(clear, metadata={"axes": "YXS"}, **options)
    with tifffile.TiffFile(tmp_path / "a.ome.tif", mode="r+") as file:
        counts = file.pages.first.tags["TileByteCounts"]
        counts.overwrite([0, *counts.value[1:]])
    with open_slide(tmp_path / "a.ome.tif") as slide:
        seen = slide.read(0, 0, 0, 530, 370)
    assert (seen[:256, :256] == 255).all()
    assert (seen[300:, 300:] == 255).all()
    assert (seen[:300, 256:] == LEVELS[0][:300, 256:]).all()


def grey(dtype, *shape):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    ("picture", "axes", "why"),
    [
        (grey(np.uint16, 300, 300, 3), "YXS", "has 16 bits a channel, not 8, as fluorescence has"),
        (grey(np.uint8, 3, 300, 300), "CYX", "holds 3 channels apart, as fluorescence has"),
        (grey(np.uint8, 5, 300, 300, 3), "ZYXS", "holds 5 planes, in depth or in time"),
        (grey(np.uint8, 70, 32, 32), "CYX", "holds 70 channels apart"),
    ],
)
def test_what_is_no_picture_of_stained_tissue_is_refused_in_a_sentence(tmp_path, picture, axes, why):
    photometric = "rgb" if axes.endswith("S") else "minisblack"
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(picture, tile=(256, 256), photometric=photometric, metadata={"axes": axes})
    with pytest.raises(SlideError, match=rf"The slide .*a\.ome\.tif {why}.* leave it out of the cohort\."):
        open_slide(tmp_path / "a.ome.tif", mpp=0.5)


def test_several_pictures_none_of_which_is_the_slide_are_refused(tmp_path):
    as_images(tmp_path / "a.ome.tif", more=[(pixels(400, 350), 0.25, "slide 2")])
    with pytest.raises(SlideError, match=r"holds 2 pictures of 530 x 370, 400 x 350 pixels, of which none"):
        open_slide(tmp_path / "a.ome.tif")
    as_images(tmp_path / "b.ome.tif", sizes_um=(0.25, 0.25, None))
    with pytest.raises(SlideError, match=r"holds 2 pictures of 530 x 370, 265 x 185 pixels"):
        open_slide(tmp_path / "b.ome.tif")


def test_damage_is_told_with_its_place(tmp_path):
    as_subifds(tmp_path / "a.ome.tif", compression="deflate")
    whole = (tmp_path / "a.ome.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        at = file.pages.first.dataoffsets[0]
    (tmp_path / "b.ome.tif").write_bytes(whole[:at] + bytes(500) + whole[at + 500 :])
    with open_slide(tmp_path / "b.ome.tif") as slide:
        with pytest.raises(SlideError, match=r"b\.ome\.tif is damaged and cannot be read \(tile 0, 0 of level 0: "):
            slide.read(0, 0, 0, 9, 9)
        assert (slide.read(300, 0, 0, 9, 9) == LEVELS[0][:9, 300:309]).all()
    (tmp_path / "c.ome.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SlideError, match=r"c\.ome\.tif"), open_slide(tmp_path / "c.ome.tif") as slide:
        slide.read(0, 0, 0, 530, 370)
        slide.read(0, 0, 1, 265, 185)
        slide.read(0, 0, 2, 132, 92)


def test_memory_holds_a_few_tiles_of_a_slide_however_large(tmp_path):
    black = np.zeros((4096, 4096, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", black, ome=True, compression="deflate", **TILED)
    with open_slide(tmp_path / "a.ome.tif") as slide:
        slide.hold(10 * 128 * 256 * 3)
        assert (slide.thumbnail(64) == 0).all()
        assert len(slide._kept._tiles) == 10
        slide.hold(0)
        assert not slide._kept._tiles


def test_a_piece_too_large_for_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    as_subifds(tmp_path / "a.ome.tif")
    monkeypatch.setattr("prognoscope.slides.readers.tiles.MOST_TILE_PX", 256 * 128 - 1)
    with pytest.raises(SlideError, match=r"is stored in pieces of 256 x 128 pixels, too large to be held in memory"):
        open_slide(tmp_path / "a.ome.tif")
