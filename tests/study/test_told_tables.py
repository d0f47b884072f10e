"""What was passed over in any table of a study is told, and ids in all of them are matched alike."""

import pandas as pd
import pytest

from prognoscope import cli
from prognoscope.study.audit import audit
from prognoscope.study.plan import Plan, plan
from prognoscope.study.study_file import StudyFile

COMMENT = "1 line above the header that begin with # were passed over."


@pytest.fixture
def planned(study_folder, change):
    def settled(**values) -> Plan:
        return plan(StudyFile.load(change(**{"methods": ["abmil"], **values})))

    return settled


def commented(path, table: pd.DataFrame | None = None) -> None:
    text = path.read_text() if table is None else table.to_csv(index=False)
    path.write_text(f"# made by a program\n{text}")


def vectors(study_folder, **columns) -> pd.DataFrame:
    patients = pd.read_csv(study_folder / "clinical.csv")["patient_id"]
    return pd.DataFrame({"patient_id": patients, "x": range(len(patients)), "y": 1.5, **columns})


def test_lines_passed_over_are_told_of_every_table(study_folder, planned):
    patients = pd.read_csv(study_folder / "clinical.csv")["patient_id"]
    commented(study_folder / "slides.csv")
    commented(study_folder / "truth" / "patients.csv")
    subtype = pd.DataFrame({"patient_id": patients, "kind": ["A", "B"] * (len(patients) // 2)})
    commented(study_folder / "kinds.csv", subtype)
    commented(study_folder / "folds.csv", pd.DataFrame({"patient_id": patients, "fold": ([0, 1, 2] * 14)[:40]}))
    found = planned(**{"cohort.subtype": {"table": "kinds.csv", "column": "kind"}, "splits": {"table": "folds.csv"}})
    told = audit(found).notes
    for name in ("slides.csv", "patients.csv", "kinds.csv", "folds.csv"):
        assert told.count(f"{name}: {COMMENT}") == 1
    assert set(told) >= set(found.cohort.account.notes)


def test_lines_passed_over_in_a_table_of_embeddings_and_in_split_files_are_told(study_folder, planned):
    commented(study_folder / "vectors.csv", vectors(study_folder))
    patients = pd.read_csv(study_folder / "clinical.csv")["patient_id"]
    for fold in range(2):
        halves = (list(patients[:20]), list(patients[20:]))
        table = pd.DataFrame({"train": halves[fold], "test": halves[1 - fold]})
        commented(study_folder / f"splits_{fold}.csv", table)
    told = planned(
        **{"cohort.features": {"table": "vectors.csv"}, "splits": {"files": "splits_{fold}.csv"}}
    ).cohort.account.notes
    assert [name for name in ("vectors.csv", "splits_0.csv", "splits_1.csv") if f"{name}: {COMMENT}" in told] == [
        "vectors.csv",
        "splits_0.csv",
        "splits_1.csv",
    ]


def test_ids_of_vectors_and_of_the_truth_are_matched_as_everywhere(study_folder, planned):
    table = vectors(study_folder)
    table["patient_id"] = table["patient_id"].str.lower().str.replace("-", ".")
    table.to_csv(study_folder / "vectors.csv", index=False)
    truth = pd.read_csv(study_folder / "truth" / "patients.csv")
    truth["patient_id"] = truth["patient_id"].str.replace("-", "_")
    truth.iloc[::-1].to_csv(study_folder / "truth" / "patients.csv", index=False)
    found = planned(**{"cohort.features": {"table": "vectors.csv"}})
    assert len(found.patients) == len(table)
    told = " ".join(found.cohort.account.warnings)
    for name in ("vectors.csv", "patients.csv"):
        assert f"{name}: {len(table)} ids match only after changing case" in told


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (lambda ids: [f"X{i}" for i in range(len(ids))], r"has no patient of the cohort, such as .*; it has X0, X1"),
        (lambda ids: [ids[0].lower(), *ids[:-1]], r"has several ids of 1 patients"),
    ],
)
def test_vectors_of_nobody_and_of_one_patient_twice_are_refused(study_folder, change, capfd, ids, says):
    table = vectors(study_folder)
    table.assign(patient_id=ids(list(table["patient_id"]))).to_csv(study_folder / "vectors.csv", index=False)
    path = change(**{"cohort.features": {"table": "vectors.csv"}, "methods": ["abmil"]})
    with pytest.raises(SystemExit) as stop:
        cli.main(["check", str(path)])
    assert stop.value.code == 2
    pd.testing.assert_series_equal(pd.Series([capfd.readouterr().err]).str.contains(says), pd.Series([True]))


def test_who_is_left_and_what_was_passed_over_is_told_before_folds_that_cannot_be(study_folder, change, capfd):
    for path in sorted((study_folder / "features").glob("*.h5"))[3:]:
        path.rename(path.with_suffix(".other"))
    path = change(**{"methods": ["abmil"], "splits": {"folds": 2}, "cohort.clinical.covariates": []})
    with pytest.raises(SystemExit):
        cli.main(["check", str(path)])
    before, error = capfd.readouterr()
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "with slides:" in before and "left out: SIM-" in before
    assert "slides of the table not there" in before
