"""Covariates are numbers or categories, gaps have many words, and every odd word is named."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.clinical import join_clinical, parse_clinical
from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.core.errors import CohortError
from tests.cohort.tables import MONTHS


def read(values: list, **options):
    n = len(values)
    table = pd.DataFrame({"patient_id": [f"P{i}" for i in range(n)], "time_months": np.arange(1, n + 1), "age": values})
    spec = ClinicalSpec(table=("c.csv",), event="event", covariates=("age",), **MONTHS, **options)
    return join_clinical([parse_clinical(table.assign(event=[i % 2 for i in range(n)]), spec, "c.csv")])


@pytest.mark.parametrize(
    "word",
    *[["'--", "--", "Not Reported", "not reported", "Unknown", "[Not Available]", "[Not Applicable]"]],
)
def test_words_of_portals_for_missing_are_missing_and_counted(word):
    found = read(["60", word, word, "62"])
    assert np.isnan(found.covariates["age"].to_numpy()).tolist() == [False, True, True, False]
    assert found.notes == (f"c.csv: in age, {word} (2) means missing.",)


@pytest.mark.parametrize("word", ["[Discrepancy]", "[Completed]", "[Not Evaluated]", "[Unknown]", ".", "?", "N/A"])
def test_so_are_their_rarer_ones(word):
    assert read(["60", word, "61", "62"]).covariates["age"].isna().sum() == 1


def test_a_word_among_numbers_is_refused_with_count_patient_row_and_cures():
    with pytest.raises(
        CohortError, match=r"number for 2 patients and a word for 2: 'old' \(2: P1 in row 3\).*categories"
    ):
        read(["60", "old", "old", "62"])
    assert read(["60", "old", "old", "62"], categories=("age",)).covariates["age"].tolist() == [
        "60",
        "old",
        "old",
        "62",
    ]


@pytest.mark.parametrize(("word", "number"), [(">89", "90"), ("90+", "91"), ("< 18", "17")])
def test_a_bound_among_numbers_is_named_with_a_number_to_write(word, number):
    with pytest.raises(CohortError, match=f"which hides a number, write one, such as {number}"):
        read(["60", "61", word, "62"])


@pytest.mark.parametrize("values", [["62,5", "61,0", "70,5", "65,5"], ["62,5", "61", "70", "65"]])
def test_decimal_commas_are_named(values):
    with pytest.raises(CohortError, match="'62,5' .*Save the table with decimal points"):
        read(values)


def test_levels_that_differ_in_case_or_blanks_only_are_warned_of_with_counts():
    found = read(["Stage I", "stage i", "Stage  II", "Stage I"])
    assert len(found.warnings) == 1 and "'Stage I' (2) and 'stage i' (1)" in found.warnings[0]


def test_a_category_that_tells_patients_apart_is_refused():
    with pytest.raises(CohortError, match="'age' has 8 words for 8 patients .* as an id or a date does"):
        read([f"2015-03-0{i}" for i in range(1, 9)])


def test_a_category_of_very_many_levels_is_refused():
    with pytest.raises(CohortError, match="31 levels for 93 patients .*too few each"):
        read([f"level {i % 31}" for i in range(93)])
    read([f"level {i % 10}" for i in range(93)])
