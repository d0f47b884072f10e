"""What stands for a slide follows from its content alone, and from all files that it is made of."""

import shutil

import numpy as np

from prognoscope.slides.content import BLOCK, SAMPLES, slide_sum
from tests.slides.dicom_file import write_dicom_level
from tests.slides.scene import pixels


def test_a_copy_elsewhere_has_the_same_sum_and_a_changed_one_has_not(tmp_path):
    path = tmp_path / "a.svs"
    data = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
    path.write_bytes(data)
    (tmp_path / "other").mkdir()
    assert slide_sum(shutil.copy(path, tmp_path / "other" / "b.svs")) == slide_sum(path)
    for changed in (
        data[:-1],
        data + b"x",
        *(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in (0, 150_000, 299_999)),
    ):
        other = tmp_path / "c.svs"
        other.write_bytes(changed)
        assert slide_sum(other) != slide_sum(path)


def test_of_a_large_file_blocks_from_its_first_to_its_last_byte_are_read(tmp_path):
    path, size = tmp_path / "a.svs", BLOCK * SAMPLES * 50
    with path.open("wb") as file:
        file.truncate(size)
    before = slide_sum(path)
    last = size - BLOCK
    for at in (0, size - 1, last // (SAMPLES - 1), 64 * last // (SAMPLES - 1)):
        with path.open("r+b") as file:
            file.seek(at)
            file.write(b"x")
        now = slide_sum(path)
        assert now != before
        before = now


def test_the_folder_of_a_mirax_slide_and_the_instances_of_a_dicom_slide_belong_to_it(tmp_path):
    for name in ("m.mrxs", "m/Data0.dat", "d/1.dcm", "d/2.dcm"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"one")
    for slide, part in (("m.mrxs", "m/Data0.dat"), ("d/1.dcm", "d/2.dcm")):
        before = slide_sum(tmp_path / slide)
        (tmp_path / part).write_bytes(b"two")
        assert slide_sum(tmp_path / slide) != before


def test_another_series_in_the_folder_of_a_dicom_slide_is_none_of_it(tmp_path):
    mine = [write_dicom_level(tmp_path / f"{k}", "1.2.7", k, pixels(64, 64), 0.5) for k in (1, 2)]
    before = slide_sum(mine[0])
    write_dicom_level(tmp_path / "3", "1.2.8", 1, pixels(64, 64), 0.5)
    assert slide_sum(mine[0]) == before
    write_dicom_level(mine[1], "1.2.7", 2, pixels(64, 64), 0.25)
    assert slide_sum(mine[0]) != before
