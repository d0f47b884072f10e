import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from prognoscope.core.errors import MissingFileError, SlideError
from prognoscope.slides.readers import READERS, Slide, open_slide
from prognoscope.slides.readers.base import believed_mpp, level_for, need_mpp, shrink_region
from prognoscope.slides.readers.ome import ome_images
from prognoscope.slides.readers.openslide import OpenSlideSlide
from prognoscope.slides.readers.pillow import PillowSlide
from prognoscope.slides.readers.tiff import TiffSlide
from tests.slides.scene import pixels, scene, write_scene, write_slide


@pytest.fixture(scope="module")
def odd_slide(tmp_path_factory):
    """Sides that no halving divides: OpenSlide reports downsamples of 4.006 and 8.03 for its levels."""
    return write_scene(tmp_path_factory.mktemp("slides") / "odd.tiff", 2055, 1543)


def test_both_readers_keep_the_protocol(odd_slide, tmp_path):
    Image.fromarray(pixels(60, 40)).save(tmp_path / "plain.png")
    for path in (odd_slide, tmp_path / "plain.png"):
        with open_slide(path) as slide:
            assert isinstance(slide, Slide)
    assert set(READERS) == {"tiff", "czi", "openslide", "zarr", "pillow"}


def test_levels_that_lost_their_last_row_have_whole_downsamples(odd_slide):
    with openslide.OpenSlide(odd_slide) as reported:
        assert max(abs(each - round(each)) for each in reported.level_downsamples) > 0.01
    with open_slide(odd_slide) as slide:
        assert slide.level_downsamples == (1, 2, 4, 8)
        assert slide.mpp == pytest.approx(0.5, rel=1e-4)
        assert slide.magnification is None


@pytest.mark.parametrize("level", range(4))
def test_a_region_starts_at_the_pixel_of_the_level_that_covers_its_origin(odd_slide, level):
    with open_slide(odd_slide) as slide:
        whole = pixels(2055, 1543, 2**level)
        x, y = slide.level_sizes_px[level][0] - 40, slide.level_sizes_px[level][1] - 30
        region = slide.read(x * 2**level, y * 2**level, level, 30, 20)
        # OpenSlide counts in fractions of a pixel, and blends neighbours by up to half of 1 / downsample
        assert np.abs(region.astype(int) - whole[y : y + 20, x : x + 30]).max() <= 3 * 2**level


@pytest.mark.parametrize("level", range(4))
def test_a_region_that_begins_beyond_the_slide_has_its_pixels_where_they_are(odd_slide, level):
    with open_slide(odd_slide) as slide:
        inside = slide.read(0, 0, level, 60, 50)
        region = slide.read(-3 * 2**level, -7 * 2**level, level, 60, 50)
        assert (region[7:, 3:] == inside[:43, :57]).all()
        assert (region[:7] == 255).all() and (region[:, :3] == 255).all()
        assert (slide.read(-90 * 2**level, 0, level, 60, 50) == 255).all()


@pytest.mark.parametrize("kind", ["tiff", "png"])
def test_nothing_is_white(tmp_path, kind):
    path = tmp_path / f"dark.{kind}"
    dark = np.zeros((300, 280, 3), np.uint8)
    write_slide(path, [dark]) if kind == "tiff" else Image.fromarray(dark).save(path)
    with open_slide(path) as slide:
        region = slide.read(-10, -20, 0, 300, 350)
        assert (region[20:320, 10:290] == 0).all()
        region[20:320, 10:290] = 255
        assert (region == 255).all()
        assert (slide.read(1000, 1000, 0, 5, 4) == 255).all()
        assert (slide.read(-100, 0, 0, 5, 4) == 255).all()


