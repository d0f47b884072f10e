import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from prognoscope.core.errors import SlideError
from prognoscope.viewer import tiles
from prognoscope.viewer.tiles import KeptBytes, OpenSlides, as_jpeg, region, stamp_of, tile, top_of
from tests.slides.scene import pixels, write_scene, write_slide


@pytest.fixture(scope="module")
def odd_slide(tmp_path_factory) -> Path:
    return write_scene(tmp_path_factory.mktemp("slides") / "odd.tiff", 2055, 1543)


def mosaic(entry, z: int) -> np.ndarray:
    downsample = 2 ** (top_of(entry.slide.size_px) - z)
    columns, rows = (-(-side // (256 * downsample)) for side in entry.slide.size_px)
    return np.vstack([np.hstack([tile(entry, z, x, y) for x in range(columns)]) for y in range(rows)])


def test_the_finest_tiles_are_the_slide_itself_and_white_beyond_it(odd_slide):
    with OpenSlides().use(odd_slide, None) as entry:
        whole = mosaic(entry, 12)
    assert np.abs(whole[:1543, :2055].astype(int) - pixels(2055, 1543)).max() <= 3
    assert (whole[1543:] == 255).all() and (whole[:, 2055:] == 255).all()


def test_a_folder_of_zarr_that_was_written_again_is_seen_though_the_folder_itself_is_as_it_was(tmp_path):
    path, level = tmp_path / "a.zarr", tmp_path / "a.zarr" / "0" / "zarr.json"
    level.parent.mkdir(parents=True)
    level.write_text("{}")
    before, (folder, parent) = stamp_of(path), (path.stat(), level.parent.stat())
    assert stamp_of(path) == before
    os.utime(level, ns=(0, parent.st_mtime_ns + 10**9))
    assert (path.stat().st_mtime_ns, level.parent.stat().st_mtime_ns) == (folder.st_mtime_ns, parent.st_mtime_ns)
    assert stamp_of(path) != before
    with pytest.raises(SlideError, match="is not there any more"):
        stamp_of(tmp_path / "b.zarr")


LEFT, TOP, SIDE = 1033, 777, 256  # of the black patch


@pytest.fixture(scope="module")
def black_patch(tmp_path_factory) -> Path:
    """A white slide with a black patch, of three levels."""
    width, height = 2999, 2220
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = 0
    coarser = [picture[: height // k * k, : width // k * k].reshape(height // k, k, width // k, k, 3) for k in (2, 4)]
    levels = [picture, *(each.mean((1, 3)).astype(np.uint8) for each in coarser)]
    return write_slide(tmp_path_factory.mktemp("black") / "black.tiff", levels)


@pytest.mark.parametrize("z", range(6, 13))
def test_a_black_patch_lies_at_its_level_0_place_at_every_zoom(black_patch, z):
    with OpenSlides().use(black_patch, None) as entry:
        dark = 255 - mosaic(entry, z)[..., 0].astype(float)
    downsample = 2 ** (12 - z)
    dark[dark < 12] = 0
    for axis, middle in ((0, LEFT + SIDE / 2), (1, TOP + SIDE / 2)):
        along = dark.sum(axis=axis)
        centre = (along * (np.arange(len(along)) + 0.5)).sum() / along.sum() * downsample
        assert abs(centre - middle) < 0.6 + 0.06 * downsample, "in level-0 pixels"


@pytest.mark.parametrize("place", [(-1, 0, 0), (13, 0, 0), (12, 9, 0), (12, 0, 7), (0, 1, 0), (12, -1, 0)])
def test_there_is_no_tile_beyond_the_slide(odd_slide, place):
    with OpenSlides().use(odd_slide, None) as entry, pytest.raises(IndexError):
        tile(entry, *place)


def test_a_slide_of_one_level_has_its_overview_from_a_thumbnail(tmp_path, monkeypatch):
    write_slide(tmp_path / "flat.tiff", [pixels(1600, 1200)])
    with OpenSlides().use(tmp_path / "flat.tiff", None) as entry:
        exact = region(entry, 0.0, 0.0, 8.0, 200)
        monkeypatch.setattr(tiles, "MOST_READ_PX", 1)
        rough = region(entry, 0.0, 0.0, 8.0, 200)
    assert np.abs(exact.astype(int) - rough).mean() < 4


def test_few_slides_stay_open_and_none_is_closed_while_it_is_read(tmp_path):
    paths = [write_scene(tmp_path / f"{k}.tiff", 600, 500) for k in range(5)]
    slides = OpenSlides(most=2)
    with slides.use(paths[0], None) as first:
        for path in paths[1:]:
            with slides.use(path, None):
                pass
        assert len(slides._open) == 2 and first.is_old
        assert tile(first, 10, 0, 0).shape == (256, 256, 3)
    with pytest.raises(SlideError, match="was closed"):
        tile(first, 10, 0, 0)

    def cut(k: int) -> int:
        with slides.use(paths[k % 5], None) as entry:
            return int(tile(entry, 10, k % 3, 0)[0, 0, 0])

    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(cut, range(60)))) == 60
    assert len(slides._open) == 2
    slides.close()
    assert not slides._open


def test_a_replaced_slide_is_opened_anew_and_a_lost_one_is_told(tmp_path):
    path, slides = write_scene(tmp_path / "a.tiff", 600, 500), OpenSlides()
    with slides.use(path, None) as entry:
        assert entry.slide.size_px == (600, 500)
    path.unlink()
    write_scene(path, 700, 500)
    os.utime(path, ns=(1, 1))
    with slides.use(path, None) as entry:
        assert entry.slide.size_px == (700, 500)
    path.unlink()
    with pytest.raises(SlideError, match="not there any more"), slides.use(path, None):
        pass


def test_bytes_are_kept_up_to_a_size():
    kept, made = KeptBytes(10), []

    def make(text: bytes):
        return kept.get(text, lambda: made.append(text) or text * 4)

    assert make(b"a") == make(b"a") == b"aaaa"
    make(b"b")
    make(b"c")
    make(b"a")
    assert made == [b"a", b"b", b"c", b"a"]


def test_a_tile_is_a_jpeg():
    assert as_jpeg(np.zeros((256, 256, 3), np.uint8)).startswith(b"\xff\xd8")
