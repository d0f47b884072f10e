"""`prognoscope import` as a whole: from files to a finished run, and what it refuses before it writes anything."""

import os
from pathlib import Path

import pandas as pd
import pytest

from prognoscope import cli
from prognoscope.core.errors import InputError, PrognoscopeError
from prognoscope.core.processes import part_beside
from prognoscope.importers.cohort import ImportSpec
from prognoscope.runs.read import open_finished
from prognoscope.study.start.from_portal import import_cohort
from prognoscope.study.study import Study
from tests.importers import portal_files as files
from tests.importers.importing import imported

pytestmark = pytest.mark.usefixtures("sketched")

PATIENTS = files.simulated()


def test_files_of_four_portals_become_one_cohort_and_a_finished_run(tmp_path, capsys):
    patients = files.simulated(40)
    book = files.cdr_workbook(tmp_path / "cdr.xlsx", patients)
    files.gdc_star(tmp_path / "gdc" / "star", patients)
    files.gdc_clinical(tmp_path / "gdc" / "clinical.tsv", patients)
    phenotype = files.xena_phenotype(tmp_path / "phenotype.tsv", patients)
    copies = files.cbioportal_copies(tmp_path / "data_cna.txt", patients)
    out = tmp_path / "blca"
    words = ["import", "TCGA-CDR", *map(str, (book, tmp_path / "gdc", phenotype, copies))]
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--cancer", "BLCA", "--out", str(out)])
    told = capsys.readouterr().out
    assert ended.value.code == 0 and f"Next: prognoscope check {out / 'study.yaml'}" in told
    assert sorted(os.listdir(out)) == [
        *("account.md", "clinical.csv", "conflicts.csv", "genes.csv", "samples.csv", "study.schema.json", "study.yaml")
    ]
    assert sorted(os.listdir(tmp_path)) == ["blca", "cdr.xlsx", "data_cna.txt", "gdc", "phenotype.tsv"]
    settings = ["methods=[{name: coxph, penalizers: [0.1]}]", "splits.folds=2", "evaluation.draws=10"]
    Study.load(out / "study.yaml", settings).run(tmp_path / "run")
    predictions = open_finished(tmp_path / "run").method("coxph").predictions
    assert len(predictions) == len(patients) - 1  # one was redacted


def test_what_a_killed_import_left_is_removed_by_the_next_and_what_goes_on_beside_is_not(tmp_path):
    clinical = files.xena_survival(tmp_path / "s.txt", PATIENTS)
    left = tmp_path / ".out.0000abcd-1-1-00000000.part"  # of a machine that gives no sign of life
    (left / "out").mkdir(parents=True)
    os.utime(left, (0, 0))
    going_on = part_beside(tmp_path / "out")
    going_on.mkdir()
    import_cohort([clinical], tmp_path / "out", ImportSpec("xena"))
    assert not left.exists() and going_on.is_dir()
    assert sorted(os.listdir(tmp_path)) == [going_on.name, "out", "s.txt"]


def test_a_table_of_many_genes_is_parquet_and_read_back(tmp_path, monkeypatch):
    clinical = files.xena_survival(tmp_path / "s.txt", PATIENTS)
    matrix = files.xena_expression(tmp_path / "e.tsv", PATIENTS)
    monkeypatch.setattr("prognoscope.study.start.from_portal.MOST_CELLS", 10)
    found = imported(tmp_path / "out", "xena", clinical, matrix)
    kept = pd.read_parquet(tmp_path / "out" / "genes.parquet")
    pd.testing.assert_frame_equal(kept, found.genes)
    assert "omics: {table: genes.parquet}" in (tmp_path / "out" / "study.yaml").read_text()