def test_a_thumbnail_is_the_mean_of_what_it_shows_however_few_rows_are_read_at_once(odd_slide, monkeypatch):
    with open_slide(odd_slide) as slide:
        at_once = slide.thumbnail(411)
        monkeypatch.setattr("prognoscope.slides.readers.base.PIXELS_AT_ONCE", 10_000)
        # levels are placed to a fraction of a pixel only, so strips differ by a shade
        assert np.abs(slide.thumbnail(411).astype(int) - at_once).max() <= 4
        assert at_once.shape == (309, 411, 3)
        direct = Image.fromarray(pixels(2055, 1543)).resize((411, 309), Image.Resampling.BOX)
        assert np.abs(at_once.astype(int) - np.asarray(direct)).mean() < 6
        assert slide.thumbnail(10**6).shape == (1543, 2055, 3)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((0, 0, 2055, 1543), (411, 309)),
        ((101.3, 55.7, 640.9, 411.2), (173, 114)),
        ((1300.5, 900.25, 2055, 1543), (755, 643)),
        ((17.25, 31.5, 57.75, 62.1), (243, 184)),
    ],
)
def test_a_part_of_a_slide_has_its_edges_where_they_are_asked_for(odd_slide, monkeypatch, box, size):
    monkeypatch.setattr("prognoscope.slides.readers.base.PIXELS_AT_ONCE", 2**15)
    with open_slide(odd_slide) as slide:
        seen = shrink_region(slide, box, size)
    x, y = ((np.arange(n) + 0.5) * (box[i + 2] - box[i]) / n + box[i] for i, n in enumerate(size))
    assert np.abs(seen.astype(int) - scene(x, y))[1:-1, 1:-1].max() <= 6


def test_a_slide_can_be_read_from_several_threads(odd_slide):
    places = [(x, y) for x in range(0, 1700, 170) for y in range(0, 1300, 130)]
    with open_slide(odd_slide) as slide:
        alone = [slide.read(x, y, 0, 100, 100) for x, y in places]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda place: slide.read(*place, 0, 100, 100), places))
    assert all((a == b).all() for a, b in zip(alone, together, strict=True))


def test_the_users_mpp_wins_and_nonsense_is_unknown(odd_slide, tmp_path):
    with open_slide(odd_slide, mpp=0.23) as slide:
        assert slide.mpp == 0.23
    silly = write_slide(tmp_path / "dpi.tiff", [pixels(300, 300)], mpp=352.8)
    with open_slide(silly) as slide:
        assert slide.mpp is None
        with pytest.raises(SlideError, match=r"dpi\.tiff says 352\.8.* no scanner has .*`cohort\.slides\.mpp`.*`mpp`"):
            need_mpp(slide)
    silent = write_slide(tmp_path / "silent.tiff", [pixels(300, 300)], mpp=None)
    with open_slide(silent) as slide, pytest.raises(SlideError, match=r"silent\.tiff does not say its um per pixel"):
        need_mpp(slide)


@pytest.mark.parametrize("mpp", [0.0274, 0.0499, 10.1])
def test_a_slip_of_a_converter_by_ten_is_no_resolution(tmp_path, mpp):
    path = write_slide(tmp_path / "slip.tiff", [pixels(300, 300)], mpp=mpp)
    with open_slide(path) as slide, pytest.raises(SlideError, match=r"slip\.tiff says .* no scanner has \(0\.05 to 10"):
        need_mpp(slide)


@pytest.mark.parametrize("mpp", [0.05, 10.0])
def test_the_ends_of_what_a_microscope_can_have_are_believed(tmp_path, mpp):
    with open_slide(write_slide(tmp_path / "a.tiff", [pixels(300, 300)], mpp=mpp)) as slide:
        assert slide.mpp == pytest.approx(mpp)


def test_pixels_that_are_not_square_are_refused_unless_the_user_says_otherwise():
    assert believed_mpp(0.25, 0.2524)[0] == pytest.approx(0.2512)
    mpp, why = believed_mpp(0.25, 0.5)
    assert mpp is None
    assert why.startswith(
        "says 0.25 um per pixel across and 0.5 down, so patches would be distorted. Save it with square"
    )
    assert believed_mpp(0.25, 0.0)[0] is None
    assert believed_mpp(None, 0.5) == (0.5, "")


def ome(x, y=None, **units):
    more = "".join(f' {name}Unit="{unit}"' for name, unit in units.items())
    pixels_tag = f'<Pixels ID="Pixels:0" SizeX="300" SizeY="300" PhysicalSizeX="{x}" PhysicalSizeY="{y or x}"{more}>'
    return f'<?xml version="1.0"?><OME><Image ID="Image:0">{pixels_tag}</Pixels></Image></OME>'


