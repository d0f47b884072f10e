"""Files of cBioPortal, in their own form, become a cohort."""

import numpy as np
import pytest

from prognoscope.core.errors import OmicsError
from tests.importers import portal_files as files
from tests.importers.importing import checked, imported

PATIENTS = files.simulated()
FIRST = PATIENTS[0]


def renamed(barcode: str) -> str:
    return f"MB-{barcode[-4:]}"


def study_folder(folder, rename=lambda barcode: barcode):
    """A study as the datahub has it."""
    files.cbioportal_patients(folder / "data_clinical_patient.txt", PATIENTS, rename=rename)
    files.cbioportal_samples(folder / "data_clinical_sample.txt", PATIENTS, rename=rename)
    files.cbioportal_expression(folder / "data_mrna_seq_v2_rsem.txt", PATIENTS, rename=rename)
    files.cbioportal_copies(folder / "data_cna.txt", PATIENTS, rename=rename)
    maf = files.maf_file(folder / "data_mutations.txt", PATIENTS, packed=False, suffix="-01")
    for p in PATIENTS:
        maf.write_text(maf.read_text().replace(p.barcode, rename(p.barcode)))
    files.case_list(folder / "case_lists" / "cases_sequenced.txt", PATIENTS, rename=rename)
    files.write(folder / "meta_study.txt", "type_of_cancer: blca\ncancer_study_identifier: blca\n")
    timeline = "PATIENT_ID\tSTART_DATE\tEVENT_TYPE\tSAMPLE_ID\tGRADE\nX-1\t0\tSPECIMEN\tX-1-01\tG3\n"
    files.write(folder / "data_timeline_specimen.txt", timeline)
    files.write(
        folder / "case_lists" / "cases_all.txt", "cancer_study_identifier: b\nstable_id: b_all\ncase_list_ids: x\n"
    )
    return folder


def test_a_study_of_other_ids_becomes_a_study_that_check_accepts(tmp_path):
    found = imported(tmp_path / "out", "cbioportal", study_folder(tmp_path / "study", renamed))
    table, genes = (each.set_index("patient_id") for each in (found.clinical, found.genes))
    for p in PATIENTS:
        row = table.loc[renamed(p.barcode)]
        assert row["OS_months"] == round(p.days / files.DAYS_A_MONTH, 2)
        assert tuple(row[["OS_event", "DSS_event", "sex", "stage"]]) == (p.died, p.of_cancer, p.sex, p.stage)
        values = genes.loc[renamed(p.barcode)]
        expected = np.log2(1 + 40 * 2 ** np.array(p.genes))
        np.testing.assert_allclose(values[[f"{gene}_rnaseq" for gene in files.GENES]], expected, rtol=1e-4)
        assert list(values[[f"{gene}_cnv" for gene in files.GENES]]) == list(p.copies)
        assert [values[f"{gene}_mut"] for gene in files.GENES] == [gene in p.mutated for gene in files.GENES]
    assert "log2(1 + value) of linear" in found.account
    assert "of 1 gene in several rows, the first was taken: MYC." in found.account
    assert "left out: 1 row without a gene's name." in found.account
    assert "Not used: 3 files in" in found.account and not {"site", "grade"} & set(table.columns)
    assert len(table) == len(PATIENTS)
    assert checked(tmp_path / "out").study.spec.cohort.clinical.endpoint == "OS"


def test_who_is_on_the_list_of_sequenced_samples_has_no_mutation_rather_than_none_known(tmp_path):
    folder = study_folder(tmp_path / "study")
    (folder / "data_mrna_seq_v2_rsem.txt").unlink()
    (folder / "data_cna.txt").unlink()
    assert len(imported(tmp_path / "listed", "cbioportal", folder).genes) == len(PATIENTS)
    (folder / "case_lists" / "cases_sequenced.txt").unlink()
    found = imported(tmp_path / "unlisted", "cbioportal", folder)
    assert len(found.genes) == sum(bool(p.mutated) for p in PATIENTS) < len(PATIENTS)


def folder_with_more(folder):
    """A study with z-scores, words for chromosome arms and expression of normal tissue."""
    study_folder(folder)
    rows = [["Hugo_Symbol", "Entrez_Gene_Id", *(f"{p.barcode}-01" for p in PATIENTS)]]
    z_scores = [*rows, *(["TP53", "7157", *(str(0.3 * i - 3) for i in range(len(PATIENTS)))],)]
    arms = [*rows, ["1p", "", *(["Gain"] * len(PATIENTS))]]
    for name, cells in (("data_mrna_zscores.txt", z_scores), ("data_armlevel_cna.txt", arms)):
        files.write(folder / name, "".join("\t".join(row) + "\n" for row in cells))
    normals = (folder / "data_mrna_seq_v2_rsem.txt").read_text().replace("-01\t", "-11\t").replace("-01\n", "-11\n")
    files.write(folder / "normals" / "data_mrna_normal_samples.txt", normals)
    return folder


