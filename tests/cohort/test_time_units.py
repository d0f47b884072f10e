"""Two units of time in one cohort are noticed, whichever way they got in."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.clinical import join_clinical, parse_clinical
from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.cohort.cohort import make_cohort
from prognoscope.cohort.subtypes import parse_subtypes
from prognoscope.core.errors import CohortError
from tests.cohort.tables import MONTHS as IN_MONTHS
from tests.cohort.tables import clinical_table

MONTHS = np.array([12.5, 30.0, 7.25, 61.0])


def parse(table, source="clinical.csv", **options):
    return parse_clinical(table, ClinicalSpec(table=("clinical.csv",), event="event", **IN_MONTHS | options), source)


@pytest.mark.parametrize("name", ["survival_days", "OS_DAYS", "daysToDeath", "days_to_last_follow_up", "DSS.days"])
def test_a_column_named_after_days_is_not_months(name):
    table = clinical_table(**{name: (MONTHS * 30.4375).round()})
    with pytest.raises(
        CohortError, match=f"'{name}' is named after days, but time_unit says months. Set time_unit: days"
    ):
        parse(table, time=name)
    np.testing.assert_allclose(parse(table, time=name, time_unit="days").outcome.time, MONTHS, atol=0.02)


def test_days_called_months_are_noticed_by_their_size():
    table = clinical_table(t=MONTHS * 30.4375)
    with pytest.raises(CohortError, match=r"'t' in months means a median follow-up of 647 months.*Set time_unit: days"):
        parse(table, time="t")


def test_months_called_years_are_noticed_by_their_size():
    with pytest.raises(CohortError, match="looks like months. Set time_unit: months"):
        parse(clinical_table(t=MONTHS * 2), time="t", time_unit="years")


def test_months_called_days_are_noticed_by_their_fractions():
    with pytest.raises(CohortError, match="has fractions and ends at 61, so it looks like months"):
        parse(clinical_table(t=[12.5, 30.25, 7.25, 61]), time="t", time_unit="days")


def test_a_column_that_says_two_units_is_refused():
    table = clinical_table(time_unit=["months", "months", "days", "months"])
    with pytest.raises(CohortError, match="time_unit in row 4 says days, but time_unit says months"):
        parse(table)


def test_a_twin_column_in_days_must_agree():
    good = clinical_table(os_months=MONTHS, os_days=(MONTHS * 30.4).round())
    assert parse(good, time="os_months").outcome.time.tolist() == MONTHS.tolist()
    bad = clinical_table(os_months=MONTHS, os_days=MONTHS)
    with pytest.raises(CohortError, match=r"'os_months' in months and 'os_days' in days differ by a factor of 30"):
        parse(bad, time="os_months")


def test_two_tables_in_two_units_are_refused():
    short = parse(clinical_table(time_months=(MONTHS / 30.4375).tolist()), "one.csv")
    other = parse(clinical_table(patient_id=["Q1", "Q2", "Q3", "Q4"]), "two.csv")
    with pytest.raises(CohortError, match=r"one.csv has a median follow-up of 0.7 months and two.csv one of 21.2"):
        join_clinical([short, other])


def test_a_subtype_table_in_another_unit_is_refused():
    labels = pd.DataFrame({"patient_id": ["P1", "P2", "P3"], "kind": ["a", "b", "a"], "days": MONTHS[:3] * 30.4375})
    clinical = parse(clinical_table())
    agrees = parse_subtypes(labels, "subtypes.csv", "kind", time="days", time_unit="days")
    assert make_cohort("c", clinical, subtypes=agrees).subtype == {"P1": "a", "P2": "b", "P3": "a"}
    differs = parse_subtypes(labels, "subtypes.csv", "kind", time="days")
    with pytest.raises(CohortError, match=r"The times of P1, P2, P3 in subtypes.csv are 30.4 times off those in"):
        make_cohort("c", clinical, subtypes=differs)