@pytest.mark.parametrize(
    ("description", "mpp"),
    [
        (ome(0.23), 0.23),
        (ome(230, PhysicalSizeX="nm", PhysicalSizeY="nm"), 0.23),
        (ome("2.3e-4", PhysicalSizeX="mm", PhysicalSizeY="mm"), 0.23),
        (ome(0.23, PhysicalSizeX="&#181;m", PhysicalSizeY="\N{GREEK SMALL LETTER MU}m"), 0.23),
        (ome(0.23, 0.46), None),
        (ome(0.23, PhysicalSizeX="pixel", PhysicalSizeY="pixel"), None),
        ("a picture", None),
    ],
)
@pytest.mark.parametrize("tile", [(256, 256), None])
def test_the_size_of_a_pixel_is_read_from_ome_xml(tmp_path, description, mpp, tile):
    path = tmp_path / "a.ome.tif"
    text = description.encode("utf-8")
    tifffile.imwrite(path, pixels(300, 300), tile=tile, photometric="rgb", description=text, metadata=None)
    with open_slide(path) as slide:
        plain = OpenSlideSlide if tile else PillowSlide
        assert isinstance(slide, plain if description == "a picture" else TiffSlide)
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp))


def test_the_image_of_the_slides_size_counts(tmp_path):
    both = ome(8).replace("300", "40") + ome(0.25)
    assert [image.size_um for image in ome_images(both)] == [(8, 8), (0.25, 0.25)]
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels(300, 300), photometric="rgb", description=both, metadata=None)
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.mpp == 0.25


@pytest.mark.parametrize("mpp", [0.0, -1.0, 40.0, float("nan"), float("inf")])
def test_an_mpp_that_no_microscope_has_is_refused(odd_slide, mpp):
    with pytest.raises(SlideError, match="um per pixel was given for the slide .*odd.tiff"):
        open_slide(odd_slide, mpp=mpp)


@pytest.mark.parametrize(("downsample", "level"), [(0.5, 0), (1, 0), (1.9, 0), (1.99, 1), (2, 1), (7, 2), (100, 3)])
def test_the_level_read_is_the_coarsest_that_is_fine_enough(odd_slide, downsample, level):
    with open_slide(odd_slide) as slide:
        assert level_for(slide, downsample) == level


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK", "1"])
def test_pictures_of_every_mode_become_rgb(tmp_path, mode):
    grey = np.tile(np.arange(0, 250, 5, np.uint8), (40, 1))
    path = tmp_path / f"picture.{'tif' if mode == 'CMYK' else 'png'}"
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    elif mode == "RGBA":
        clear = Image.fromarray(grey).convert("RGBA")
        clear.putalpha(0)
        clear.save(path)
    else:
        image = Image.fromarray(grey)
        (image.convert("RGB") if mode == "CMYK" else image).convert(mode).save(path)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.size_px == (50, 40)
        seen = slide.read(0, 0, 0, 50, 40)
    if mode == "RGBA":
        assert (seen == 255).all()
    elif mode != "1":
        assert np.abs(seen.astype(int) - grey[..., None]).max() <= 3


def test_a_picture_too_deep_or_too_large_says_what_to_do(tmp_path, monkeypatch):
    Image.fromarray(np.ones((9, 9), np.float32)).save(tmp_path / "deep.tif")
    with pytest.raises(SlideError, match=r"deep\.tif has 32 bits a channel\. Save it with 8 bits"):
        open_slide(tmp_path / "deep.tif")
    Image.new("RGB", (90, 90)).save(tmp_path / "large.png")
    monkeypatch.setattr("prognoscope.slides.readers.pillow.MOST_PIXELS", 8099)
    with pytest.raises(SlideError, match=r"large\.png is too large .* tiled pyramidal TIFF"):
        open_slide(tmp_path / "large.png")


