"""Ids of one person, written in many ways."""

import pytest

from prognoscope.core.errors import CohortError
from prognoscope.core.ids import fold_id, is_normal, match_ids, person_in, refuse_twins


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TCGA-AA-0001", "tcga.aa.0001"),
        ("P 1", "P_1"),
        ("1.0", "1"),
        ("M\u00fcller", "Mu\u0308ller"),
        ("P1\u200b", " p1"),
    ],
)
def test_ids_that_differ_in_their_writing_only_fold_to_one(one, other):
    assert fold_id(one) == fold_id(other)


@pytest.mark.parametrize(("one", "other"), [("7", "007"), ("P1", "P10"), ("P11", "P1.1"), ("1.5", "1")])
def test_ids_that_differ_in_a_letter_or_a_zero_stay_two(one, other):
    assert fold_id(one) != fold_id(other)


def test_a_barcode_of_a_sample_names_its_person():
    assert person_in("TCGA-AA-0001-01A-11R-A123-07") == "TCGA-AA-0001"
    assert person_in("TCGA-AA-0001") == "TCGA-AA-0001" and person_in("X-AA-0001-01A") == "X-AA-0001-01A"
    assert is_normal("TCGA-AA-0001-11A") and is_normal("tcga.aa.0001.10") and not is_normal("TCGA-AA-0001-06")


def test_ids_that_differ_in_leading_zeros_are_told_and_not_matched():
    matched = match_ids(["7", "P-012", "A1"], ["007", "P-12", "A1", "8"], "t.csv")
    assert dict(matched.patient_of) == {"A1": "A1"}
    (warning,) = matched.warnings
    assert "2 ids differ from patients' in leading zeros only" in warning and "007 and 7, P-12 and P-012" in warning


def test_equal_ids_match_in_silence_and_all_others_are_counted():
    matched = match_ids(["A1", "B1", "TCGA-AA-0001"], ["A1", "b1", "TCGA-AA-0001-01A", "nobody"], "t.csv")
    assert matched.patient_of == {"A1": "A1", "b1": "B1", "TCGA-AA-0001-01A": "TCGA-AA-0001"}
    assert [warning.split(" ids")[0] for warning in matched.warnings] == ["t.csv: 1", "t.csv: 1"]
    assert not match_ids(["A1"], ["A1"], "t.csv").warnings


def test_one_row_each_leaves_out_normals_and_refuses_two_samples():
    ids = ["TCGA-AA-0001-01A", "TCGA-AA-0001-11A"]
    assert match_ids(["TCGA-AA-0001"], ids, "t.csv", one_each=True).patient_of == {ids[0]: "TCGA-AA-0001"}
    with pytest.raises(CohortError, match=r"t.csv has several ids of 1 patients: A1 \(A1, a1\)"):
        match_ids(["A1"], ["A1", "a1"], "t.csv", one_each=True)


def test_twins_are_shown_so_that_they_can_be_told_apart():
    with pytest.raises(CohortError, match=r"1 pairs .* 'M\\xfc' and 'Mu\\u0308'"):
        refuse_twins(["M\u00fc", "Mu\u0308"], "t.csv")
    refuse_twins(["7", "007", "7"], "t.csv")
