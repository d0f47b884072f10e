import re
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.filters import threshold_otsu

from prognoscope.core.errors import InputError, SlideError
from prognoscope.slides.readers import open_slide
from prognoscope.slides.tissue import TissueSpec, _otsu, segment_tissue, tissue_of, why_none

UM_PER_PX = 4.0
GLASS, PINK, VIOLET = (243, 241, 242), (222, 150, 190), (120, 70, 150)
INKS = {"green": (20, 110, 60), "pale green": (90, 190, 130), "blue": (30, 60, 170), "cyan": (40, 150, 190)}
INKS |= {"black": (25, 25, 28), "red": (225, 25, 35)}


def picture(draw=lambda pen: None, *, size=(500, 400), noise=3.0, seed=0):
    """Glass with sensor noise, and what is drawn on it."""
    image = Image.new("RGB", size, GLASS)
    draw(ImageDraw.Draw(image))
    noisy = ndimage.gaussian_filter(np.asarray(image, np.float64), (1, 1, 0))
    noisy += np.random.default_rng(seed).normal(0, noise, noisy.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def painted(*shapes, size=(500, 400)):
    image = Image.new("1", size)
    for shape in shapes:
        ImageDraw.Draw(image).ellipse(shape, fill=1)
    return np.asarray(image)


def tissue(rgb, **options):
    return tissue_of(rgb, UM_PER_PX, TissueSpec(**options))[:3]


@pytest.mark.parametrize("colour", [PINK, VIOLET, (245, 215, 232)])
def test_stained_tissue_is_found_and_glass_is_not(colour):
    mask, pen, threshold = tissue(picture(lambda draw: draw.ellipse((100, 80, 300, 320), fill=colour)))
    assert overlap(mask, painted((100, 80, 300, 320))) > 0.96
    assert not pen.any()
    assert 0.05 <= threshold <= 0.12


def test_what_is_too_pale_to_count_beside_strong_stain_is_measured():
    brown, counterstain = (80, 40, 12), (216, 222, 238)

    def draw(on, left=counterstain):
        on.ellipse((50, 80, 200, 320), fill=left)
        on.ellipse((250, 80, 400, 320), fill=brown)

    mask, _, _, pale = tissue_of(picture(draw), UM_PER_PX, TissueSpec())
    assert overlap(mask, painted((250, 80, 400, 320))) > 0.95
    assert overlap(pale, painted((50, 80, 200, 320))) > 0.9
    chosen = TissueSpec(saturation=0.05)
    mask, _, _, pale = tissue_of(picture(draw), UM_PER_PX, chosen)
    assert overlap(mask, painted((50, 80, 200, 320), (250, 80, 400, 320))) > 0.95
    assert not pale.any()
    for rgb in (picture(lambda on: draw(on, VIOLET)), picture(lambda on: on.rectangle((0, 0, 2, 2), fill=GLASS))):
        assert not tissue_of(rgb, UM_PER_PX, TissueSpec())[3].any()


def test_pale_tissue_beside_dark_tissue_is_kept():
    def draw(on):
        on.ellipse((50, 80, 200, 320), fill=VIOLET)
        on.ellipse((250, 80, 400, 320), fill=(240, 200, 222))

    mask, _, _ = tissue(picture(draw))
    assert overlap(mask, painted((50, 80, 200, 320), (250, 80, 400, 320))) > 0.95


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 200, 200), (243, 238, 220)], ids=str)
def test_a_thumbnail_of_one_shade_of_glass_has_no_tissue(colour):
    mask, _, threshold = tissue(np.full((60, 80, 3), colour, np.uint8))
    assert not mask.any()
    assert np.isfinite(threshold)


@pytest.mark.parametrize("colour", [PINK, VIOLET], ids=str)
def test_a_thumbnail_of_even_tissue_is_tissue(colour):
    mask, pen, _ = tissue(np.full((60, 80, 3), colour, np.uint8))
    assert mask.all()
    assert not pen.any()


@pytest.mark.parametrize("glass", [(255, 255, 255), GLASS, (240, 232, 220), (215, 214, 212)], ids=str)
@pytest.mark.parametrize("noise", [1.0, 3.0, 5.0])
def test_glass_alone_has_no_tissue(glass, noise):
    rgb = np.array(glass) + np.random.default_rng(0).normal(0, noise, (300, 400, 3))
    mask, pen, _ = tissue(np.clip(rgb, 0, 255).astype(np.uint8))
    assert not mask.any()
    assert not pen.any()


@pytest.mark.parametrize("glass", [GLASS, (240, 232, 220)], ids=str)
def test_a_little_tissue_on_much_glass_is_found_without_the_glass(glass):
    rgb = np.full((900, 1200, 3), glass, np.float64)
    rgb[300:340, 300:340] = PINK  # 0.15 % of the slide
    rgb = ndimage.gaussian_filter(rgb, (1, 1, 0)) + np.random.default_rng(0).normal(0, 4, rgb.shape)
    mask, _, _ = tissue(np.clip(rgb, 0, 255).astype(np.uint8))
    assert mask[305:335, 305:335].all()
    assert mask.sum() < 48 * 48