def test_a_missing_file_is_told_from_one_that_is_no_slide(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere.svs does not exist"):
        open_slide(tmp_path / "nowhere.svs")
    with pytest.raises(MissingFileError, match="is a folder"):
        open_slide(tmp_path)
    (tmp_path / "empty.svs").touch()
    with pytest.raises(SlideError, match=r"empty\.svs is an empty file"):
        open_slide(tmp_path / "empty.svs")
    (tmp_path / "text.svs").write_text("not a slide")
    with pytest.raises(SlideError, match=r"text\.svs is not a slide"):
        open_slide(tmp_path / "text.svs")


def test_a_preview_is_not_taken_for_its_slide(tmp_path):
    Image.fromarray(pixels(300, 200)).save(tmp_path / "a.mrxs", "JPEG")
    with pytest.raises(SlideError, match=r"The folder a beside .*a\.mrxs is missing: .* Copy the folder too"):
        open_slide(tmp_path / "a.mrxs", mpp=0.5)
    (tmp_path / "a").mkdir()
    with pytest.raises(SlideError, match=r"The folder .*a lacks its Slidedat\.ini, so a\.mrxs cannot be opened"):
        open_slide(tmp_path / "a.mrxs", mpp=0.5)
    Image.fromarray(pixels(300, 200)).save(tmp_path / "b.ndpi", "TIFF")
    with pytest.raises(SlideError, match=r"b\.ndpi is not a slide in any known format, or it was cut short"):
        open_slide(tmp_path / "b.ndpi", mpp=0.5)
    Image.fromarray(pixels(300, 200)).save(tmp_path / "c.tif", description="Aperio Image Library v10\r\nmacro")
    with pytest.raises(SlideError, match=r"c\.tif is not a slide in any known format"):
        open_slide(tmp_path / "c.tif", mpp=0.5)
    pages = [Image.fromarray(pixels(*size)) for size in ((60, 40), (300, 200))]
    pages[0].save(tmp_path / "d.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(SlideError, match=r"d\.tif holds a larger one, 300 x 200 pixels, behind its first of 60 x 40"):
        open_slide(tmp_path / "d.tif", mpp=0.5)


def test_an_unsupported_compression_wants_converting(tmp_path):
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, pixels(512, 512), tile=(256, 256), photometric="rgb", compression="adobe_deflate")
    tag = (259).to_bytes(2, "little") + b"\3\0\1\0\0\0"
    path.write_bytes(path.read_bytes().replace(tag + b"\x08\0", tag + (50002).to_bytes(2, "little")))
    with pytest.raises(
        SlideError, match=r"a\.tiff .*Unsupported TIFF compression: 50002\)\. Convert it to a tiled TIFF"
    ) as error:
        open_slide(path)
    assert "Get the file again" not in str(error.value)


def test_what_declares_more_than_its_file_can_hold_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("prognoscope.slides.readers.base.MANY_PIXELS", 10**6)
    path = write_slide(tmp_path / "huge.tiff", [np.full((4096, 4096, 3), 7, np.uint8)])
    with open_slide(path) as slide:
        slide.thumbnail(64)  # deflated as well as can be
    with path.open("r+b") as file:
        content = file.read()
        for size in (b"\0\x10\0\0",):  # 4096 as the width and height of tags 256 and 257
            content = content.replace(b"\x00\x01\x04\0\x01\0\0\0" + size, b"\x00\x01\x04\0\x01\0\0\0\xff\xff\0\0")
            content = content.replace(b"\x00\x01\x03\0\x01\0\0\0" + size, b"\x00\x01\x03\0\x01\0\0\0\xff\xff\0\0")
        file.seek(0)
        file.write(content)
    with open_slide(path) as slide, pytest.raises(SlideError, match=r"huge\.tiff declares 65535 x .* no such picture"):
        slide.thumbnail(64)


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(SlideError, match=r"a\.tif is a pipe, a socket or a device"):
        open_slide(tmp_path / "a.tif")


def test_a_picture_cut_short_is_damaged(tmp_path):
    Image.fromarray(pixels(300, 300)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:5000])
    with pytest.raises(SlideError, match=r"cut\.png is damaged and cannot be read"):
        open_slide(tmp_path / "cut.png")


