"""Files of the GDC, in their own form, become a cohort."""

import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.errors import CohortError, OmicsError
from prognoscope.study.start.from_folder import folder_study
from tests.importers import portal_files as files
from tests.importers.importing import checked, imported

DAYS = files.DAYS_A_MONTH
PATIENTS = files.simulated()
FIRST = PATIENTS[0]


def test_a_cart_becomes_a_study_that_check_accepts(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "in" / "clinical.tsv", PATIENTS)
    follow_up = files.gdc_follow_up(tmp_path / "in" / "follow_up.tsv", PATIENTS)
    star = files.gdc_star(tmp_path / "in" / "star", PATIENTS)
    found = imported(tmp_path / "blca", "gdc", clinical, follow_up, *star)
    table = found.clinical.set_index("patient_id")
    assert list(table.columns) == ["OS_months", "OS_event", "age", "sex", "stage", "race", "cancer_type", "site"]
    for p in PATIENTS:
        row = table.loc[p.barcode]
        assert row["OS_months"] == pytest.approx(p.days / DAYS, abs=1e-4)
        assert (row["OS_event"], row["age"], row["stage"], row["site"]) == (p.died, p.age, p.stage, p.barcode[5:7])
    assert "follow_up.tsv (days_to_follow_up)" in found.account
    study = checked(tmp_path / "blca")
    assert study.cohort.omics is not None and len(study.cohort.patients) == len(PATIENTS)


def test_without_follow_up_tsv_the_last_contact_is_that_of_clinical_tsv(tmp_path):
    found = imported(tmp_path / "out", "gdc", files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS))
    table = found.clinical.set_index("patient_id")
    for p in PATIENTS:
        days = p.days if p.died else p.days // 2
        assert table.at[p.barcode, "OS_months"] == pytest.approx(days / DAYS, abs=1e-4)


def test_columns_that_name_their_tables_and_rows_of_other_tumours_are_understood(tmp_path):
    found = imported(tmp_path / "out", "gdc", files.gdc_clinical_now(tmp_path / "clinical.tsv", PATIENTS))
    table = found.clinical.set_index("patient_id")
    assert [table.at[p.barcode, "stage"] for p in PATIENTS] == [p.stage for p in PATIENTS]
    assert not len(found.conflicts)
    assert f"{len(PATIENTS)} rows of other tumours than the primary one tell no covariate." in found.account
    checked(tmp_path / "out")


