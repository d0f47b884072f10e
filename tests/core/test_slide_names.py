"""One name for a slide, wherever it is named, and which entries of a table are which slides."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import InputError
from prognoscope.core.slide_names import SUFFIXES, distinct_names, match_entries, name_parts, slide_name


@pytest.mark.parametrize(
    "text",
    [
        *("x", "x.svs", "x.SVS", "x.svs.h5", "x.ome.tif", "x.ome", "x.svs.tif", "x.ndpi.tiff", "x.ome.btf", "x.pt"),
        *("P001/x.tif", "C:\\scans\\batch 1\\x.mrxs", "./x.HDF5", " x .tif", "a/b/x.qptiff", "x.svs.svs"),
    ],
)
def test_a_slide_has_one_name_wherever_it_is_named(text):
    assert slide_name(text) == "x"


@pytest.mark.parametrize("text", ["x.1.2", "2023-03-06 23.51.44", "TCGA-2F-A9KO-01Z-00-DX1.195576CF", ".svs", "vvs"])
def test_what_is_no_suffix_of_slides_stays(text):
    assert slide_name(text) == slide_name(f"{text}.tif") == text


def test_a_name_that_a_mac_took_apart_is_the_composed_one():
    name = "Müller_Präparat"
    assert slide_name(unicodedata.normalize("NFD", f"{name}.tif")) == unicodedata.normalize("NFC", name)


@given(st.text(min_size=1, max_size=20), st.lists(st.sampled_from(SUFFIXES), max_size=3))
def test_naming_a_name_changes_nothing(name, suffixes):
    once = slide_name(name + "".join(suffixes))
    assert slide_name(once) == once


def test_slides_of_one_name_are_told_apart_by_the_shortest_end_of_their_paths():
    places = [("a", "P1", "HE"), ("a", "P2", "HE"), ("a", "P1", "IHC"), ("b", "P1", "HE"), ("HE",)]
    assert distinct_names(places) == {
        ("a", "P1", "HE"): "a/P1/HE",
        ("b", "P1", "HE"): "b/P1/HE",
        ("a", "P2", "HE"): "P2/HE",
        ("a", "P1", "IHC"): "IHC",
        ("HE",): "HE",
    }


def matched(entries, slides):
    found = match_entries(entries, {slide: name_parts(slide) for slide in slides})
    return found.slides, found.absent, found.unclear


def test_entries_are_matched_by_as_much_path_as_both_sides_tell():
    slides = ["P001/HE", "P002/HE", "x", "batch/y"]
    entries = ["P001/HE.tif", "D:\\scans\\P002\\HE.tif", "elsewhere/x.svs", "y.svs.h5"]
    assert matched(entries, slides) == (dict(zip(entries, slides, strict=True)), (), {})


def test_a_name_alone_decides_only_where_one_entry_and_one_slide_have_it():
    assert matched(["P001/HE", "P002/HE"], ["P001/HE"]) == ({"P001/HE": "P001/HE"}, ("P002/HE",), {})
    assert matched(["P001/HE", "P002/HE"], ["P003/HE"]) == ({}, ("P001/HE", "P002/HE"), {})
    assert matched(["P003/HE"], ["P001/HE", "P002/HE"]) == ({}, ("P003/HE",), {})
    assert matched(["P003/HE"], ["P001/HE"]) == ({"P003/HE": "P001/HE"}, (), {})


def test_an_entry_that_may_be_either_of_two_slides_is_unclear():
    assert matched(["HE.tif"], ["P001/HE", "P002/HE"]) == ({}, (), {"HE.tif": ("P001/HE", "P002/HE")})
    assert matched(["HE.tif", "P001/HE.tif"], ["HE", "P001/HE"])[0] == {"HE.tif": "HE", "P001/HE.tif": "P001/HE"}


def test_an_entry_may_name_a_file_in_the_folder_of_a_slide():
    assert matched(["a/0001.dcm", "scans/b/7.dcm"], ["a", "b"])[0] == {"a/0001.dcm": "a", "scans/b/7.dcm": "b"}


def test_a_file_whose_name_is_no_text_is_refused_by_its_bytes():
    with pytest.raises(InputError, match=r"The path 'P001/caf\\xe9\.svs' is not UTF-8 text\. Rename it"):
        slide_name(os.fsdecode(b"P001/caf\xe9.svs"))
