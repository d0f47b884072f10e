"""Clinical tables: columns, units, status words, and every way in which they can be wrong."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from prognoscope.cohort.clinical import join_clinical, parse_clinical, read_clinical
from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.core.errors import CohortError, MissingFileError
from tests.cohort.tables import MONTHS, clinical_table

SPEC = ClinicalSpec(table=("clinical.csv",), event="event", **MONTHS)


def parse(table: pd.DataFrame, **options):
    settings = {"table": ("clinical.csv",), "event": "event", **MONTHS, **options}
    return parse_clinical(table, ClinicalSpec(**settings), "clinical.csv")


def test_months_and_events_are_taken_as_they_are():
    outcome = parse(clinical_table()).outcome
    assert outcome.patients == ("P1", "P2", "P3", "P4")
    assert outcome.time.tolist() == [12.5, 30.0, 7.25, 61.0]
    assert outcome.event.tolist() == [True, False, True, False]


@given(days=st.lists(st.integers(1, 9000), min_size=1, max_size=30))
def test_days_are_months_times_30_4375_and_years_are_twelve_months(days):
    n = len(days)
    table = pd.DataFrame({"patient_id": [f"P{i}" for i in range(n)], "event": [1] * n, "t": days})
    from_days = parse(table, time="t", time_unit="days").outcome.time
    np.testing.assert_allclose(from_days, np.array(days) / 30.4375, rtol=1e-15)
    table["t"] = [day / 365.25 for day in days]
    np.testing.assert_allclose(parse(table, time="t", time_unit="years").outcome.time, from_days, rtol=1e-12)


def test_a_censored_column_is_flipped_once_and_the_account_says_so():
    table = clinical_table(censorship=[0.0, 1.0, 0.0, 1.0])
    read = parse(table, event=None, censored="censorship")
    assert read.outcome.event.tolist() == [True, False, True, False]
    assert read.notes == ("clinical.csv: censorship 1 means censored; it was turned into event = 0.",)


@pytest.mark.parametrize(
    "values",
    [[True, False, True, False], ["1", "0", "1", "0"], ["TRUE", "False", "true", "false"], [1.0, 0.0, 1.0, 0.0]],
    ids=["booleans", "text", "words", "floats"],
)
def test_status_may_be_0_and_1_or_true_and_false(values):
    assert parse(clinical_table(event=values)).outcome.event.tolist() == [True, False, True, False]


@pytest.mark.parametrize("values", [[2.0, 1.0, 2.0, 1.0], ["2", "1", "2", "1"]], ids=["floats", "text"])
def test_numbers_that_mean_observed_need_no_quotes(values):
    table = clinical_table(status=values)
    settings = {"table": "clinical.csv", "event": "status", **MONTHS}
    for values in ({"event_values": [2]}, {"event_values": 2}, {"censored_values": [1]}):
        spec = TypeAdapter(ClinicalSpec).validate_python(settings | values)
        assert parse_clinical(table, spec).outcome.event.tolist() == [True, False, True, False]


def test_rows_in_messages_are_those_of_the_file(tmp_path):
    (tmp_path / "c.csv").write_text("# one\n# two\npatient_id,months,event\nA,1,1\nB,x,0\nC,3,1\nD,4,0\n")
    spec = ClinicalSpec(table=(str(tmp_path / "c.csv"),), time="months", time_unit="months", event="event")
    with pytest.raises(CohortError, match="B in row 5 "):
        read_clinical(spec)


def test_ids_that_a_spreadsheet_would_compute_are_warned_of():
    table = clinical_table()
    ids = table.columns[0]
    (warning,) = join_clinical([parse(table.replace({ids: {"P2": "=cmd()"}}))]).warnings
    assert warning.startswith("Spreadsheets take ids that begin with =, +, - or @ for formulas: =cmd().")
    assert not join_clinical([parse(table)]).warnings


@pytest.mark.parametrize("column", ["event", "censored"])
def test_words_for_observed_mean_it_in_either_column(column):
    table = clinical_table(status=["Dead", "Alive", "dead", "Alive"])
    options = {"event": None, column: "status", "event_values": ("Dead",)}
    assert parse(table, **options).outcome.event.tolist() == [True, False, True, False]


def test_a_third_word_is_refused_when_only_one_is_explained():
    table = clinical_table(event=["Dead", "Alive", "Dead", "Lost"])
    with pytest.raises(CohortError, match="event of P2 in row 3 is 'Alive', which is neither observed"):
        parse(table, event_values=("Dead",))
    read = parse(table, event_values=("Dead",), censored_values=("Alive", "Lost"))
    assert read.outcome.event.sum() == 2


@pytest.mark.parametrize("value", [2, "Dead", -1, 0.5])
def test_another_status_is_refused_with_its_value_patient_and_row(value):
    with pytest.raises(CohortError, match=rf"clinical.csv: event of P3 in row 4 is '?{value}'?, which is neither"):
        parse(clinical_table(event=[1, 0, value, 0]))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (-0.23, "time_months -0.23 is negative"),
        (0, "time_months 0 is zero"),
        (np.nan, "time_months is missing"),
        (np.inf, "time_months is infinite"),
        ("[Not Available]", "time_months is missing"),
        ("soon", "time_months 'soon' is not a number"),
    ],
)
def test_an_impossible_time_is_refused_or_its_patient_dropped_with_the_reason(value, reason):
    table = clinical_table(time_months=[12.5, 30.0, value, 61.0])
    with pytest.raises(CohortError, match=r"clinical.csv: the follow-up of 1 patients.*P3 in row 4 \(.*bad_time: drop"):
        parse(table)
    read = parse(table, bad_time="drop")
    assert read.dropped == {"P3": reason}
    assert read.dropped_events == 1
    assert read.outcome.patients == ("P1", "P2", "P4")


def test_a_missing_status_is_refused_or_dropped():
    table = clinical_table(event=[1, 0, None, 0])
    with pytest.raises(CohortError, match=r"P3 in row 4 \(no event\)\. Correct the column 'event'"):
        parse(table)
    assert parse(table, bad_time="drop").dropped == {"P3": "no event"}


def test_a_missing_column_names_the_nearest():
    with pytest.raises(CohortError, match=r"clinical.csv has no column 'time_month'; did you mean 'time_months'"):
        parse(clinical_table(), time="time_month")


def test_a_missing_column_of_a_wide_table_names_the_nearest_or_not_all():
    wide = pd.concat([clinical_table(), pd.DataFrame(0.0, range(4), [f"G{i}_rnaseq" for i in range(90)])], axis=1)
    with pytest.raises(CohortError, match="has no column 'survival'; known: .* and [0-9]+ more."):
        parse(wide, time="survival")
    with pytest.raises(CohortError, match="has no column 'PFI_month'; did you mean 'PFI_months'"):
        parse(wide.assign(PFI_months=1.0), time="PFI_month")


def test_rows_of_one_patient_that_differ_are_refused_with_rows_and_values():
    with pytest.raises(
        CohortError, match=r"'time_months' in .* 1 patients: P1 \(rows 2, 3: 12.5, 30\)\. Leave one row"
    ):
        parse(clinical_table(patient_id=["P1", "P1", "P3", "P4"]))


def test_rows_that_repeat_a_patient_in_all_used_columns_count_once_and_are_told():
    table = pd.concat([clinical_table(therapy=["a"] * 4), clinical_table(therapy=["b"] * 4)])
    read = parse(table)
    assert read.outcome.patients == ("P1", "P2", "P3", "P4")
    assert read.notes == (
        "clinical.csv: 4 rows repeat those of the same patients in all columns used, and count once.",
    )


def test_samples_of_one_person_are_one_patient():
    ids = ["TCGA-AA-0001-01A", "TCGA-AA-0001-11A", "TCGA-AA-0002-01A", "TCGA-AA-0003"]
    table = clinical_table(patient_id=ids, time_months=[3, 3, 4, 5], event=[1, 1, 0, 1])
    read = parse(table)
    assert read.outcome.patients == ("TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0003")
    assert "clinical.csv: 3 rows have the barcode of a sample, and were given to its patient." in read.notes
    with pytest.raises(CohortError, match="TCGA-AA-0001"):
        parse(table.assign(time_months=[3, 9, 4, 5]))


def test_ids_that_differ_in_case_only_are_refused():
    parts = [parse(clinical_table(patient_id=["p1", "P1", "P3", "P4"]))]
    with pytest.raises(CohortError, match="clinical.csv: 1 pairs of ids differ only in case.*'p1' and 'P1'"):
        join_clinical(parts)


def test_ids_are_read_as_text_whatever_their_column_is_called(tmp_path):
    (tmp_path / "c.csv").write_text("nr,time_months,event\n7,3,1\n007,4,0\n")
    spec = ClinicalSpec(table=(str(tmp_path / "c.csv"),), patient="nr", event="event", **MONTHS)
    assert read_clinical(spec).outcome.patients == ("7", "007")


def test_a_row_without_a_patient_is_refused():
    with pytest.raises(CohortError, match="has no patient_id in row 3"):
        parse(clinical_table(patient_id=["P1", None, "P3", "P4"]))


def test_a_table_without_rows_is_refused():
    with pytest.raises(CohortError, match="clinical.csv has no rows"):
        parse(clinical_table().iloc[:0])


def test_rows_of_slides_are_one_patient_when_they_agree():
    table = clinical_table(
        patient_id=["P1", "P1", "P2", "P3"],
        time_months=[12.5, 12.5, 30, 61],
        event=[1, 1, 0, 0],
        slide_id=["b.svs", "a.svs", "c.svs", "d.svs"],
    )
    read = parse(table)
    assert read.outcome.patients == ("P1", "P2", "P3")
    assert read.slides == {"P1": ("a", "b"), "P2": ("c",), "P3": ("d",)}
    table.loc[1, "time_months"] = 13
    with pytest.raises(CohortError, match="different values of 'time_months' in the rows of 1 patients: P1"):
        parse(table)


def test_a_slide_in_two_rows_is_refused():
    table = clinical_table(slide_id=["a.svs", "b.svs", "b.svs", "c.svs"])
    with pytest.raises(CohortError, match="names slides twice: b"):
        parse(table)


def test_numeric_ids_are_text_without_a_decimal_point():
    assert parse(clinical_table(patient_id=[1.0, 2.0, 3.0, 4.0])).outcome.patients == ("1", "2", "3", "4")


def test_covariates_are_numbers_or_text_and_gaps_stay_gaps():
    table = clinical_table(age=[60, None, 70, 50], stage=["II", "I", None, "IV"], smoker=[True, False, True, True])
    covariates = parse(table, covariates=("age", "stage", "smoker")).covariates
    assert list(covariates.index) == ["P1", "P2", "P3", "P4"]
    assert covariates["age"].tolist()[0] == 60 and np.isnan(covariates["age"].iloc[1])
    assert covariates["stage"].tolist() == ["II", "I", None, "IV"]
    assert covariates["smoker"].tolist() == [1, 0, 1, 1]


def test_an_infinite_covariate_is_refused():
    with pytest.raises(CohortError, match="age of P2 is infinite"):
        parse(clinical_table(age=[60, np.inf, 70, 50]), covariates=("age",))


@pytest.mark.parametrize("leak", ["time_months", "event"])
def test_the_outcome_cannot_be_a_covariate(leak):
    with pytest.raises(CohortError, match=f"'{leak}' tells the outcome"):
        ClinicalSpec(table=("t.csv",), event="event", covariates=("age", leak), **MONTHS)


def test_a_site_that_lost_its_zero_gets_it_back_from_the_barcode():
    barcodes = ["TCGA-05-4245", "TCGA-2F-A9KO", "TCGA-06-0129", "TCGA-02-0001"]
    table = clinical_table(patient_id=barcodes, site=[5, "2F", "06", None])
    read = parse(table, site="site")
    assert read.site == dict(zip(barcodes, ["05", "2F", "06", "02"], strict=True))
    assert read.notes == ("The site of 2 patients was restored from their barcode.",)
    assert parse(table).site == read.site  # without a column: all patients have barcodes


def test_sites_named_otherwise_than_in_barcodes_are_not_filled_from_them():
    barcodes = ["TCGA-05-4245", "TCGA-2F-A9KO", "TCGA-06-0129", "TCGA-02-0001"]
    read = parse(clinical_table(patient_id=barcodes, site=["North", "South", "North", None]), site="site")
    assert read.site == dict(zip(barcodes[:3], ["North", "South", "North"], strict=True))


def test_sites_that_differ_in_case_only_are_a_warning():
    read = parse(clinical_table(hospital=["North", "north", "South", "South"]), site="hospital")
    assert any("names of hospital differ in case or blanks only" in each for each in read.warnings)
    assert not parse(clinical_table(hospital=["North", "South", "South", "East"]), site="hospital").warnings


def test_a_site_of_ones_own_is_kept_and_may_be_unknown():
    read = parse(clinical_table(hospital=["North", "South", None, "North"]), site="hospital")
    assert read.site == {"P1": "North", "P2": "South", "P4": "North"}
    assert parse(clinical_table()).site == {}


def test_two_tables_are_one_cohort(tmp_path):
    one, two = clinical_table(), clinical_table(patient_id=["Q1", "Q2", "Q3", "Q4"])
    one.to_csv(tmp_path / "one.csv", index=False)
    two.to_csv(tmp_path / "two.csv", index=False)
    read = read_clinical(
        ClinicalSpec(table=(str(tmp_path / "one.csv"), str(tmp_path / "two.csv")), event="event", **MONTHS)
    )
    assert read.outcome.patients == ("P1", "P2", "P3", "P4", "Q1", "Q2", "Q3", "Q4")


def test_a_covariate_that_is_a_number_in_one_table_and_words_in_another_is_refused_unless_it_is_a_category():
    numbers, words = clinical_table(grade=[1, 2, 1, 2]), clinical_table(patient_id=list("QRST"), grade=list("XYXY"))
    parts = [parse(each, covariates=("grade",)) for each in (numbers, words)]
    with pytest.raises(CohortError, match="'grade' is a number in clinical.csv and a category"):
        join_clinical(parts)
    parts = [parse(each, covariates=("grade",), categories=("grade",)) for each in (numbers, words)]
    assert join_clinical(parts).covariates["grade"].tolist() == ["1", "2", "1", "2", "X", "Y", "X", "Y"]


@pytest.mark.parametrize("name", ["OS.time", "vital_status", "days_to_last_follow_up", "pfi_event", "tumor_status"])
def test_what_tells_the_outcome_by_its_name_is_no_covariate_unless_the_study_says_so(name):
    with pytest.raises(CohortError, match=f"{name} tells the outcome by its name.*not_outcomes"):
        ClinicalSpec(table=("t.csv",), event="event", covariates=("age", name), **MONTHS)
    ClinicalSpec(table=("t.csv",), event="event", covariates=("age", name), not_outcomes=(name,), **MONTHS)


def test_a_patient_in_two_tables_is_refused():
    parts = [parse_clinical(clinical_table(), SPEC, name) for name in ("one.csv", "two.csv")]
    with pytest.raises(CohortError, match=r"4 patients of one.csv are also in two.csv: P1, P2, P3, P4"):
        join_clinical(parts)


def test_a_cohort_without_events_is_refused():
    with pytest.raises(CohortError, match=r"None of the 4 patients in clinical.csv has an event.*Check which of event"):
        join_clinical([parse(clinical_table(event=[0, 0, 0, 0]))])
    assert len(join_clinical([parse(clinical_table(event=[0, 0, 0, 0]))], needs_event=False).outcome) == 4


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="no.csv does not exist"):
        read_clinical(ClinicalSpec(table=(str(tmp_path / "no.csv"),), event="event"))


def test_one_status_column_is_asked_for():
    with pytest.raises(CohortError, match="either event"):
        ClinicalSpec(table=("t.csv",), event="e", censored="c")


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({}, "time, time_unit, event or censored"),
        ({"time": "time_months", "event": "event"}, "time_unit"),
        (MONTHS, "event or censored"),
    ],
)
def test_a_table_of_follow_up_is_not_read_without_knowing_its_columns(options, absent):
    with pytest.raises(CohortError, match=f"cohort.clinical needs .*: add {absent}. Only"):
        parse_clinical(clinical_table(), ClinicalSpec(table=("t.csv",), **options))
