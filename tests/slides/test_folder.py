import shutil

import pytest

from prognoscope.core.errors import MissingFileError, SlideError
from prognoscope.slides.readers import find_slides
from prognoscope.slides.readers.dicom import series_of


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_slides_are_found_in_folders_below_and_named_without_their_exact_suffix(tmp_path):
    touch(tmp_path, "b.SVS", "uuid/a.x.svs", "uuid/logs/a.txt", "vss.svs", "notes.csv")
    assert find_slides(tmp_path) == {
        "a.x": tmp_path / "uuid" / "a.x.svs",
        "b": tmp_path / "b.SVS",
        "vss": tmp_path / "vss.svs",
    }


def test_hidden_and_unfinished_files_and_companions_of_mrxs_are_passed_over(tmp_path):
    touch(tmp_path, ".a.svs", ".cache/b.svs", "c.svs.part", ".d.svs.1234.part", "e.mrxs", "e/Data0000.dat", "e/x.png")
    assert list(find_slides(tmp_path)) == ["e"]


def test_two_slides_of_one_name_are_an_error_that_names_both(tmp_path):
    touch(tmp_path, "one/a.svs", "two/a.tiff")
    with pytest.raises(SlideError, match=r"Two slides are called a: .*one/a\.svs and .*two/a\.tiff"):
        find_slides(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere does not exist"):
        find_slides(tmp_path / "nowhere")


def test_an_empty_folder_has_no_slides(tmp_path):
    assert find_slides(tmp_path) == {}


def test_a_dicom_series_in_two_files_is_listed_once(data_pack, tmp_path):
    other = data_pack / "slides" / "other"
    for name in ("boxes_0.dcm", "boxes_1.dcm", "small_dicom.dcm"):
        shutil.copy(other / name, tmp_path)
    assert list(find_slides(tmp_path)) == ["boxes_0", "small_dicom"]


def test_the_series_is_the_one_that_openslide_names(data_pack):
    openslide = pytest.importorskip("openslide")
    path = data_pack / "slides" / "other" / "boxes_1.dcm"
    with openslide.OpenSlide(path) as slide:
        assert series_of(path) == slide.properties["dicom.SeriesInstanceUID"]


def element(tag, kind, value, *, explicit=True):
    head = b"".join(part.to_bytes(2, "little") for part in tag)
    if not explicit:
        return head + len(value).to_bytes(4, "little") + value
    if kind in (b"SQ", b"OB"):
        return head + kind + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + kind + len(value).to_bytes(2, "little") + value


@pytest.mark.parametrize("syntax", [b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.50"])
@pytest.mark.parametrize("open_ended", [True, False])
def test_the_series_of_another_slide_that_a_file_mentions_is_not_its_own(tmp_path, syntax, open_ended):
    explicit = syntax != b"1.2.840.10008.1.2\0"
    mentioned = element((0x0020, 0x000E), b"UI", b"9.9.9.9\0", explicit=explicit)
    item = element((0xFFFE, 0xE000), b"", mentioned, explicit=False)
    sequence = element((0x0008, 0x1115), b"SQ", item, explicit=explicit)
    if open_ended:  # lengths are left out, delimiters stand in their place
        endless = (0xFFFFFFFF).to_bytes(4, "little")
        item = b"\xfe\xff\x00\xe0" + endless + mentioned + b"\xfe\xff\x0d\xe0" + bytes(4)
        head = b"\x08\x00\x15\x11" + (b"SQ\0\0" if explicit else b"")
        sequence = head + endless + item + b"\xfe\xff\xdd\xe0" + bytes(4)
    own = element((0x0020, 0x000E), b"UI", b"1.2.3.4\0", explicit=explicit)
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + element((0x0002, 0x0010), b"UI", syntax) + sequence + own)
    assert series_of(path) == "1.2.3.4"


@pytest.mark.parametrize("content", [b"", b"text", bytes(128) + b"DICM", bytes(128) + b"DICM\x08\x00"])
def test_a_file_without_a_series_is_none_of_one(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    assert series_of(tmp_path / "a.dcm") is None
