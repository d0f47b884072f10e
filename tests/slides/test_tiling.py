import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.registration import phase_cross_correlation

from prognoscope.core.errors import InputError, SlideError
from prognoscope.slides.readers import open_slide
from prognoscope.slides.tiling import PatchGrid, TilingSpec, read_patches, tile
from prognoscope.slides.tissue import TissueMask, TissueSpec, segment_tissue
from tests.slides.scene import pixels, scene, write_scene


class Blank:
    """A slide that has a size and a resolution, but no pixels."""

    def __init__(self, size_px, mpp):
        self.path, self.size_px, self.mpp = "blank", size_px, mpp
        self.mpp_trouble = "does not say its um per pixel"
        self.level_sizes_px, self.level_downsamples, self.magnification, self.properties = (size_px,), (1.0,), None, {}

    def read(self, *_):
        raise AssertionError("tiling reads no pixels")

    thumbnail = hold = close = __enter__ = __exit__ = read


def mask_of(array, downsample=8.0):
    array = np.asarray(array, bool)
    return TissueMask(array, np.zeros_like(array), 4.0, float(downsample), 0.1, np.zeros((*array.shape, 3), np.uint8))


FULL = mask_of(np.ones((10, 10)))
sides = st.integers(1, 5000)
specs = st.builds(
    lambda patch, share, mpp: TilingSpec(patch, mpp, int(patch * share), 0.0),
    st.integers(1, 600),
    st.floats(0, 0.9),
    st.floats(0.1, 4),
)


@given(st.tuples(sides, sides), st.floats(0.1, 2), specs)
def test_patches_lie_within_the_slide_and_leave_less_than_a_stride_uncovered(size, mpp, spec):
    spec = dataclasses.replace(spec, patch_px=max(spec.patch_px, 32), overlap_px=min(spec.overlap_px, 20))
    grid = tile(Blank(size, mpp), FULL, spec)
    side = spec.patch_px * spec.mpp / mpp
    stride = (spec.patch_px - spec.overlap_px) * spec.mpp / mpp
    assert grid.patch_px_level0 == pytest.approx(side)
    if min(size) < side - 1e-6:
        assert len(grid) == 0
    for axis in (0, 1):
        starts = np.unique(grid.coords[:, axis])
        if len(starts):
            assert starts[0] == 0
            assert starts[-1] + side <= size[axis] + 1e-6
            assert size[axis] - (starts[-1] + side) < stride + 1
            assert np.abs(starts - np.arange(len(starts)) * stride).max() <= 1  # steps do not add up their rounding
            assert np.array_equal(starts, np.sort(starts))


@pytest.mark.parametrize(
    ("size", "mpp", "spec", "count"),
    [
        ((1024, 1024), 0.5, TilingSpec(), 16),
        ((1024, 1024), 0.25, TilingSpec(), 4),
        ((1023, 1024), 0.5, TilingSpec(), 12),
        ((1024, 1024), 0.5, TilingSpec(overlap_px=128), 49),
        ((2220, 2967), 0.499, TilingSpec(), 88),
        ((255, 5000), 0.5, TilingSpec(), 0),
        ((3, 3), 0.1, TilingSpec(patch_px=1, mpp=0.3), 1),
    ],
)
def test_whole_patches_are_counted_right(size, mpp, spec, count):
    assert len(tile(Blank(size, mpp), FULL, spec)) == count


def test_patches_come_row_by_row():
    grid = tile(Blank((600, 600), 0.5), FULL, TilingSpec())
    assert grid.coords.tolist() == [[0, 0], [256, 0], [0, 256], [256, 256]]
    assert grid.coords.dtype == np.int64
    assert grid.patch_um == 128
    assert grid.coords_um.tolist() == [[0, 0], [128, 0], [0, 128], [128, 128]]


@given(st.integers(0, 2**16), st.floats(0.15, 0.9))
def test_the_fraction_of_tissue_is_exact(seed, mpp):
    rng = np.random.default_rng(seed)
    mask = rng.random((13, 17)) < rng.random()
    size = (17 * 40, 13 * 40)
    grid = tile(Blank(size, mpp), mask_of(mask), TilingSpec(patch_px=50, mpp=0.5, min_tissue=0.0))
    side = grid.patch_px_level0
    for (x, y), fraction in zip(grid.coords.tolist(), grid.tissue.tolist(), strict=True):
        across = np.clip(np.minimum(np.arange(1, 18) * 40, x + side) - np.maximum(np.arange(17) * 40, x), 0, None)
        down = np.clip(np.minimum(np.arange(1, 14) * 40, y + side) - np.maximum(np.arange(13) * 40, y), 0, None)
        assert fraction == pytest.approx(down @ mask @ across / side**2, abs=1e-5)


