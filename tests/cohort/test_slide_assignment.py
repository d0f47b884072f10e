"""Whose slides are whose."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.cohort.slides import assign_slides, read_slide_table, slide_name
from prognoscope.core.errors import CohortError

DX = "TCGA-2F-A9KO-01Z-00-DX1.195576CF"


def test_exactly_the_suffix_is_removed():
    assert slide_name(f"{DX}.svs") == DX
    assert slide_name("vvs.svs") == "vvs"  # stripping characters would eat into the name
    assert slide_name("vvs.SVS") == "vvs"
    assert slide_name("a.svs.svs") == "a.svs"
    assert slide_name("batch1/a.ome.tiff") == "a"
    assert slide_name(DX) == DX
    assert slide_name(".svs") == ".svs"


@given(st.text(st.characters(codec="ascii", exclude_characters="/\\"), min_size=1, max_size=20))
def test_a_name_with_a_suffix_is_the_name(name):
    assert slide_name(f"{name}.svs") == name


def test_a_barcode_finds_its_patient_and_unknown_slides_are_named():
    found = assign_slides([f"{DX}.svs", "TCGA-ZZ-0000-01Z-00-DX1"], ["TCGA-2F-A9KO", "TCGA-2F-A9KP"])
    assert found.slides == {"TCGA-2F-A9KO": (DX,)}
    assert found.unassigned == ("TCGA-ZZ-0000-01Z-00-DX1",)
    assert found.notes == ("1 slides belong to no patient of the cohort: TCGA-ZZ-0000-01Z-00-DX1.",)


def test_the_longest_patient_id_wins_and_ids_end_where_words_end():
    found = assign_slides(["P1-a", "P10-a", "P100-a", "P1-2-a", "P1"], ["P1", "P10", "P1-2"])
    assert found.slides == {"P1": ("P1", "P1-a"), "P10": ("P10-a",), "P1-2": ("P1-2-a",)}
    assert found.unassigned == ("P100-a",)  # neither P1 nor P10


def test_several_slides_are_one_bag_in_the_order_of_their_names():
    slides = ["P2_b", "P1_c", "P1_a", "P2_a"]
    assert assign_slides(slides, ["P1", "P2"]).slides == {"P1": ("P1_a", "P1_c"), "P2": ("P2_a", "P2_b")}
    assert assign_slides(slides[::-1], ["P1", "P2"]) == assign_slides(slides, ["P1", "P2"])


def test_a_table_decides_and_says_what_is_not_there():
    table = pd.DataFrame({"case_id": ["P1", "P2", "P9"], "FILENAME": ["x.svs", "y.svs", "z.svs"]})
    found = assign_slides(["x", "z", "P1_free"], ["P1", "P2"], table=table)
    assert found.slides == {"P1": ("x",)}
    assert found.unassigned == ("P1_free", "z")
    assert found.absent == ("y",)


def test_a_slide_of_two_patients_is_refused(tmp_path):
    path = tmp_path / "slides.csv"
    path.write_text("patient_id,slide_id\nP1,x.svs\nP2,x.svs\n")
    with pytest.raises(CohortError, match="gives slide x to P1 and to P2"):
        read_slide_table(path)
    path.write_text("patient_id,slide_id\nP1,x.svs\nP1,x.svs\n")
    assert read_slide_table(path) == {"x": "P1"}
    with pytest.raises(CohortError, match="has no column 'image'"):
        read_slide_table(path, slide="image")
    path.write_text("who,what\nP1,x\n")
    with pytest.raises(CohortError, match="no column for the patient; name it 'patient_id'. It has who, what"):
        read_slide_table(path)


def test_a_slide_that_is_there_twice_is_refused():
    with pytest.raises(CohortError, match="1 slides are there twice: a"):
        assign_slides(["a.svs", "a.ndpi"], ["a"])


def test_sample_types_filter_only_when_asked():
    primary, recurrence = "TCGA-50-5066-01Z-00-DX1", "TCGA-50-5066-02Z-00-DX1"
    assert assign_slides([primary, recurrence], ["TCGA-50-5066"]).slides == {"TCGA-50-5066": (primary, recurrence)}
    found = assign_slides([primary, recurrence], ["TCGA-50-5066"], sample_types=("01",))
    assert found.slides == {"TCGA-50-5066": (primary,)}
    assert found.filtered == (recurrence,)
    with pytest.raises(CohortError, match="P1_a is not named after a TCGA barcode"):
        assign_slides(["P1_a"], ["P1"], sample_types=("01Z",))
