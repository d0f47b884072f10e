"""The TCGA-CDR, as a workbook and as CSV, alone and beside files of a portal."""

from dataclasses import replace

import pandas as pd
import pytest

from prognoscope.core.errors import CohortError
from tests.importers import portal_files as files
from tests.importers.importing import checked, imported

PATIENTS = files.simulated()
FIRST, REDACTED = PATIENTS[0], PATIENTS[1]


@pytest.fixture
def workbook(tmp_path):
    return files.cdr_workbook(tmp_path / "TCGA-CDR-SupplementalTableS1.xlsx", PATIENTS)


def test_the_workbook_becomes_a_study_that_check_accepts(workbook, tmp_path):
    found = imported(tmp_path / "out", "tcga-cdr", workbook, cancers=("TCGA-BLCA",))
    table = found.clinical.set_index("patient_id")
    assert set(table.index) == {p.barcode for p in PATIENTS} - {REDACTED.barcode}
    assert table.at[FIRST.barcode, "OS_months"] == pytest.approx(FIRST.days / files.DAYS_A_MONTH, abs=1e-4)
    assert (table.at[FIRST.barcode, "sex"], table.at[FIRST.barcode, "race"]) == (FIRST.sex, "white")
    assert "DFI_months" not in table and "grade" not in table  # which are all missing
    for name in PATIENTS:
        if name.died and name is not REDACTED and PATIENTS.index(name) % 7 == 0:
            assert pd.isna(table.at[name.barcode, "DSS_event"]) and table.at[name.barcode, "OS_event"] == 1
    assert f"Left out at *not redacted*: {workbook.name} says Redacted (1: {REDACTED.barcode})." in found.account
    assert "Left out at *of 1 type of cancer: BLCA*: ACC (4: TCGA-OR-A5J0" in found.account
    assert list(found.steps["patients"][:3]) == [28, 27, 23]
    checked(tmp_path / "out")


def test_the_csv_tells_the_same_as_the_workbook(workbook, tmp_path):
    whole = imported(tmp_path / "a", "tcga-cdr", workbook, cancers=("all",)).clinical
    table = files.cdr_csv(tmp_path / "cdr.csv", PATIENTS)
    pd.testing.assert_frame_equal(imported(tmp_path / "b", "tcga-cdr", table, cancers=("ALL",)).clinical, whole)
    assert set(whole["cancer_type"]) == {"BLCA", "ACC"}


def test_of_several_types_of_cancer_one_must_be_chosen_that_is_there(workbook, tmp_path):
    with pytest.raises(
        CohortError, match=r"tell of 2 types of cancer: BLCA \(23\), ACC \(4\). Say which with --cancer"
    ):
        imported(tmp_path / "out", "tcga-cdr", workbook)
    with pytest.raises(CohortError, match=r"Nobody has the type of cancer LUAD; there are BLCA \(23\), ACC \(4\)."):
        imported(tmp_path / "out", "tcga-cdr", workbook, cancers=("luad",))
    survival = files.xena_survival(tmp_path / "s.txt", PATIENTS)
    with pytest.raises(CohortError, match="tell nobody's type of cancer, which --cancer chooses by. Leave it out."):
        imported(tmp_path / "out", "xena", survival, cancers=("BLCA",))


def test_the_portal_that_is_named_counts_and_every_disagreement_is_listed_with_both_values(workbook, tmp_path):
    others = [*PATIENTS]
    others[0] = replace(FIRST, days=FIRST.days + 300, died=not FIRST.died, sex="male")
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", others)
    follow_up = files.gdc_follow_up(tmp_path / "follow_up.tsv", others)
    found = imported(tmp_path / "cdr", "tcga-cdr", workbook, clinical, follow_up, cancers=("BLCA",))
    table, rows = found.clinical.set_index("patient_id"), found.conflicts.set_index("what")
    months = FIRST.days / files.DAYS_A_MONTH
    assert table.at[FIRST.barcode, "OS_months"] == pytest.approx(months, abs=1e-4)
    assert table.at[FIRST.barcode, "sex"] == FIRST.sex == "female"
    assert set(found.conflicts["patient_id"]) == {FIRST.barcode} and set(rows.index) == {"OS", "sex"}
    status = ("censored", "event")
    assert rows.at["OS", "taken"] == f"{status[FIRST.died]} at {months:.2f} months"
    assert rows.at["OS", "other"] == f"{status[not FIRST.died]} at {months + 300 / files.DAYS_A_MONTH:.2f} months"
    assert rows.at["OS", "of"].startswith("clinical.tsv (vital_status") and "TCGA-CDR" in rows.at["OS", "from"]
    assert "OS of 1 patient, sex of 1 patient; all are in conflicts.csv." in found.account
    assert (tmp_path / "cdr" / "conflicts.csv").is_file()
    other = imported(tmp_path / "gdc", "gdc", workbook, clinical, follow_up, cancers=("BLCA",))
    assert other.clinical.set_index("patient_id").at[FIRST.barcode, "OS_months"] > months + 9
    assert "Where sources differ, the GDC counts" in other.account
    assert list(other.clinical["DSS_event"].dropna())  # which the GDC does not tell
    checked(tmp_path / "gdc")


def test_half_a_follow_up_gives_way_to_a_whole_one_of_another_source(tmp_path):
    patients = [replace(p, died=True) for p in PATIENTS]
    table = files.cdr_csv(tmp_path / "cdr.csv", patients)
    undated = table.read_text().replace(f",1,{FIRST.days},", ",1,#N/A,").replace(f",{FIRST.days},1,", ",#N/A,1,")
    table.write_text(undated)
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", patients)
    found = imported(tmp_path / "out", "tcga-cdr", table, clinical, cancers=("BLCA",))
    row = found.clinical.set_index("patient_id").loc[FIRST.barcode]
    assert row["OS_event"] == 1 and row["OS_months"] == pytest.approx(FIRST.days / files.DAYS_A_MONTH, abs=1e-4)
    assert "| OS | clinical.tsv (vital_status, days_to_death, days_to_last_follow_up) | 1 | 1 |" in found.account