@pytest.mark.parametrize("ink", INKS)
def test_pen_on_glass_is_no_tissue_and_is_shown(ink):
    def draw(on):
        on.ellipse((50, 80, 200, 320), fill=PINK)
        on.line((300, 40, 450, 360), fill=INKS[ink], width=30)

    mask, pen, _ = tissue(picture(draw))
    assert overlap(mask, painted((50, 80, 200, 320))) > 0.95
    assert pen[100:300, 330:440].any()
    assert not (mask & pen).any()
    assert not pen[:, :250].any()


@pytest.mark.parametrize("ink", ["green", "blue", "black"])
def test_pen_across_tissue_is_cut_out_of_it(ink):
    def draw(on):
        on.ellipse((100, 80, 400, 320), fill=PINK)
        on.line((0, 200, 500, 200), fill=INKS[ink], width=30)

    mask, pen, _ = tissue(picture(draw))
    assert pen[190:210, 5:495].all()
    assert not mask[190:210].any()
    assert mask[120:170, 200:300].all()
    kept, none, _ = tissue(picture(draw), remove_pen=False)
    assert not none.any()
    assert kept.sum() > mask.sum()


STAINS = {"DAB": (120, 70, 30), "strong DAB": (80, 40, 12), "blue haematoxylin": (90, 120, 190)}
STAINS |= {"Masson": (110, 170, 190), "Goldner": (120, 180, 160), "blood": (205, 60, 60), "haemorrhage": (190, 30, 40)}
STAINS |= {"aniline blue": (55, 100, 180), "light green": (70, 150, 110), "nuclei": (70, 95, 185)}


@pytest.mark.parametrize("grain", [3.0, 6.0])
@pytest.mark.parametrize("stain", STAINS)
def test_strong_stains_are_tissue_and_no_ink(stain, grain):
    """Cells are lighter and darker from one pixel of a thumbnail to the next; ink is even."""
    rgb = picture(lambda on: on.rectangle((100, 80, 300, 320), fill=STAINS[stain]), noise=1.0).astype(float)
    rgb[80:321, 100:301] += np.random.default_rng(1).normal(0, grain, (241, 201, 1))
    mask, pen, _ = tissue(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))
    assert mask[85:315, 105:295].mean() > 0.97
    assert not pen.any()


def test_pen_on_tissue_of_its_own_hue_takes_the_stroke_alone():
    rgb = picture(lambda on: on.rectangle((100, 40, 400, 360), fill=(150, 165, 205))).astype(float)
    rgb[40:361, 100:401] += np.random.default_rng(1).normal(0, 6, (321, 301, 1))
    rgb[180:220, 50:450] = (30, 60, 170)
    mask, pen, _ = tissue(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))
    assert pen[185:215, 60:440].all()
    assert mask[60:130, 120:380].mean() > 0.97


def test_a_slide_of_pen_alone_has_no_tissue():
    mask, pen, _ = tissue(np.full((100, 100, 3), INKS["green"], np.uint8))
    assert pen.all()
    assert not mask.any()


def test_specks_and_small_holes_go_and_large_ones_stay():
    def draw(on):
        on.ellipse((100, 80, 300, 320), fill=PINK)
        on.ellipse((190, 120, 200, 130), fill=GLASS)  # 0.0013 mm2
        on.ellipse((170, 180, 230, 240), fill=GLASS)  # 0.045 mm2
        on.ellipse((400, 100, 412, 112), fill=PINK)  # 0.0018 mm2
        on.ellipse((400, 200, 450, 250), fill=PINK)  # 0.031 mm2

    mask, _, _ = tissue(picture(draw))
    assert mask[125, 195]
    assert not mask[210, 200]
    assert not mask[106, 406]
    assert mask[225, 425]
    everything, _, _ = tissue(picture(draw), min_area_mm2=0.0, max_hole_mm2=0.0)
    assert everything[106, 406]
    assert not everything[125, 195]


@given(st.lists(st.integers(0, 255), min_size=2, max_size=300).filter(lambda v: len(set(v)) > 1))
def test_the_threshold_splits_as_scikit_images_otsu_does(levels):
    values = (np.array(levels, np.float32) + 0.5) / 256
    theirs = threshold_otsu(np.array(levels, np.uint8))

    def spread(at):
        low, high = values[values <= at], values[values > at]
        return len(low) * low.var() + len(high) * high.var()

    assert spread(_otsu(values)[0]) == pytest.approx(spread((theirs + 0.75) / 256), rel=1e-4, abs=1e-5)


def why(draw=lambda pen: None, **options):
    return why_none(picture(draw), UM_PER_PX, TissueSpec(**options))


@pytest.mark.parametrize("ink", [(25, 90, 60), (25, 30, 120)], ids=str)
def test_dark_ink_through_which_tissue_shows_is_ink(ink):
    rgb = picture(lambda on: on.rectangle((100, 40, 400, 360), fill=PINK)).astype(float)
    rgb[180:220, 50:450] = ink
    rgb[40:361, 100:401] += np.random.default_rng(1).normal(0, 5, (321, 301, 1))
    mask, pen, _ = tissue(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))
    assert pen[185:215, 60:440].mean() > 0.99
    assert not mask[185:215, 110:390].any()


