import numpy as np
import pytest

from prognoscope.slides.readers import find_slides, open_slide
from prognoscope.slides.readers.openslide import OpenSlideSlide
from tests.slides.dicom_file import write_dicom_level
from tests.slides.scene import pixels

PICTURES = {"1.2.7": pixels, "1.2.8": lambda *size: 255 - pixels(*size)}


@pytest.fixture
def folder(tmp_path):
    """Two series of two levels in one folder, one of them with a label that comes first."""
    write_dicom_level(tmp_path / "00", "1.2.7", 9, pixels(60, 50), 0.0, kind="LABEL")
    for series, picture in PICTURES.items():
        for k in (0, 1):
            level = picture(300, 200, 2**k)
            write_dicom_level(tmp_path / f"{k + 1}-{series[-1]}", series, k + 1, level, 0.25 * 2**k)
    return tmp_path


def test_series_in_one_folder_are_slides_of_their_own(folder):
    found = find_slides(folder)
    assert found == {"00": folder / "00", "1-8": folder / "1-8"}
    for path, picture in zip(found.values(), PICTURES.values(), strict=True):
        with open_slide(path) as slide:
            assert isinstance(slide, OpenSlideSlide)
            assert (slide.size_px, slide.level_downsamples, slide.mpp) == ((300, 200), (1, 2), 0.25)
            for k in (0, 1):
                level = picture(300, 200, 2**k)
                framed = np.pad(level, ((40, 200), (40, 200), (0, 0)), constant_values=255)
                for x, y, width, height in ((0, 0, 150, 100), (-7, -9, 60, 50), (61, 33, 80, 60), (100, 80, 99, 90)):
                    seen = slide.read(x * 2**k, y * 2**k, k, width, height)
                    assert (seen == framed[40 + y : 40 + y + height, 40 + x : 40 + x + width]).all()
