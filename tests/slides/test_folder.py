import os
import shutil

import pytest

from prognoscope.core.errors import MissingFileError, SlideError
from prognoscope.slides.readers import find_slides, look_for_slides
from prognoscope.slides.readers.dicom import series_of
from tests.slides.scene import write_scene


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


@pytest.mark.parametrize(
    "made",
    [
        ("embeddings/stain-1/a.h5", "embeddings/stain-1/previews/a.jpg", "embeddings/stain-1/patches/a/0_0.png"),
        ("f/stain/.a.claim", "f/uni_v2/.a.claim", "f/previews/a.jpg"),  # of several encoders, begun
        ("embeddings/stain-1/previews/b.jpg",),  # nothing came of it
        ("e/.DS_Store", "e/Thumbs.db", "e/previews/b.jpg", "e/patches/b/0_0.png"),
        ("a.h5", "previews/a.jpg", "patches/a/0_0.png"),
        ("run/splits.csv", "run/previews/previews.csv", "run/previews/a.jpg"),
        ("run/provenance.json", "run/explanations/abmil/p/a.attention.ome.tiff", "run/explanations/abmil/p/a.x.png"),
    ],
    ids=lambda made: made[0],
)
def test_pictures_that_were_made_of_slides_are_no_slides(tmp_path, made):
    touch(tmp_path, "a.svs", *made)
    found = look_for_slides(tmp_path)
    assert list(found.slides) == ["a"]
    n_pictures = sum(name.endswith((".jpg", ".png", ".tiff")) for name in made)
    assert f"pictures that were made of slides {n_pictures} (" in found.notes[0]


@pytest.mark.parametrize(
    "slides",
    [
        ("x/previews/a.svs",),
        ("x/previews/a.svs", "x/patches/b.tiff"),
        ("x/previews/a.svs", "x/features/a.h5"),
        ("x/provenance.json", "x/explanations/a.ndpi"),
    ],
    ids=str,
)
def test_what_is_no_picture_of_ours_is_a_slide_in_folders_of_the_same_names_too(tmp_path, slides):
    touch(tmp_path, *slides)
    assert {str(path.relative_to(tmp_path)) for path in find_slides(tmp_path).values()} == {
        name for name in slides if name.endswith((".svs", ".tiff", ".ndpi"))
    }


def test_pictures_in_folders_of_the_same_names_may_be_slides(tmp_path):
    touch(tmp_path, "patches/a.png", "previews/b.png", "explanations/c.png", "d.svs", "features/d.h5")
    assert list(find_slides(tmp_path / "patches")) == ["a"]
    assert {"c", "d"} <= set(find_slides(tmp_path))
    shutil.rmtree(tmp_path / "features")
    assert list(find_slides(tmp_path)) == ["a", "b", "c", "d"]


def test_slides_of_one_name_are_told_apart_by_their_folders_or_are_an_error_that_names_all(tmp_path):
    touch(tmp_path, "one/a.svs", "two/a.tiff", "b.svs.tif")
    assert list(find_slides(tmp_path)) == ["b", "one/a", "two/a"]
    touch(tmp_path, "b.svs", "one/a.tif")
    with pytest.raises(
        SlideError, match=r"2 slides .*: b \(b\.svs and b\.svs\.tif\), one/a \(a\.svs and a\.tif\). Leave"
    ):
        find_slides(tmp_path)


def test_suffixes_decide_nothing_and_what_is_passed_over_is_told(tmp_path):
    for name in ("a.ptif", "b.strange", "c.ome.btf", "d"):
        write_scene(tmp_path / name, 300, 300, downsamples=(1,))
    for name in ("e.vsi", "f.isyntax", "g.jp2"):
        (tmp_path / name).write_bytes(b"x" * 300)
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "h.bin").write_bytes(bytes(300))
    (tmp_path / "i.tif").symlink_to(tmp_path / "nowhere.tif")
    os.mkfifo(tmp_path / "j.tif")
    found = look_for_slides(tmp_path)
    assert list(found.slides) == ["a", "b.strange", "c", "d"]
    (note,) = found.notes
    assert note.startswith(f"6 files in {tmp_path.name} not read as slides: .isyntax 1 (f.isyntax); .jp2 1 (g.jp2); ")
    assert (
        "files of other contents 1 (h.bin); links that lead nowhere 1 (i.tif); pipes, sockets or devices 1 (j.tif)"
        in note
    )
    assert "Convert .vsi to tiled TIFF with QuPath or bfconvert." in note


def test_linked_files_and_folders_are_slides_like_others(tmp_path):
    touch(tmp_path, "store/scan1.tif", "mount/P2.tif", "slides/P3.tif")
    (tmp_path / "slides" / "P1.tif").symlink_to(tmp_path / "store" / "scan1.tif")
    (tmp_path / "slides" / "batch").symlink_to(tmp_path / "mount", target_is_directory=True)
    (tmp_path / "slides" / "loop").symlink_to(tmp_path / "slides", target_is_directory=True)
    assert list(find_slides(tmp_path / "slides")) == ["P1", "P2", "P3"]


def test_a_dicom_series_with_a_folder_of_its_own_is_named_after_it(tmp_path):
    for name, series in (("s1/0001.dcm", b"1.2"), ("s1/0002.dcm", b"1.2"), ("s2/1", b"1.3"), ("s2/2", b"1.3")):
        write_dicom(tmp_path / name, series)
    assert find_slides(tmp_path) == {"s1": tmp_path / "s1" / "0001.dcm", "s2": tmp_path / "s2" / "1"}


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


def write_dicom(path, series):
    path.parent.mkdir(parents=True, exist_ok=True)
    syntax = element((0x0002, 0x0010), b"UI", b"1.2.840.10008.1.2.1\0")
    path.write_bytes(bytes(128) + b"DICM" + syntax + element((0x0020, 0x000E), b"UI", series))


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