def test_of_a_whole_study_folder_what_does_not_tell_is_passed_over_and_told(tmp_path):
    genes = imported(tmp_path / "one", "cbioportal", study_folder(tmp_path / "plain")).genes
    found = imported(tmp_path / "two", "cbioportal", folder_with_more(tmp_path / "study"))
    assert found.genes.equals(genes)
    for said in (
        "data_mrna_zscores.txt: its values are from -3",
        "'Gain' of 1p",
        "none of 24 samples is of the sample",
    ):
        assert any(note.startswith("Not used: ") and said in note for note in found.notes)
    table_of_files = found.account.partition("## Patients")[0]
    assert "| genes x samples | cbioportal | 2: data_cna.txt, data_mrna_seq_v2_rsem.txt |" in table_of_files
    assert found.account.count("Not used: ") == 4


@pytest.mark.parametrize("is_first", [True, False])
def test_a_matrix_that_is_named_beside_its_folder_is_not_passed_over(is_first, tmp_path):
    folder = folder_with_more(tmp_path / "study")
    paths = [folder / "data_mrna_zscores.txt", folder]
    with pytest.raises(OmicsError, match=r"data_mrna_zscores.txt: its values are from -3"):
        imported(tmp_path / "out", "cbioportal", *(paths if is_first else reversed(paths)))


def test_a_matrix_whose_kind_is_told_is_not_passed_over(tmp_path):
    folder = folder_with_more(tmp_path / "study")
    with pytest.raises(OmicsError, match=r"data_armlevel_cna.txt has 'Gain' of 1p in .* which is not a number"):
        imported(tmp_path / "out", "cbioportal", folder, kinds=("data_armlevel_cna.txt=cnv",))


def test_a_damaged_matrix_of_a_folder_is_refused(tmp_path):
    folder = study_folder(tmp_path / "study")
    matrix = folder / "data_mrna_seq_v2_rsem.txt"
    matrix.write_text(matrix.read_text().replace(f"\t{round(40 * 2 ** FIRST.genes[0], 4)}\t", "\t<0.01\t", 1))
    with pytest.raises(OmicsError, match=r"rsem.txt has '<0.01' of TP53 in .* which is not a number. Correct it"):
        imported(tmp_path / "out", "cbioportal", folder)


def test_statuses_in_words_without_codes_are_the_same(tmp_path):
    coded = files.cbioportal_patients(tmp_path / "coded.txt", PATIENTS)
    words = files.write(tmp_path / "words.txt", coded.read_text().replace("\t1:", "\t").replace("\t0:", "\t"))
    one, other = (imported(tmp_path / path.stem, "cbioportal", path).clinical for path in (coded, words))
    assert one.equals(other) and {"OS_event", "DSS_event", "PFS_event"} <= set(other)


def test_expression_stays_linear_where_it_is_asked_to(tmp_path):
    folder = study_folder(tmp_path / "study")
    genes = imported(tmp_path / "out", "cbioportal", folder, logarithm=False).genes.set_index("patient_id")
    assert genes.at[FIRST.barcode, "TP53_rnaseq"] == pytest.approx(40 * 2 ** FIRST.genes[0], rel=1e-4)


def batches(path, n, cell, largest=None):
    """Linear expression with `n` of its 288 named cells below zero, as a correction of batches leaves some."""
    lines = files.cbioportal_expression(path, PATIENTS).read_text().splitlines()[: 1 + len(files.GENES)]
    rows = [line.split("\t") for line in lines]
    if largest is not None:
        rows[1:] = [[*row[:2], *(f"{min(float(x), largest):.1f}" for x in row[2:])] for row in rows[1:]]
    for k in range(n):
        rows[1 + k // len(PATIENTS)][2 + k % len(PATIENTS)] = cell
    return files.write(path, "\n".join(map("\t".join, rows)) + "\n")


@pytest.mark.parametrize("largest", [None, 842])
@pytest.mark.parametrize("n", [1, 14])  # of 288: 4.9 %
def test_a_few_negative_values_of_a_correction_of_batches_are_taken_as_zero(n, largest, tmp_path):
    clinical = files.cbioportal_patients(tmp_path / "p.txt", PATIENTS)
    found = imported(tmp_path / "out", "cbioportal", clinical, batches(tmp_path / "m.txt", n, "-1.25", largest))
    row = found.genes.set_index("patient_id").loc[FIRST.barcode]
    value = min(40 * 2 ** FIRST.genes[1], largest or np.inf)
    assert row["TP53_rnaseq"] == 0 and row["EGFR_rnaseq"] == pytest.approx(np.log2(1 + value), 1e-4)
    assert "log2(1 + value) of linear (up to " in found.account
    told = f"m.txt: {'1 value' if n == 1 else '14 values'} below zero (down to -1.25) became 0, before the logarithm."
    assert told in found.notes


def test_many_negative_values_are_of_no_correction_of_batches(tmp_path):
    clinical = files.cbioportal_patients(tmp_path / "p.txt", PATIENTS)
    matrix = batches(tmp_path / "m.txt", 15, "-1.25")  # 5.2 %
    with pytest.raises(OmicsError, match=r"m.txt: its values are from -1.25 to .* Say which with --kind"):
        imported(tmp_path / "untold", "cbioportal", clinical, matrix)
    found = imported(tmp_path / "told", "cbioportal", clinical, matrix, kinds=("m.txt=rnaseq",))
    assert found.genes.set_index("patient_id").at[FIRST.barcode, "TP53_rnaseq"] == -1.25
    assert "with negative values, so standardised or centred, as it is (from -1.25" in found.account


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("-9999", r"has '-9999.0' of TP53 in TCGA-2F-A000-01, which stands for a missing value. Correct it, leave it"),
        ("-999", r"which stands for a missing value"),
        ("-5000000", r"m.txt has values down to -5e\+06, while the 99th percentile of its values is [0-9.]+: no cor"),
    ],
)
def test_negative_values_that_no_correction_leaves_are_refused(cell, said, tmp_path):
    clinical = files.cbioportal_patients(tmp_path / "p.txt", PATIENTS)
    with pytest.raises(OmicsError, match=said):
        imported(tmp_path / "out", "cbioportal", clinical, batches(tmp_path / "m.txt", 1, cell))


