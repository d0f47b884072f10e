"""What is told of covariates, in a study and when new patients are predicted."""

import numpy as np
import pandas as pd

from prognoscope.cohort.covariate_account import tell_covariates, tell_strangers
from prognoscope.cohort.covariates import CovariateEncoder, NumericColumn
from prognoscope.cohort.splits import Split
from tests.cohort.tables import tiny_cohort


def test_each_covariate_is_told_with_levels_gaps_fillings_and_folds():
    cohort = tiny_cohort(8)
    p = cohort.patients
    table = {"age": [50, 60, np.nan, 70, 55, 65, 75, 80], "sex": ["m", "f", "m", "f", "m", "f", "m", None]}
    table |= {"grade": [1.0, 1, 1, 1, 1, 1, 2, 1], "site": ["a", "b", "a", "b", "a", "b", "a", "rare"]}
    cohort = tiny_cohort(8, covariates=pd.DataFrame(table, index=list(p)))
    age, sex, grade, site = tell_covariates(cohort, [Split(0, p[:4], (), p[4:]), Split(1, p[4:], (), p[:4])])
    assert age == {
        "covariate": "age",
        "read as": "number",
        "values": "50 to 80, median 65",
        "missing": "1",
        "filled with": "the training median, 60 to 70 by fold",
        "used": "in all folds",
    }
    assert (sex["read as"], sex["values"], sex["missing"], sex["filled with"]) == (
        "category",
        "m: 4, f: 3",
        "1",
        "no category",
    )
    assert grade["used"] == "left out in fold 0: constant or empty in training"
    assert site["used"] == "tested in fold 0, but not in its training: rare (1)"


def encoders(*ages):
    return [CovariateEncoder.fit(pd.DataFrame({"age": list(map(float, each)), "sex": ["f", "m"]})) for each in ages]


def test_new_words_far_numbers_and_gaps_are_told_with_how_many_patients():
    new = pd.DataFrame({"age": [45.0, 20000, np.nan], "sex": ["F", "x", "m"]}, index=["A", "B", "C"])
    told = "\n".join(tell_strangers(encoders((40, 60), (50, 80)), new))
    assert "age of 1 of 3 patients is missing; the training median, 50 to 65 by fold, stands for it." in told
    assert "age of 1 of 3 patients lies far outside training, where it went from 40 to 80: B (20000)" in told
    assert (
        "sex of 2 of 3 patients is a word that training never had" in told and "F (1; did you mean f?), x (1)" in told
    )
    assert not tell_strangers(encoders((40, 60)), pd.DataFrame({"age": [39.0], "sex": ["f"]}))


def test_a_model_from_before_ranges_were_kept_is_read_and_says_nothing_of_them():
    stored = encoders((40, 60))[0].to_dict()
    assert CovariateEncoder.from_dict(stored).to_dict() == stored
    for key in ("low", "high"):
        del stored["columns"][0][key]
    old = CovariateEncoder.from_dict(stored)
    assert isinstance(old.columns[0], NumericColumn) and old.columns[0].low is None
    assert not tell_strangers([old], pd.DataFrame({"age": [9999.0], "sex": ["f"]}))