def test_of_star_files_the_tpm_of_the_first_vial_of_the_tumour_is_taken(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    files.gdc_star(tmp_path / "star", PATIENTS)
    found = imported(tmp_path / "out", "gdc", clinical, tmp_path / "star")
    genes = found.genes.set_index("patient_id")
    assert list(genes.columns) == [f"{gene}_rnaseq" for gene in files.GENES]
    np.testing.assert_allclose(genes.loc[FIRST.barcode], FIRST.genes, atol=1e-3)  # in vial B all are three higher
    taken = found.samples.set_index("sample_name")
    assert taken.at[f"{FIRST.barcode}-01A", "taken"] == 1
    assert taken.at[f"{FIRST.barcode}-01B", "why"] == f"{FIRST.barcode}-01A of the same patient comes first"
    assert "11, normal tissue, is not among" in taken.at[f"{FIRST.barcode}-11A", "why"]
    assert "log2(1 + value) of linear TPM" in found.account
    assert "left out: 3 of 15 genes, which code for no protein; --all-genes keeps them." in found.account
    assert "left out: 1 copy on Y of genes that X has too (_PAR_Y)." in found.account


def test_all_genes_and_counts_are_taken_where_they_are_asked_for(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    star = files.gdc_star(tmp_path / "star", PATIENTS)
    found = imported(tmp_path / "out", "gdc", clinical, *star, unit="counts", all_genes=True)
    genes = found.genes.set_index("patient_id")
    assert list(genes.columns) == [f"{gene}_rnaseq" for gene in (*files.GENES, "Y_RNA")]
    assert genes.at[FIRST.barcode, "Y_RNA_rnaseq"] == 1  # the first of two rows
    assert genes.at[FIRST.barcode, "TP53_rnaseq"] > 2  # the row that codes for a protein, not that of a lncRNA
    assert "of 2 genes in several rows, the first that codes for a protein, else the first was taken" in found.account
    assert "counts, as it is" in found.account


def test_counts_are_written_to_the_last_digit(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    star = files.star_file(tmp_path / "a.tsv", replace(FIRST, genes=(*FIRST.genes[:-1], float(np.log2(123_457.8)))))
    sheet = files.sample_sheet(tmp_path / "s.tsv", [("a.tsv", "-", FIRST.barcode, f"{FIRST.barcode}-01A", "Primary")])
    imported(tmp_path / "out", "gdc", clinical, star, sheet, unit="counts")
    assert (tmp_path / "out" / "genes.csv").read_text().rstrip().endswith(",1234568")


def test_of_several_files_of_one_sample_the_first_by_name_is_taken(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    named = {f"s{i:02d}.tsv": p for i, p in enumerate(PATIENTS)} | {"z.tsv": FIRST}
    star = [files.star_file(tmp_path / name, p, shift=3.0 * (name == "z.tsv")) for name, p in named.items()]
    rows = [(name, "-", p.barcode, f"{p.barcode}-01A", "Primary Tumor") for name, p in named.items()]
    sheet = files.sample_sheet(tmp_path / "sheet.tsv", rows)
    found = imported(tmp_path / "out", "gdc", clinical, *reversed(star), sheet)
    np.testing.assert_allclose(found.genes.set_index("patient_id").loc[FIRST.barcode], FIRST.genes, atol=1e-3)
    of_first = found.samples[found.samples["patient_id"] == FIRST.barcode]
    assert of_first[["source_file", "taken", "why"]].to_numpy().tolist() == [
        ["s00.tsv", 1, ""],
        ["z.tsv", 0, "another file of this sample, s00.tsv, comes first"],
    ]
    assert "* 25 files of STAR counts (tpm_unstranded): 1 file gave way to another of the same sample: z.tsv." in (
        found.account
    )
    assert "gave way to another:" not in found.account
    again, _ = folder_study(tmp_path / "out", tmp_path / "out")
    assert "not used: samples.csv" in again  # its files are no slides


@pytest.mark.parametrize(
    ("other", "n", "said"),
    [
        (
            "absolute_liftover",
            12,
            r"several workflows: ascat2 \(24 files\), absolute_liftover \(12 files\). Take the f",
        ),
        ("ASCAT3", 1, r"several workflows: ascat2 \(24 files\), ascat3 \(1 file\). Take the files of one."),
        ("", 1, r"several workflows: ascat2 \(24 files\), gene_level_copy_number \(1 file\). Take the files of one."),
        (
            "ascat2.other",
            24,
            r"24 of 24 samples have several files of gene level copy number, such as .*ascat2.*Take the f",
        ),
    ],
)
def test_files_of_several_workflows_are_refused(other, n, said, tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    named = {f"TCGA-BLCA.{i}.ascat2.gene_level_copy_number.v36.tsv": p for i, p in enumerate(PATIENTS)}
    for i, p in enumerate(PATIENTS[:n]):
        named[f"TCGA-BLCA.{i}.{other}.gene_level_copy_number.v36.tsv".replace("..", ".")] = p
    copies = [files.copy_file(tmp_path / name, p) for name, p in named.items()]
    rows = [(name, "-", p.barcode, f"{p.barcode}-01A", "Primary Tumor") for name, p in named.items()]
    with pytest.raises(OmicsError, match=said):
        imported(tmp_path / "out", "gdc", clinical, *copies, files.sample_sheet(tmp_path / "sheet.tsv", rows))


def test_mutations_of_aliquots_that_do_not_tell_whose_they_are_are_of_the_file_that_the_sheet_names(tmp_path):
    ours = [replace(p, barcode=f"C3L-{i:05d}") for i, p in enumerate(PATIENTS)]
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", ours)
    rows, aliquots = [], {}
    for i, p in enumerate(ours):
        aliquot = replace(p, barcode=f"CPT{i:07d}0009")
        path = files.maf_file(tmp_path / "maf" / f"{i}.maf", [aliquot], packed=False, suffix="")
        pair = (f"{p.barcode}, {p.barcode}", f"{p.barcode}-02, {p.barcode}-32", "Primary Tumor, Blood Derived Normal")
        rows.append((f"{path.name}.gz", "Masked Somatic Mutation", *pair))
        aliquots[f"{path.name}.gz"] = aliquot.barcode
    files.sample_sheet(tmp_path / "maf" / "sheet.tsv", rows)
    files.metadata(tmp_path / "maf" / "metadata.json", aliquots)  # tells no patient
    genes = imported(tmp_path / "out", "gdc", clinical, tmp_path / "maf").genes.set_index("patient_id")
    assert [int(genes.loc[p.barcode].sum()) for p in ours] == [len(p.mutated) for p in ours]


def test_a_file_of_mutations_of_several_patients_gives_none_to_another(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    maf = files.maf_file(tmp_path / "all.maf", PATIENTS, packed=False)
    cases = [", ".join(p.barcode + end for p in PATIENTS) for end in ("", "-01A")]
    sheet = files.sample_sheet(tmp_path / "sheet.tsv", [("all.maf", "Masked Somatic Mutation", *cases, "Primary")])
    found = imported(tmp_path / "told", "gdc", clinical, maf, sheet)
    genes = found.genes.set_index("patient_id")
    assert [int(genes.loc[p.barcode].sum()) for p in PATIENTS] == [len(p.mutated) for p in PATIENTS]
    assert len(found.samples) == len(PATIENTS)

    untold = PATIENTS[3]
    maf.write_text(maf.read_text().replace(f"{untold.barcode}-01A-11D-A391-08", "CPT0001"))
    found = imported(tmp_path / "untold", "gdc", clinical, maf, sheet)
    genes = found.genes.set_index("patient_id")
    mutated = [p for p in PATIENTS if p.mutated and p is not untold]
    assert list(genes.index) == [p.barcode for p in mutated]
    assert [int(genes.loc[p.barcode].sum()) for p in mutated] == [len(p.mutated) for p in mutated]
    assert any("all.maf has 1 aliquot whose names tell no patient (CPT0001), and" in note for note in found.notes)
    samples = files.write(tmp_path / "samples.txt", f"SAMPLE_ID\tPATIENT_ID\nCPT0001\t{untold.barcode}\n")
    genes = imported(tmp_path / "cured", "gdc", clinical, maf, sheet, samples).genes.set_index("patient_id")
    assert int(genes.loc[untold.barcode].sum()) == len(untold.mutated) > 0

    for p in PATIENTS:
        maf.write_text(maf.read_text().replace(f"{p.barcode}-01A-11D-A391-08", f"CPT{p.barcode[-3:]}"))
    with pytest.raises(OmicsError, match=r"aliquots whose names tell no patient \(CPT.*SAMPLE_ID and PATIENT_ID"):
        imported(tmp_path / "nobody", "gdc", clinical, maf, sheet)


def test_the_metadata_of_a_cart_say_whose_files_are_as_a_sheet_does(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    star = [files.star_file(tmp_path / f"{i}.tsv", p) for i, p in enumerate(PATIENTS)]
    told = {path.name: f"{p.barcode}-01A-11R-A38B-07" for path, p in zip(star, PATIENTS, strict=True)}
    found = imported(tmp_path / "out", "gdc", clinical, *star, files.metadata(tmp_path / "metadata.json", told))
    assert len(found.genes) == len(PATIENTS)
    assert found.samples.at[0, "sample_name"].endswith("-01A-11R-A38B-07")


def test_a_file_of_no_sheet_is_refused_with_the_sheet_as_cure(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    star = files.star_file(tmp_path / "a.tsv", FIRST)
    with pytest.raises(CohortError, match=r"Whose a.tsv is stands in no file here. Add the sample sheet"):
        imported(tmp_path / "out", "gdc", clinical, star)
    assert not (tmp_path / "out").exists()


def test_files_of_two_annotations_are_refused(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    sheet, first, *_ = files.gdc_star(tmp_path / "star", PATIENTS)
    first.write_text("".join(first.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(OmicsError, match=r"has other genes than .* \(16 and 14\), as files of two versions"):
        imported(tmp_path / "out", "gdc", clinical, tmp_path / "star", sheet)


def test_words_among_counts_are_refused(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    sheet, first, *_ = files.gdc_star(tmp_path / "star", PATIENTS)
    first.write_text(first.read_text().replace("\t0.5\t", "\tlow\t"))
    with pytest.raises(OmicsError, match="has words among the numbers of tpm_unstranded. Download it again."):
        imported(tmp_path / "out", "gdc", clinical, first, sheet)


def test_copy_number_is_that_of_the_tumour_of_a_pair(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    rows = []
    for i, p in enumerate(PATIENTS):
        path = files.copy_file(tmp_path / "cn" / f"{i}.gene_level_copy_number.v36.tsv", p)
        pair = (f"{p.barcode}, {p.barcode}", f"{p.barcode}-10A, {p.barcode}-01A", "Blood Derived Normal, Primary Tumor")
        rows.append((path.name, "Gene Level Copy Number", *pair))
    files.sample_sheet(tmp_path / "cn" / "sheet.tsv", rows)
    found = imported(tmp_path / "out", "gdc", clinical, tmp_path / "cn")
    genes = found.genes.set_index("patient_id")
    assert list(genes.loc[FIRST.barcode]) == [copies + 2 for copies in FIRST.copies]
    assert set(found.samples["tissue"]) == {"01"}
    assert "copies of the gene, 2 being normal" in found.account
    checked(tmp_path / "out")


def test_mutations_that_change_no_protein_do_not_count_and_who_was_not_sequenced_lacks_them(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    maf = files.maf_file(tmp_path / "cohort.maf.gz", PATIENTS)
    found = imported(tmp_path / "out", "gdc", clinical, maf)
    genes = found.genes.set_index("patient_id")
    assert "TTN_mut" not in genes
    for p in PATIENTS:
        if p.mutated:
            assert {name for name in genes if genes.at[p.barcode, name]} == {f"{gene}_mut" for gene in p.mutated}
    without = [p.barcode for p in PATIENTS if not p.mutated]
    assert without and not set(without) & set(genes.index)
    assert "who has no mutation in it is taken as not sequenced" in found.account
    silent = imported(tmp_path / "silent", "gdc", clinical, maf, silent=True).genes
    assert silent["TTN_mut"].all()


def test_a_sheet_tells_that_a_patient_without_any_mutation_was_sequenced(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    rows = []
    for i, p in enumerate(PATIENTS):
        path = files.maf_file(tmp_path / "maf" / f"{i}.wxs.aliquot_ensemble_masked.maf.gz", [p])
        rows.append((path.name, "Masked Somatic Mutation", p.barcode, f"{p.barcode}-01A", "Primary Tumor"))
    files.sample_sheet(tmp_path / "maf" / "sheet.tsv", rows)
    found = imported(tmp_path / "out", "gdc", clinical, tmp_path / "maf")
    genes = found.genes.set_index("patient_id")
    assert len(genes) == len(PATIENTS) and not genes.isna().to_numpy().any()
    assert [int(genes.loc[p.barcode].sum()) for p in PATIENTS] == [len(p.mutated) for p in PATIENTS]
    assert len(found.samples) == len(PATIENTS)  # an aliquot and the sample it was taken from are one


def test_only_diagnostic_slides_of_the_tumour_are_listed(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    diagnostic = [files.slide(p.barcode, "01Z-00-DX1", i) for i, p in enumerate(PATIENTS)]
    others = [
        files.slide(FIRST.barcode, "01A-01-TSA"),
        files.slide(FIRST.barcode, "11A-01-DX1"),
        files.slide("TCGA-OR-A5J1", "01Z-00-DX1"),
    ]
    found = imported(tmp_path / "out", "gdc", clinical, files.manifest(tmp_path / "m.txt", [*diagnostic, *others]))
    assert sorted(found.slides["slide_id"]) == sorted(diagnostic)
    assert found.slides.set_index("patient_id").at[FIRST.barcode, "file_id"] == files.UUID.format(0, 8)
    for why in ("of frozen tissue (no DX in the barcode)", "of other sample types", "of nobody in the cohort"):
        assert f"Left out: 1 slide {why}" in found.account
    assert "# slides: {folder: slides, table: slides.csv}" in (tmp_path / "out" / "study.yaml").read_text()
    checked(tmp_path / "out")


def test_a_sheet_of_2024_has_sample_types_in_two_columns(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    star = files.star_file(tmp_path / "a.tsv", FIRST)
    header = "File ID\tFile Name\tCase ID\tSample ID\tTissue Type\tTumor Descriptor\n"
    text = f"{header}1\ta.tsv\t{FIRST.barcode}\tX1, X2\tTumor, Normal\tMetastatic, Not Applicable\n"
    sheet = files.write(tmp_path / "sheet.tsv", text)
    with pytest.raises(CohortError, match=r"none of 1 sample is of the sample types .* 06 \(metastasis\). "):
        imported(tmp_path / "out", "gdc", clinical, star, sheet)
    found = imported(tmp_path / "out", "gdc", clinical, star, sheet, tissues=("06",))
    assert list(found.samples["sample_name"]) == ["X1"]


def test_a_death_without_a_date_keeps_its_status_and_no_time(tmp_path):
    clinical = files.gdc_clinical(tmp_path / "clinical.tsv", PATIENTS)
    dead = next(p for p in PATIENTS if p.died)
    alive = next(p for p in PATIENTS if not p.died)
    lines = clinical.read_text().splitlines(keepends=True)
    lines = [line.replace(f"\t{dead.days}\t", "\t'--\t", 1) if dead.barcode in line else line for line in lines]
    lines = [line.replace("\t'--\t", "\t900\t", 1) if alive.barcode in line else line for line in lines]
    clinical.write_text("".join(lines))
    found = imported(tmp_path / "out", "gdc", clinical)
    table = found.clinical.set_index("patient_id")
    assert table.at[dead.barcode, "OS_event"] == 1 and pd.isna(table.at[dead.barcode, "OS_months"])
    assert table.loc[alive.barcode, ["OS_event", "OS_months"]].isna().all()
    assert f"the GDC tells of 1 death and not when: {dead.barcode}." in found.account
    assert f"gives days to death of 1 patient who it says are alive: {alive.barcode}." in found.account


def test_a_packed_file_that_is_cut_off_and_an_archive_are_refused(tmp_path):
    whole = gzip.compress(b"x" * 5000)
    (tmp_path / "a.maf.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CohortError, match=r"a.maf.gz cannot be unpacked .* Download it again."):
        imported(tmp_path / "out", "gdc", tmp_path / "a.maf.gz")
    (tmp_path / "a.tar").write_bytes(b"a" * 257 + b"ustar" + b"0" * 300)
    with pytest.raises(CohortError, match=r"a.tar is a tar archive. Unpack it, and name the folder."):
        imported(tmp_path / "out", "gdc", tmp_path / "a.tar")
