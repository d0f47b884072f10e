"""Whose slides are whose."""

import pandas as pd
import pytest

from prognoscope.cohort.slides import assign_slides, read_slide_table
from prognoscope.core.errors import CohortError

DX = "TCGA-2F-A9KO-01Z-00-DX1.195576CF"


def test_a_barcode_finds_its_patient_and_unknown_slides_are_named():
    found = assign_slides([f"{DX}.svs", "TCGA-ZZ-0000-01Z-00-DX1"], ["TCGA-2F-A9KO", "TCGA-2F-A9KP"])
    assert found.slides == {"TCGA-2F-A9KO": (DX,)}
    assert found.unassigned == ("TCGA-ZZ-0000-01Z-00-DX1",)
    assert found.notes == ("1 slide of no patient of the cohort: TCGA-ZZ-0000-01Z-00-DX1.",)


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


def table_of(tmp_path, text, name="slides.csv", **columns):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_slide_table(path, **columns)


def test_slides_of_two_patients_are_refused_all_at_once(tmp_path):
    rows = "".join(f"{patient},{slide}.svs\n" for slide in "xyz" for patient in ("P1", "P2"))
    with pytest.raises(
        CohortError, match=r"gives 3 slides to more than one patient: x\.svs \(P1, P2\), y\.svs.*z\.svs"
    ):
        table_of(tmp_path, f"patient_id,slide_id\n{rows}")
    assert table_of(tmp_path, "patient_id,slide_id\nP1,x.svs\nP1,x.svs\n").owners == {"x.svs": "P1"}
    spelt = table_of(tmp_path, "patient_id,slide_id\nP1,x.svs\nP2,x.tif\n")
    with pytest.raises(CohortError, match=r"gives 1 slide to more than one patient: x \(P1, P2\)"):
        assign_slides(["x"], ["P1", "P2"], table=spelt)


def test_columns_that_are_not_found_are_named_or_can_be(tmp_path):
    with pytest.raises(CohortError, match="has no column 'picture'"):
        table_of(tmp_path, "patient_id,slide_id\nP1,x.svs\n", slide="picture")
    with pytest.raises(CohortError, match="no column for the slides; name it `slide_id`, or say .* It has who, what"):
        table_of(tmp_path, "who,what\nP1,x\n")
    assert table_of(tmp_path, "who,what\nP1,007\n", slide="what", patient="who").owners == {"007": "P1"}


def test_tables_of_other_tools_are_read_as_they_are(tmp_path):
    gdc = "File ID\tFile Name\tCase ID\tSample Type\n1\tx.svs\tP1, P1\tPrimary Tumor\n"
    assert table_of(tmp_path, gdc).owners == {"x.svs": "P1"}
    trident = table_of(tmp_path, "wsi,mpp\nP1_a.png,0.25\nP2_a.png,0.5\n")
    assert trident.mpp == {"P1_a.png": 0.25, "P2_a.png": 0.5}
    assert trident.notes == ("The slide table has no column of patients, so its slides go by their names.",)
    assert assign_slides(["P1_a", "P1_b", "P2_a"], ["P1", "P2"], table=trident).slides == {
        "P1": ("P1_a",),
        "P2": ("P2_a",),
    }
    assert table_of(tmp_path, "PATIENT,FILENAME\nP1,sub/x.h5\n").owners == {"sub/x.h5": "P1"}


def test_a_decimal_comma_is_one_and_what_is_no_resolution_is_listed(tmp_path):
    assert table_of(tmp_path, "slide_id;patient_id;mpp\nx;P1;0,25\ny;P1;\n").mpp == {"x": 0.25}
    with pytest.raises(CohortError, match=r"the mpp of 2 slides is no um per pixel .*: x \(0\.025\), y \(fine\)"):
        table_of(tmp_path, "slide_id,patient_id,mpp\nx,P1,0.025\ny,P1,fine\n")


def test_rows_without_a_slide_are_told_and_rows_without_a_patient_refused(tmp_path):
    table = table_of(tmp_path, "slide_id,patient_id,mpp\nx,P1,0.5\n,P1,0.5\n,,\ny,P1,0.5\n,,\n")
    assert (table.owners, table.mpp) == ({"x": "P1", "y": "P1"}, {"x": 0.5, "y": 0.5})
    assert table.notes == ("2 rows of the slide table without slide_id left aside: row 3, 4.",)
    with pytest.raises(CohortError, match="has no patient_id in row 2. Fill it in"):
        table_of(tmp_path, "slide_id,patient_id\nx,\n")


def test_ids_of_the_table_that_are_written_otherwise_are_matched_and_told():
    table = pd.DataFrame({"slide_id": ["a", "b", "c"], "patient_id": ["p 1", "P-2", "TCGA-05-4244-11A"]})
    found = assign_slides(["a", "b", "c"], ["P-1", "P-2", "TCGA-05-4244"], table=table)
    assert found.slides == {"P-1": ("a",), "P-2": ("b",)}  # and normal tissue is nobody's
    assert len(found.warnings) == 1 and "p 1 to P-1" in found.warnings[0]


def test_slides_of_one_name_go_by_their_folders():
    files = ["P001/HE.tif", "P002/HE.tif", "P002/IHC.tif", "P003.svs.tif"]
    owners = {"P001": ("P001/HE",), "P002": ("IHC", "P002/HE"), "P003": ("P003",)}
    assert assign_slides(files, ["P001", "P002", "P003"]).slides == owners
    table = pd.DataFrame({"slide_id": ["P001/HE.tif", "P002\\HE.tif"], "patient_id": ["A", "B"]})
    assert assign_slides(files, ["A", "B"], table=table).slides == {"A": ("P001/HE",), "B": ("P002/HE",)}
    table = pd.DataFrame({"slide_id": ["HE.tif"], "patient_id": ["A"]})
    with pytest.raises(
        CohortError, match=r"1 entry of the slide table .* HE\.tif \(P001/HE, P002/HE\). Write the folder"
    ):
        assign_slides(files, ["A"], table=table)


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