def test_a_patch_that_is_just_tissue_enough_is_kept():
    half = np.zeros((8, 8), bool)
    half[:, :4] = True
    slide = Blank((512, 512), 0.5)
    wide = {"patch_px": 512, "mpp": 0.5}
    assert len(tile(slide, mask_of(half), TilingSpec(**wide, min_tissue=0.5))) == 1
    assert len(tile(slide, mask_of(half), TilingSpec(**wide, min_tissue=0.51))) == 0
    assert tile(slide, mask_of(half), TilingSpec(min_tissue=1.0)).coords.tolist() == [[0, 0], [0, 256]]


def test_without_tissue_there_are_no_patches_unless_all_are_asked_for():
    none = mask_of(np.zeros((8, 8)))
    assert len(tile(Blank((512, 512), 0.5), none, TilingSpec())) == 0
    assert len(tile(Blank((512, 512), 0.5), none, TilingSpec(min_tissue=0.0))) == 4


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"patch_px": 0}, "patch_px must be at least 1, not 0"),
        ({"overlap_px": 256}, "overlap_px is 256, but must be less than patch_px, 256"),
        ({"overlap_px": -1}, "overlap_px must be at least 0, not -1"),
        ({"mpp": 0.0}, "mpp must be more than 0, not 0"),
        ({"mpp": float("nan")}, "mpp must be a finite number, not nan"),
        ({"min_tissue": 1.5}, "min_tissue must be at most 1, not 1.5"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        TilingSpec(**options)


def test_a_slide_without_mpp_is_not_tiled():
    with pytest.raises(SlideError, match="blank does not say its um per pixel"):
        tile(Blank((512, 512), None), FULL, TilingSpec())


@pytest.fixture(scope="module")
def odd_slide(tmp_path_factory):
    """Sides that no halving divides: OpenSlide reports downsamples of 4.006 and 8.03 for its levels."""
    return write_scene(tmp_path_factory.mktemp("slides") / "odd.tiff", 2055, 1543)


@pytest.mark.parametrize("mpp", [0.5, 0.499, 0.7, 1.0, 1.37, 2.0, 4.0])
def test_a_patch_shows_the_place_that_its_coordinates_name(odd_slide, mpp):
    with open_slide(odd_slide, mpp=0.5) as slide:
        grid = tile(slide, FULL, TilingSpec(patch_px=64, mpp=mpp, min_tissue=0.0))
        patches = read_patches(slide, grid)
    step = mpp / 0.5  # level-0 pixels per pixel of a patch
    at = (np.arange(64) + 0.5) * step
    slope = 90 * 2 * np.pi / 89  # the most that the scene changes per level-0 pixel
    for (x, y), patch in zip(grid.coords.tolist(), patches, strict=True):
        off = np.abs(patch.astype(int) - scene(x + at, y + at))
        assert off.max() <= 2 + 0.5 * step * slope  # within half a pixel of the patch everywhere
        assert off.mean() <= 1 + 0.1 * step * slope


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_patch_shows_the_same_place_from_any_level(odd_slide, level):
    with open_slide(odd_slide, mpp=0.5) as slide:
        grid = tile(slide, FULL, TilingSpec(patch_px=96, mpp=4.0, min_tissue=0.0))
        fine, coarse = read_patches(slide, grid, level=0), read_patches(slide, grid, level=level)
    for a, b in zip(fine, coarse, strict=True):
        shift, *_ = phase_cross_correlation(a.mean(2), b.mean(2), upsample_factor=20)
        assert np.abs(shift).max() <= 0.15  # pixels of the patch


@pytest.mark.parametrize("name", ["boxes.tiff", "small_HE_levels.tiff"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_real_levels_of_odd_sizes_show_the_same_place(data_pack, name, level):
    with open_slide(data_pack / "slides" / "other" / name, mpp=0.5) as slide:
        corner = tile(slide, FULL, TilingSpec(patch_px=112, overlap_px=106, min_tissue=0.0))
        grid = dataclasses.replace(corner, coords=corner.coords[-1:], tissue=corner.tissue[-1:])
        fine, coarse = (read_patches(slide, grid, level=each)[0].mean(2) for each in (0, level))
    shift, *_ = phase_cross_correlation(fine, coarse, upsample_factor=20)
    assert np.abs(shift).max() <= 1  # level-0 pixels; the patch is at the far corner, where errors are largest
    assert np.corrcoef(fine.ravel(), coarse.ravel())[0, 1] > 0.9


def test_a_patch_has_the_same_pixels_whichever_others_are_read_with_it(odd_slide):
    with open_slide(odd_slide, mpp=0.499) as slide:
        grid = tile(slide, FULL, TilingSpec(patch_px=100, mpp=1.1, overlap_px=30, min_tissue=0.0))
        together = read_patches(slide, grid)
        assert (read_patches(slide, grid, np.array([7, 3])) == together[[7, 3]]).all()
        assert (read_patches(slide, grid, slice(4, 6)) == together[4:6]).all()
        assert read_patches(slide, grid, slice(0, 0)).shape == (0, 100, 100, 3)


def test_pixels_are_untouched_where_resolutions_agree(odd_slide):
    with open_slide(odd_slide, mpp=0.5) as slide:
        grid = tile(slide, FULL, TilingSpec(min_tissue=0.0))
        patches = read_patches(slide, grid)
    whole = pixels(2055, 1543)
    assert all((whole[y : y + 256, x : x + 256] == p).all() for (x, y), p in zip(grid.coords, patches, strict=True))


@pytest.mark.parametrize("size", [(653, 700), (700, 653)])  # three patches of 217.4 pixels end at 652.2
def test_no_white_bleeds_in_at_the_border(tmp_path, size):
    Image.new("RGB", size, (100, 100, 100)).save(tmp_path / "grey.png")
    with open_slide(tmp_path / "grey.png", mpp=0.23) as slide:
        grid = tile(slide, FULL, TilingSpec(patch_px=100, mpp=0.5, min_tissue=0.0))
        assert (read_patches(slide, grid) == 100).all()


def test_a_slide_coarser_than_the_patches_is_enlarged(tmp_path):
    Image.fromarray(pixels(300, 300)).save(tmp_path / "coarse.png")
    with open_slide(tmp_path / "coarse.png", mpp=1.0) as slide:
        grid = tile(slide, FULL, TilingSpec(mpp=0.5, min_tissue=0.0))
        patch = read_patches(slide, grid, slice(0, 1))[0]
    at = (np.arange(256) + 0.5) / 2
    assert np.abs(patch[4:-4, 4:-4].astype(int) - scene(at, at)[4:-4, 4:-4]).max() <= 3


def test_the_real_slide_has_its_patches(data_pack):
    with open_slide(data_pack / "slides" / "CMU-1-Small-Region.svs") as slide:
        tissue = segment_tissue(slide, TissueSpec())
        grid = tile(slide, tissue, TilingSpec())
        patches = read_patches(slide, grid)
    assert len(grid) == 33
    assert patches.shape == (33, 256, 256, 3)
    assert (patches.mean((1, 2, 3)) < 235).all()  # none is empty glass
    assert grid.patch_px_level0 == pytest.approx(256.513, abs=1e-3)


@pytest.mark.parametrize("name", ["small.svs", "boxes_0.dcm"])
def test_a_real_slide_smaller_than_a_patch_has_none(data_pack, name):
    with open_slide(data_pack / "slides" / "other" / name) as slide:
        grid = tile(slide, segment_tissue(slide, TissueSpec()), TilingSpec(min_tissue=0.0))
        assert len(grid) == 0
        assert read_patches(slide, grid).shape == (0, 256, 256, 3)


def masked(mask, mpp=0.5, downsample=8.0):
    blank = np.zeros((*mask.shape, 3), np.uint8)
    return TissueMask(mask, np.zeros_like(mask), mpp * downsample, downsample, 0.1, blank)


@pytest.mark.parametrize(("width_px", "left_px", "least"), [(30, 49, 2), (20, 57, 2), (14, 57, 0)])
def test_a_needle_core_across_the_lines_of_the_grid_gets_patches_of_a_shifted_one(tmp_path, width_px, left_px, least):
    write_scene(tmp_path / "core.tiff", 1024, 1024, downsamples=(1,))
    mask = np.zeros((128, 128), bool)
    mask[20:110, left_px : left_px + width_px] = True  # of 8 pixels of the slide; a patch is 32 of them wide
    with open_slide(tmp_path / "core.tiff") as slide:
        grid = tile(slide, masked(mask), TilingSpec())
        assert len(grid) >= least
        assert grid.fullest == pytest.approx(min(1, width_px / 32), abs=0.13)
        assert (grid.tissue >= 0.5).all()
        assert (grid.coords >= 0).all()
        assert (grid.coords + 256 <= 1024).all()
        if least == 0:
            assert len(grid) == 0
            assert len(tile(slide, masked(mask), TilingSpec(min_tissue=0.4))) > 0


@pytest.mark.parametrize("patch_px", [100, 64])
def test_a_patch_that_others_let_reach_over_the_border_is_white_there(tmp_path, patch_px):
    Image.new("RGB", (300, 200), "black").save(tmp_path / "black.png")
    with open_slide(tmp_path / "black.png", mpp=0.5) as slide:
        place = np.array([[250, 125]])
        grid = PatchGrid(place, np.ones(1), patch_px, 0, 0.5 * 100 / patch_px, 0.5, slide.size_px)
        patch = read_patches(slide, grid)[0, :, :, 0]
    half, part = patch_px // 2, patch_px * 3 // 4
    assert patch[: part - 2, : half - 2].max() == 0
    assert patch[:, half + 2 :].min() == patch[part + 2 :].min() == 255