@pytest.mark.parametrize("name", ["plain.png", "pyramid.tiff"])
def test_a_closed_slide_says_so(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(pixels(60, 40)).save(path) if name == "plain.png" else write_scene(path, 300, 300)
    with open_slide(path) as slide:
        pass
    slide.close()
    with pytest.raises(SlideError, match="was closed"):
        slide.read(0, 0, 0, 5, 5)


def one_sentence_about(path, error):
    text = str(error.value)
    assert path.name in text
    assert "\n" not in text
    assert "leave it out of the cohort" in text


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_real_bad_files_each_give_one_sentence(data_pack, tmp_path):
    bad = data_pack / "slides" / "bad"
    with pytest.raises(SlideError, match="cannot be opened .*Unsupported TIFF compression: 52479") as error:
        open_slide(bad / "unopenable.tiff")
    one_sentence_about(bad / "unopenable.tiff", error)
    dicom = data_pack / "slides" / "other" / "small_dicom.dcm"
    with pytest.raises(SlideError, match="cannot be opened .*Couldn't get image flavor") as error:
        open_slide(dicom)
    one_sentence_about(dicom, error)
    cut = tmp_path / "cut.svs"
    cut.write_bytes((data_pack / "slides" / "CMU-1-Small-Region.svs").read_bytes()[:1_000_000])
    with pytest.raises(SlideError, match="is not a slide in any known format, or it was cut short") as error:
        open_slide(cut)
    one_sentence_about(cut, error)


def test_a_slide_that_fails_when_read_says_so_every_time_and_keeps_what_it_knew(data_pack):
    path = data_pack / "slides" / "bad" / "unreadable.svs"
    with open_slide(path) as slide:
        for attempt in (lambda: slide.thumbnail(16), lambda: slide.read(0, 0, 0, 4, 4), lambda: slide.thumbnail(9)):
            with pytest.raises(SlideError, match="is damaged and cannot be read") as error:
                attempt()
            one_sentence_about(path, error)
        assert slide.size_px == (16, 16)
        assert slide.mpp == 0.499
        assert slide.properties["openslide.vendor"] == "aperio"


@pytest.mark.parametrize(
    ("name", "size", "mpp", "magnification", "reader"),
    [
        ("CMU-1-Small-Region.svs", (2220, 2967), 0.499, 20, OpenSlideSlide),
        ("other/boxes.tiff", (300, 250), None, None, OpenSlideSlide),
        ("other/small_HE_levels.tiff", (300, 250), None, None, OpenSlideSlide),
        ("other/small.svs", (16, 16), 0.499, 20, OpenSlideSlide),
        ("other/boxes_0.dcm", (16, 16), 0.499, 20, OpenSlideSlide),
        ("other/boxes_1.dcm", (16, 16), 0.499, 20, OpenSlideSlide),
        ("other/smalltif.tif", (640, 480), None, None, PillowSlide),
    ],
)
def test_real_files_open_as_their_table_says(data_pack, name, size, mpp, magnification, reader):
    with open_slide(data_pack / "slides" / name) as slide:
        assert isinstance(slide, reader)
        assert (slide.size_px, slide.mpp, slide.magnification) == (size, mpp, magnification)
        assert max(slide.thumbnail(100).shape[:2]) == min(100, max(size))


def test_real_pixels_equal_openslides(data_pack):
    path = data_pack / "slides" / "CMU-1-Small-Region.svs"
    with open_slide(path) as slide, openslide.OpenSlide(path) as theirs:
        ours = slide.read(0, 0, 0, 2220, 2967)
        assert (ours == np.asarray(theirs.read_region((0, 0), 0, (2220, 2967)).convert("RGB"))).all()
    assert np.allclose(ours.mean((0, 1)), (214.0, 194.8, 207.9), atol=0.05)


def test_a_slide_may_have_any_name(data_pack, tmp_path):
    strange = shutil.copy(data_pack / "slides" / "other" / "small.svs", tmp_path / "größe 1.2 (b).svs")
    with open_slide(str(strange)) as slide:
        assert slide.size_px == (16, 16)
