"""Several gene tables as one: who is in them decides how."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import OmicsError
from prognoscope.omics.joining import OmicsTable, join_tables


def table(source, patients, columns, start=0) -> OmicsTable:
    """Each value is fixed by its patient and column, so that tables agree."""
    values = [[100 * ord(p) + ord(c[0]) + len(c) + start for c in columns] for p in patients]
    index = pd.Index(list(patients), name="patient")
    return OmicsTable(pd.DataFrame(np.float32(values), index=index, columns=columns), (), source)


def test_one_table_stays_as_it_is():
    one = table("a.csv", "AB", ["X", "Y"])
    assert join_tables([one]) is one


def test_tables_of_other_patients_are_stacked_on_their_common_columns():
    joined = join_tables([table("luad", "AB", ["X", "Y", "Z"]), table("lusc", "CD", ["Z", "X", "W"])])
    assert joined.values.index.tolist() == ["A", "B", "C", "D"]
    assert joined.values.columns.tolist() == ["X", "Z"]
    pd.testing.assert_frame_equal(joined.values, table("", "ABCD", ["X", "Z"]).values)
    assert joined.source == "luad, lusc"
    assert "their 2 common gene columns were kept" in joined.notes[0]
    assert joined.notes[1:] == (
        "luad: 1 columns that another table lacks were left out: Y.",
        "lusc: 1 columns that another table lacks were left out: W.",
    )


def test_tables_of_the_same_patients_are_put_side_by_side_whatever_the_order_of_rows():
    joined = join_tables([table("rna", "ABC", ["X"]), table("cnv", "CAB", ["X_cnv"])])
    pd.testing.assert_frame_equal(joined.values, table("", "ABC", ["X", "X_cnv"]).values)
    assert joined.notes == ()


def test_a_patient_whom_one_table_lacks_is_missing_there_and_counted():
    joined = join_tables([table("rna", "ABC", ["X"]), table("cnv", "BCD", ["X_cnv"])])
    assert joined.values.isna().to_numpy().tolist() == [[False, True], [False, False], [False, False], [True, False]]
    assert joined.notes[0].startswith("2 patients are in both rna and cnv, 1 only in the former, 1 only in the latter")


def test_few_common_patients_with_common_columns_are_stacked_once_each():
    joined = join_tables([table("one", "ABCD", ["X", "Y"]), table("two", "DEFG", ["X"])])
    pd.testing.assert_frame_equal(joined.values, table("", "ABCDEFG", ["X"]).values)
    assert "1 patients are in several of one, two, with equal values: D." in joined.notes


def test_few_common_patients_without_common_columns_are_put_side_by_side():
    joined = join_tables([table("one", "ABCD", ["X"]), table("two", "DEFG", ["Y"])])
    assert joined.values.shape == (7, 2)
    assert joined.values.notna().sum().tolist() == [4, 4]


def test_expression_and_copy_number_of_two_cohorts_are_one_table_in_any_order():
    tables = [
        table("rna1", "ABCD", ["X", "Y"]),
        table("cnv1", "ABCD", ["X_cnv", "Y_cnv"]),
        table("rna2", "EFG", ["X", "Z"]),
        table("cnv2", "EFG", ["X_cnv"]),
    ]
    expected = table("", "ABCDEFG", ["X", "X_cnv"]).values
    for order in permutations(tables):
        joined = join_tables(order).values
        pd.testing.assert_frame_equal(joined.loc[expected.index, expected.columns], expected)
        assert joined.shape == expected.shape


@pytest.mark.parametrize("patients", ["AB", "BCDEF"])
def test_two_values_for_one_column_of_a_patient_are_refused_by_name(patients):
    with pytest.raises(
        OmicsError, match=r"one and two give \d patients different values: .*B; in 1 columns: X\..*X_cnv"
    ):
        join_tables([table("one", "AB", ["X"]), table("two", patients, ["X"], start=1)])


def test_tables_with_nothing_in_common_are_refused():
    with pytest.raises(OmicsError, match="one, two tell of different patients and have no gene column in common"):
        join_tables([table("one", "AB", ["X"]), table("two", "CD", ["Y"])])


def test_a_table_named_twice_is_the_table():
    one = table("a.csv", "AB", ["X", "Y"])
    joined = join_tables([one, one])
    pd.testing.assert_frame_equal(joined.values, one.values)
    assert "2 columns are in both a.csv and a.csv, and were taken once." in joined.notes


PATIENTS = st.sets(st.sampled_from("ABCDEFGH"), min_size=1).map(sorted)
COLUMNS = st.sets(st.sampled_from(["U", "V", "W", "XX", "YYY"]), min_size=1).map(sorted)


@given(PATIENTS, COLUMNS, PATIENTS, COLUMNS)
def test_no_patient_is_lost_and_no_value_is_made_up(patients, columns, others, other_columns):
    tables = [table("one", patients, columns), table("two", others, other_columns)]
    try:
        joined = join_tables(tables).values
    except OmicsError:
        assert not set(patients) & set(others)
        assert not set(columns) & set(other_columns)
        return
    assert set(joined.index) == set(patients) | set(others)
    assert joined.index.is_unique
    for patient in joined.index:
        for column in joined.columns:
            told = [t.values.loc[patient, column] for t in tables if patient in t.values.index and column in t.values]
            value = joined.loc[patient, column]
            assert value == told[0] if told else np.isnan(value)
