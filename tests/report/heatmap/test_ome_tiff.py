from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from prognoscope.report.heatmap.ome_tiff import write_ome_tiff
from prognoscope.slides.readers import open_slide
from tests.report.heatmap.made import SIZE, SPOT, bounds, map_of, spotted

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


@pytest.fixture
def spot():
    left, top, side = SPOT
    return map_of([1.0, 0.25], [(left, top), (left + side, top)], side)


def written(tmp_path, slide, patch_map, mpp=0.5, size_px=SIZE):
    path = tmp_path / "map.ome.tiff"
    write_ome_tiff(path, slide, patch_map, title="slide <1>", size_px=size_px, mpp=mpp)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        levels = [[level.asarray() for level in series.levels] for series in file.series]
        assert all(page.is_tiled for page in file.pages)
        images = ElementTree.fromstring(file.ome_metadata).findall(f"{OME}Image")
    return path, levels, images


@pytest.mark.parametrize("properties", [{}, bounds(200, 100, 700, 640)], ids=["plain", "bounds"])
def test_both_images_lie_on_the_slide_by_their_physical_size(tmp_path, spot, properties):
    _, (pictures, values), images = written(tmp_path, spotted(properties=properties), spot)
    assert [len(pictures), len(values)] == [2, 2]
    field = (200, 100, 900, 740) if properties else (0, 0, *SIZE)
    for image in images:
        pixels = image.find(f"{OME}Pixels")
        sizes = [float(pixels.get(f"PhysicalSize{axis}")) for axis in "XY"]
        assert pixels.get("PhysicalSizeXUnit") == "µm"
        extent = [float(pixels.get(f"Size{axis}")) * size for axis, size in zip("XY", sizes, strict=True)]
        np.testing.assert_allclose(extent, [(field[2] - field[0]) * 0.5, (field[3] - field[1]) * 0.5])
        plane = pixels.find(f"{OME}Plane")
        assert [float(plane.get(f"Position{axis}")) for axis in "XY"] == [field[0] * 0.5, field[1] * 0.5]
    for level in values:
        rows, columns = np.nonzero(level == 1)
        scale = level.shape[1] / (field[2] - field[0])
        left, top, side = SPOT
        assert abs(columns.min() - (left - field[0]) * scale) <= 1
        assert abs(rows.min() - (top - field[1]) * scale) <= 1
        assert abs(rows.max() + 1 - (top + side - field[1]) * scale) <= 1
        assert np.isnan(level[-1, -1])
        assert level.dtype == np.float32
    assert pictures[0].shape == (*values[0].shape, 3)
    assert pictures[0].shape[1] > 2 * pictures[1].shape[1] - 2


def test_openslide_opens_the_picture(tmp_path, spot):
    path, (pictures, _), _ = written(tmp_path, spotted(), spot)
    with open_slide(path) as slide:
        assert slide.size_px == pictures[0].shape[1::-1]
        assert (slide.read(0, 0, 0, *slide.size_px) == pictures[0]).all()


def test_without_um_per_pixel_sizes_are_level_0_pixels(tmp_path, spot):
    _, (pictures, _), images = written(tmp_path, None, spot, mpp=None)
    pixels = images[0].find(f"{OME}Pixels")
    assert pixels.get("PhysicalSizeXUnit") == "pixel"
    assert float(pixels.get("PhysicalSizeX")) == pytest.approx(SIZE[0] / pictures[0].shape[1])


def test_the_same_map_is_the_same_file(tmp_path, spot):
    first = written(tmp_path, spotted(), spot)[0].read_bytes()
    assert written(tmp_path, spotted(), spot)[0].read_bytes() == first


def test_no_patches_and_no_slide_are_a_file_too(tmp_path):
    _, (_, values), _ = written(tmp_path, None, map_of([], []), size_px=None)
    assert np.isnan(values[0]).all()