def test_samples_of_a_study_of_other_ids_need_the_table_of_samples(tmp_path):
    folder = study_folder(tmp_path / "study", renamed)
    (folder / "data_clinical_sample.txt").unlink()
    with pytest.raises(OmicsError, match=r"is of a patient in the clinical tables .* such as data_clinical_sample.txt"):
        imported(tmp_path / "out", "cbioportal", folder)


def test_the_table_of_the_web_page_is_read_too(tmp_path):
    names = "Study ID\tPatient ID\tSample ID\tDiagnosis Age\tSex\tOverall Survival (Months)\tOverall Survival Status"
    rows = [
        f"b\t{p.barcode}\t{p.barcode}-01\t{p.age}\t{p.sex.capitalize()}\t{p.days / 30}\t{int(p.died)}:X"
        for p in PATIENTS
    ]
    table = files.write(tmp_path / "blca_clinical_data.tsv", "\n".join((names, *rows)) + "\n")
    found = imported(tmp_path / "out", "cbioportal", table)
    assert list(found.clinical["age"]) == [p.age for p in PATIENTS]
    assert list(found.clinical["OS_event"]) == [p.died for p in PATIENTS]


def test_germline_rows_are_no_mutations_and_a_file_of_silent_ones_is_refused(tmp_path):
    clinical = files.cbioportal_patients(tmp_path / "data_clinical_patient.txt", PATIENTS)
    maf = files.maf_file(tmp_path / "m.txt", PATIENTS, packed=False, suffix="-01")
    text = maf.read_text()
    maf.write_text(text.replace("Somatic", "Germline", 1))
    assert (
        "1 rows are of no somatic mutation: Germline (1)."
        in imported(tmp_path / "out", "cbioportal", clinical, maf).account
    )
    maf.write_text(text.replace("Missense_Mutation", "Silent"))
    with pytest.raises(OmicsError, match=r"none of \d+ mutations counts. Their classes are Silent .* --silent"):
        imported(tmp_path / "other", "cbioportal", clinical, maf)


def test_groups_of_the_users_are_written_with_how_many_genes_of_each_are_measured(tmp_path):
    folder = study_folder(tmp_path / "study")
    hallmark = files.write(tmp_path / "h.gmt", "HALLMARK_X\thttp://x\tTP53\tEGFR\tABSENT\n")
    families = files.write(tmp_path / "signatures.csv", "Oncogenes,Kinases\nKRAS,CDK4\nMYC,\n")
    found = imported(tmp_path / "out", "cbioportal", folder, groups=(hallmark, families))
    assert found.groups == {
        "HALLMARK_X": ("TP53", "EGFR", "ABSENT"),
        "Oncogenes": ("KRAS", "MYC"),
        "Kinases": ("CDK4",),
    }
    assert found.coverage.set_index("group")["measured"].to_dict() == {"HALLMARK_X": 2, "Oncogenes": 2, "Kinases": 1}
    assert "| HALLMARK_X | 3 | 2 |" in found.account
    assert "groups.gmt" in (tmp_path / "out" / "study.yaml").read_text()
    assert set(checked(tmp_path / "out").cohort.groups or ()) == {"HALLMARK_X", "Oncogenes", "Kinases"}
    with pytest.raises(OmicsError, match=r"has gene groups that another file has too: HALLMARK_X. Leave each in one."):
        imported(tmp_path / "twice", "cbioportal", folder, groups=(hallmark, hallmark))
    strange = files.write(tmp_path / "s.gmt", "A\tna\tENSG1\tENSG2\n")
    with pytest.raises(OmicsError, match=r"None of the genes of the groups \(ENSG1, ENSG2\) is measured"):
        imported(tmp_path / "strange", "cbioportal", folder, groups=(strange,))
