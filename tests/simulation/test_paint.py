import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from prognoscope.simulation.nuclei import MARGIN_PX, NucleusKind, draw_sprites, scatter, stamp
from prognoscope.simulation.paint import CELL_PX, _enlarge, nucleus_kinds, paint
from prognoscope.simulation.stains import Stain, develop, site_stain
from prognoscope.simulation.tissue_classes import BACKGROUND, FAT, LYMPHOCYTES, NECROSIS, Factors

STAIN = Stain((0.64, 0.71, 0.30), (0.12, 0.86, 0.46), (1.0, 1.0, 1.0))
SIDE = 1024


def painted(seed=0, *, subtype="solid", proliferation=0.0, immune=0.0, necrosis=0.0, side=SIDE):
    factors = Factors(subtype, float(proliferation), float(immune), float(necrosis))
    return paint(factors, side, STAIN, np.random.default_rng(seed))


def tumour(slide):
    """The pixels of the tumour, but for its border, as optical density (n, 3)."""
    kind = 1 if (slide.classes == 1).any() else 2
    where = binary_erosion(slide.classes == kind, iterations=2).repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)
    where &= ~slide.pen.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)
    return -np.log((slide.picture[where].astype(float) + 1) / 256)


def test_stains_mix_by_beer_and_lambert():
    haematoxylin = np.array([[0.0, 1.0, 0.5]], np.float32)
    eosin = np.array([[0.0, 0.0, 2.0]], np.float32)
    density = haematoxylin[..., None] * STAIN.haematoxylin + eosin[..., None] * STAIN.eosin
    np.testing.assert_allclose(develop(haematoxylin, eosin, STAIN), np.round(255 * np.exp(-density)), atol=1)


@given(st.integers(1, 9), st.integers(2, 8))
def test_enlarging_a_plane_gives_the_plane(cells, times):
    y, x = np.mgrid[: cells + 2, : cells + 3].astype(np.float32)
    large = _enlarge(3 * x - 2 * y, times)
    at = (np.arange((cells + 3) * times) + 0.5) / times - 0.5
    expected = 3 * at[None, :] - 2 * at[: (cells + 2) * times, None]
    inner = slice(times, -times)
    np.testing.assert_allclose(large[inner, inner], expected[inner, inner], atol=1e-4)


def test_one_nucleus_is_stamped_where_it_belongs():
    kind = NucleusKind(spacing_px=20, radius_px=6, elongation=1, density=1)
    rng = np.random.default_rng(0)
    onto = np.zeros((100 + 2 * MARGIN_PX,) * 2, np.float32)
    stamp(onto, np.array([[0, 99], [50, 20]]), draw_sprites(kind, rng), rng)
    body = onto[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    assert body[99, 0] > 0.3 and body[20, 50] > 0.3
    assert (body > 0.05).sum() == pytest.approx(1.25 * np.pi * 6**2, rel=0.5)
    assert body[40:80, 60:].max() == 0


def test_nuclei_lie_as_densely_as_stated():
    places = scatter(1000, 20, np.random.default_rng(0))
    assert len(places) == pytest.approx(1000**2 / (20 * 20 * 0.87), rel=0.05)
    assert (places >= 0).all() and (places < 1000).all()


@pytest.mark.parametrize("subtype", ["glandular", "solid"])
def test_proliferation_makes_tumour_nuclei_larger_and_denser(subtype):
    kinds = [nucleus_kinds(Factors(subtype, p, 0.0, 0.0))["tumour"] for p in (-2.0, 0.0, 2.0)]
    assert kinds[0].radius_px < kinds[1].radius_px < kinds[2].radius_px
    assert kinds[0].spacing_px > kinds[1].spacing_px > kinds[2].spacing_px
    red = [tumour(painted(subtype=subtype, proliferation=p))[:, 0].mean() for p in (-2, -1, 0, 1, 2)]
    assert (np.diff(red) > 0.01).all()  # red is what haematoxylin takes


@pytest.mark.parametrize("factor, kind", [("immune", LYMPHOCYTES), ("necrosis", NECROSIS)])
def test_immune_infiltration_and_necrosis_take_their_area(factor, kind):
    areas = []
    for value in (-2, 0, 2):
        classes = painted(3, **{factor: value}).classes
        areas.append((classes == kind).sum() / (classes != BACKGROUND).sum())
    assert areas[0] < areas[1] / 2 and areas[1] < areas[2] / 2


def test_glands_have_lumens_and_solid_tumour_has_none():
    bright = {s: (tumour(painted(1, subtype=s)).sum(axis=1) < 0.3).mean() for s in ("glandular", "solid")}
    assert bright["glandular"] > 0.05 > 5 * bright["solid"]


def test_glass_and_fat_are_bright_and_tissue_is_not():
    slide = painted(2)
    cells = slide.picture.reshape(SIDE // CELL_PX, CELL_PX, SIDE // CELL_PX, CELL_PX, 3).mean(axis=(1, 3))
    clear = ~slide.pen
    assert cells[(slide.classes == BACKGROUND) & clear].mean() > 240
    assert np.median(cells[(slide.classes == FAT) & clear]) > 230
    others = ~np.isin(slide.classes, [BACKGROUND, FAT]) & clear
    assert (cells[others].min(axis=1) < 225).mean() > 0.97


def test_some_slides_bear_ink_and_the_truth_says_where():
    slides = [painted(seed) for seed in range(12)]
    inked = [slide for slide in slides if slide.pen.any()]
    assert 0 < len(inked) < 7
    for slide in inked:
        cells = slide.picture[CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]
        assert cells[slide.pen].mean() < cells[~slide.pen].mean() - 40


def test_the_same_numbers_paint_the_same_slide():
    np.testing.assert_array_equal(painted(5).picture, painted(5).picture)


def test_hospitals_stain_differently_and_a_hospital_nearly_the_same():
    rng = np.random.default_rng(0)
    first, again, other = (np.array(site_stain(0, site, rng).haematoxylin) for site in (1, 1, 2))
    assert np.linalg.norm(first - again) < np.linalg.norm(first - other)