def test_a_slide_without_tissue_says_why_and_which_setting_to_change():
    assert why(lambda on: None).startswith("it is blank, with a saturation of 0.0")

    def pale(on):
        on.ellipse((100, 80, 300, 320), fill=(241, 231, 236))

    assert re.match(
        r"(it is evenly coloured|there is hardly any colour).* set features\.tissue\.saturation below", why(pale)
    )
    mask, _, _ = tissue(picture(pale), saturation=0.03)
    assert overlap(mask, painted((100, 80, 300, 320))) > 0.9
    small = why(lambda on: [on.ellipse((x, 100, x + 18, 118), fill=PINK) for x in (100, 200, 300)])
    assert re.match(
        r"all 3 coloured pieces are smaller than 0\.01 sq mm, the largest has 0\.00\d+; .*min_area_mm2", small
    )
    ink = why(lambda on: on.line((50, 200, 450, 200), fill=INKS["blue"], width=60))
    assert re.match(
        r"what has colour was taken for ink of a pen, \d+% of the slide; .*features\.tissue\.remove_pen", ink
    )


def test_presets_are_what_their_sources_say():
    clam, rule = TissueSpec(preset="clam"), TissueSpec(preset="saturation15")
    assert (clam.saturation * 255, clam.smooth_um / clam.um_per_px, clam.close_um / clam.um_per_px) == (8, 7, 4)
    assert clam.min_area_mm2 == pytest.approx(100 * (512 * 0.25e-3) ** 2, rel=0.01)
    assert not clam.remove_pen
    levels = np.tile(np.arange(9, 21, dtype=np.uint8).repeat(20), (60, 1))  # 255 - level is the smallest channel
    rgb = np.stack([np.full_like(levels, 255), 255 - levels, np.full_like(levels, 255)], axis=2)
    mask, _, threshold, _ = tissue_of(rgb, UM_PER_PX, TissueSpec(preset="saturation15", smooth_um=0.0))
    assert threshold * 255 == pytest.approx(15)
    assert (mask == (levels >= 15)).all()
    assert rule.min_area_mm2 == TissueSpec().min_area_mm2
    assert TissueSpec(preset="clam", remove_pen=True).remove_pen
    assert TissueSpec(preset="clam") == TissueSpec(**asdict(clam))


def test_a_slide_without_tissue_gives_an_empty_mask(tmp_path):
    Image.fromarray(picture(size=(2000, 1500))).save(tmp_path / "glass.png")
    with open_slide(tmp_path / "glass.png", mpp=0.5) as slide:
        mask = segment_tissue(slide, TissueSpec())
    assert not mask.mask.any()
    assert mask.area_mm2 == 0


@pytest.mark.parametrize("mpp", [0.25, 0.5, 5.0])
def test_area_is_in_square_millimetres_whatever_the_resolution(tmp_path, mpp):
    side = round(800 / mpp)
    image = np.full((side, side, 3), GLASS, np.uint8)
    image[: side // 2] = PINK
    Image.fromarray(image).save(tmp_path / "half.png")
    with open_slide(tmp_path / "half.png", mpp=mpp) as slide:
        mask = segment_tissue(slide, TissueSpec())
    assert mask.area_mm2 == pytest.approx(0.32, rel=0.03)
    assert mask.um_per_px == pytest.approx(max(4, mpp), rel=0.01)
    assert mask.downsample * mpp == pytest.approx(mask.um_per_px)


def test_without_an_mpp_there_is_no_mask(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "plain.png")
    with open_slide(tmp_path / "plain.png") as slide, pytest.raises(SlideError, match=r"plain\.png does not say"):
        segment_tissue(slide, TissueSpec())


@pytest.mark.parametrize(
    "options",
    [
        {"otsu_between": (0.2, 0.1)},
        {"saturation": 2.0},
        {"um_per_px": 0.0},
        {"smooth_um": -1.0},
        {"max_hole_mm2": -0.1},
    ],
)
def test_settings_that_mean_nothing_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options)).split("_")[0]):
        TissueSpec(**options)


def test_real_tissue_covers_what_the_eye_sees(data_pack):
    with open_slide(data_pack / "slides" / "CMU-1-Small-Region.svs") as slide:
        mask = segment_tissue(slide, TissueSpec())
    assert 0.33 < mask.mask.mean() < 0.39  # 34.6 % of the pixels are clearly coloured
    assert mask.area_mm2 == pytest.approx(0.586, abs=0.03)
    assert not mask.pen.any()


def test_real_pictures_of_tissue_alone_are_tissue(data_pack):
    for path in sorted((data_pack / "images").glob("*.png")):
        with open_slide(path, mpp=0.5) as slide:
            mask = segment_tissue(slide, TissueSpec())
        assert mask.mask.mean() > 0.95
        assert not mask.pen.any()