@pytest.mark.parametrize(
    ("portal", "spec", "said"),
    [
        ("tcga", {}, "There is no portal 'tcga'; did you mean 'tcga-cdr'?"),
        (
            "gdc",
            {},
            "None of the files is of the GDC. The portal that is named is the one whose word counts",
        ),
        ("xena", {"groups": (Path("no.gmt"),)}, "The file of gene groups no.gmt does not exist. Correct the path."),
        ("xena", {"unit": "rpkm"}, "There is no expression in 'rpkm'; did you mean 'fpkm'?"),
        ("xena", {"tissues": ("1",)}, "There is no sample type '1'; known: 01 (primary tumour)"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(portal, spec, said, tmp_path):
    table = files.xena_survival(tmp_path / "s.txt", PATIENTS)
    with pytest.raises(InputError) as caught:
        imported(tmp_path / "out", portal, table, **spec)
    assert said in str(caught.value) and os.listdir(tmp_path) == ["s.txt"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.tsv", "a\tb\n1\t2\n", "a.tsv is no file as the GDC, UCSC Xena, cBioPortal or the TCGA-CDR have them"),
        ("a.json", "[{}]", "a.json is JSON, but not the metadata of files that the GDC's cart gives. Leave it out."),
        ("a.json", "[{", "a.json is not JSON"),
        ("a.json", '[{"associated_entities": [{}]}]', "lacks 'file_name' of a file. Download it again"),
        ("a.tsv", "sample\t_PATIENT\tOS\tOS.time\n\t\t0\t3\n\t\t1\t3\n", "has no patient in its column _patient"),
        ("a.tsv", "day.demographic\tvital_status.demographic\n1\tDead\n", "a.tsv has no column of patients"),
    ],
)
def test_a_file_that_tells_nothing_is_refused(name, text, said, tmp_path):
    table = files.xena_survival(tmp_path / "s.txt", PATIENTS)
    strange = files.write(tmp_path / name, text)
    with pytest.raises(PrognoscopeError) as caught:
        imported(tmp_path / "out", "xena", table, strange)
    assert said in str(caught.value) and not (tmp_path / "out").exists()


def test_files_of_no_use_are_passed_over_and_told(tmp_path):
    table = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    exposure = files.write(tmp_path / "exposure.tsv", "case_id\tcase_submitter_id\tpack_years_smoked\n1\tTCGA-2F\t3\n")
    files.write(tmp_path / "more" / "MANIFEST.txt", "some words\n")
    found = imported(tmp_path / "out", "gdc", table, exposure, tmp_path / "more")
    assert "* Not used: exposure.tsv: it has no follow-up." in found.account
    assert "* Not used: 1 file in" in found.account


def test_an_empty_folder_holds_nothing_to_import(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="There is no file to import. Name files of portals, or folders that hold"):
        imported(tmp_path / "out", "gdc", tmp_path / "in")


def test_without_any_follow_up_there_is_no_cohort(tmp_path):
    matrix = files.xena_expression(tmp_path / "e.tsv", PATIENTS)
    with pytest.raises(InputError, match="None of the files has follow-up. Add the portal's clinical table"):
        imported(tmp_path / "out", "xena", matrix)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    table = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    (tmp_path / "out").mkdir()
    imported(tmp_path / "out", "gdc", table)  # an empty one will do
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="out is there already and not empty. Name another folder with --out"):
        imported(tmp_path / "out", "gdc", table)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_what_fails_while_it_is_written_leaves_nothing(tmp_path, monkeypatch):
    table = files.xena_survival(tmp_path / "s.txt", PATIENTS)

    def full(path: Path | str, text: str) -> None:
        raise OSError(f"no room for {path}")

    monkeypatch.setattr("prognoscope.study.start.from_portal.write_text", full)
    with pytest.raises(OSError, match="no room"):
        imported(tmp_path / "out", "xena", table)
    assert os.listdir(tmp_path) == ["s.txt"]


def test_rows_of_a_patient_that_differ_and_words_that_say_nothing_are_told(tmp_path):
    table = files.xena_survival(tmp_path / "s.txt", PATIENTS)
    first, second = PATIENTS[:2]
    lines = table.read_text().splitlines()
    lines = [line.replace(f"{first.barcode}-11\t", f"{first.barcode}-02\t") for line in lines]
    fields = lines[2].split("\t")
    lines[2] = "\t".join([*fields[:2], "1" if fields[2] == "0" else "0", *fields[3:]])
    row = next(i for i, line in enumerate(lines) if line.startswith(second.barcode))
    fields = lines[row].split("\t")
    lines[row] = "\t".join([*fields[:2], "perhaps", "many", *fields[4:]])
    table.write_text("\n".join([*lines, "\t".join(["X-01", "", *["0", "9"] * 3, ""])]) + "\n")
    found = imported(tmp_path / "out", "xena", table, files.xena_expression(tmp_path / "e.tsv", PATIENTS))
    assert found.conflicts["what"].tolist() == ["os"] and found.conflicts["patient_id"].tolist() == [first.barcode]
    assert "s.txt (OS): not known words, so left empty: 'perhaps'." in found.account
    assert "s.txt (OS.time): no number, so left empty: 'many'." in found.account
    assert "s.txt: left out: 1 row without a _patient." in found.account
    assert found.clinical.set_index("patient_id").loc[second.barcode, ["OS_event", "OS_months"]].isna().all()


def test_ages_in_days_become_years(tmp_path):
    table = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    text = table.read_text().replace("age_at_index", "age_of_nothing")
    table.write_text(text)
    found = imported(tmp_path / "out", "gdc", table)
    assert found.clinical["age"].tolist() == [round(p.age * 365 / 365.25, 2) for p in PATIENTS]
    assert "clinical.tsv (age_at_diagnosis): ages in days were divided by 365.25." in found.account
