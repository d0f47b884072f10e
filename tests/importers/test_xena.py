"""Files of UCSC Xena, in their own form, become a cohort."""

import numpy as np
import pytest

from prognoscope.core.errors import OmicsError
from tests.importers import portal_files as files
from tests.importers.importing import checked, imported

PATIENTS = files.simulated()
FIRST = PATIENTS[0]


@pytest.fixture
def clinical(tmp_path):
    return files.xena_survival(tmp_path / "survival.txt", PATIENTS)


def test_survival_phenotype_and_matrices_become_a_study_that_check_accepts(clinical, tmp_path):
    phenotype = files.xena_phenotype(tmp_path / "phenotype.tsv", PATIENTS)
    expression = files.xena_expression(tmp_path / "HiSeqV2", PATIENTS)
    mutations = files.xena_mutations(tmp_path / "mc3", PATIENTS)
    found = imported(tmp_path / "out", "xena", clinical, phenotype, expression, mutations)
    table, genes = (each.set_index("patient_id") for each in (found.clinical, found.genes))
    for p in PATIENTS:
        assert table.at[p.barcode, "PFI_months"] == pytest.approx(max(1, p.days // 2) / files.DAYS_A_MONTH, abs=1e-4)
        assert (table.at[p.barcode, "OS_event"], table.at[p.barcode, "age"]) == (p.died, p.age)
        np.testing.assert_allclose(genes.loc[p.barcode, [f"{g}_rnaseq" for g in files.GENES]], p.genes, rtol=1e-5)
        assert [genes.at[p.barcode, f"{g}_mut"] for g in files.GENES] == [g in p.mutated for g in files.GENES]
    assert "taken as a logarithm, as it is" in found.account
    assert "survival.txt (OS.time, OS)" in found.account and "11 normal tissue (1)" in found.account
    study = checked(tmp_path / "out")
    assert list(study.study.spec.cohort.clinical.endpoints) == ["OS", "DSS", "PFI"]


def test_ensembl_ids_become_symbols_by_a_probe_map_only(clinical, tmp_path):
    expression = files.xena_expression(tmp_path / "star_tpm.tsv", PATIENTS, ensembl=True)
    without = imported(tmp_path / "ids", "xena", clinical, expression)
    assert without.genes.columns[1] == "ENSG00000000000_rnaseq"
    assert "its 12 genes are Ensembl ids, and stay so, without versions." in without.account
    probes = files.probe_map(tmp_path / "gencode.probemap")
    found = imported(tmp_path / "symbols", "xena", clinical, expression, probes)
    assert list(found.genes.columns[1:]) == [f"{gene}_rnaseq" for gene in files.GENES]
    assert "12 Ensembl ids became symbols; 0 have none and stay ids." in found.account


def test_patients_go_by_their_barcodes_where_a_table_has_the_ends_of_them_too(tmp_path):
    lines = files.xena_phenotype(tmp_path / "p.tsv", PATIENTS).read_text().splitlines()
    ends = ["patient_id", *(p.barcode[-4:] for p in PATIENTS)]
    files.write(tmp_path / "p.tsv", "".join(f"{line}\t{end}\n" for line, end in zip(lines, ends, strict=True)))
    found = imported(tmp_path / "out", "xena", tmp_path / "p.tsv", files.xena_expression(tmp_path / "e.tsv", PATIENTS))
    assert list(found.clinical["patient_id"]) == [p.barcode for p in PATIENTS]


def test_rows_of_reads_of_no_gene_are_no_genes(clinical, tmp_path):
    matrix = files.xena_expression(tmp_path / "htseq_counts.tsv", PATIENTS, ensembl=True)
    with matrix.open("a") as file:
        file.writelines(f"{name}\t" + "\t".join(["9"] * 25) + "\n" for name in ("__no_feature", "__too_low_aQual"))
    found = imported(tmp_path / "out", "xena", clinical, matrix)
    assert len(found.genes.columns) == 1 + len(files.GENES)
    assert "left out: 2 rows without a gene's name." in found.account


def test_an_id_with_two_symbols_is_refused(clinical, tmp_path):
    probes = files.probe_map(tmp_path / "probemap")
    with probes.open("a") as file:
        file.write("ENSG00000000000.9\tOTHER\tchr1\t1\t2\t+\n")
    with pytest.raises(OmicsError, match="calls ENSG00000000000 both TP53 and OTHER. Leave one symbol an id."):
        imported(tmp_path / "out", "xena", clinical, probes)


def test_values_that_may_be_several_things_are_asked_about(clinical, tmp_path):
    rows = [("sample", *(f"{p.barcode}-01" for p in PATIENTS))]
    rows += [(gene, *(round(p.genes[i] - 6, 3) for p in PATIENTS)) for i, gene in enumerate(files.GENES)]
    matrix = files.write(tmp_path / "z.tsv", "".join("\t".join(map(str, row)) + "\n" for row in rows))
    with pytest.raises(OmicsError, match=r"z.tsv: its values are from -.* Say which with --kind z.tsv=rnaseq, cnv or"):
        imported(tmp_path / "out", "xena", clinical, matrix)
    found = imported(tmp_path / "out", "xena", clinical, matrix, kinds=("z.tsv=rnaseq",))
    assert (
        "with negative values, so logarithms of values below 1, or standardised or centred, as it is" in found.account
    )
    copies = imported(tmp_path / "copies", "xena", clinical, matrix, kinds=("z.tsv=cnv",))
    assert "| cnv | z.tsv | as the file has them, from -" in copies.account
    with pytest.raises(OmicsError, match=r"--kind z.tsv=protein does not say what a table holds. Write FILE=rnaseq"):
        imported(tmp_path / "other", "xena", clinical, matrix, kinds=("z.tsv=protein",))
    with pytest.raises(OmicsError, match=r"--kind names y.tsv, which is no table of genes x samples here: z.tsv."):
        imported(tmp_path / "other", "xena", clinical, matrix, kinds=("y.tsv=cnv",))


def test_values_of_a_few_genes_that_are_too_large_for_logarithms_become_such(clinical, tmp_path):
    rows = [("sample", *(f"{p.barcode}-01" for p in PATIENTS))]
    rows += [(gene, *(50.0 * i + j for j in range(len(PATIENTS)))) for i, gene in enumerate(files.GENES)]
    matrix = files.write(tmp_path / "panel.tsv", "".join("\t".join(map(str, row)) + "\n" for row in rows))
    found = imported(tmp_path / "out", "xena", clinical, matrix, kinds=("panel.tsv=rnaseq",))
    assert found.genes.set_index("patient_id").loc[FIRST.barcode, "VEGFA_rnaseq"] == pytest.approx(np.log2(501))
    assert "log2(1 + value) of linear (up to 573)" in found.account


def test_a_long_table_in_utf_16_is_read(tmp_path):
    lines = files.xena_phenotype(tmp_path / "p.tsv", PATIENTS).read_text().splitlines()
    long = [f"{line}\t{'remark' if i == 0 else 'x' * 20_000}" for i, line in enumerate(lines)]
    (tmp_path / "p.tsv").write_bytes("\n".join(long).encode("utf-16"))
    assert len(imported(tmp_path / "out", "xena", tmp_path / "p.tsv").clinical) == len(PATIENTS)


@pytest.mark.parametrize(
    ("cell", "said"),
    [("-inf", "has infinite values, as log2(0) gives, the first of TP53"), ("<0.01", "has '<0.01' of TP53 in TCGA-2F")],
)
def test_values_that_are_no_numbers_are_refused(clinical, tmp_path, cell, said):
    matrix = files.xena_expression(tmp_path / "e.tsv", PATIENTS)
    lines = matrix.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace(f"\t{FIRST.genes[0]}\t", f"\t{cell}\t", 1)
    matrix.write_text("".join(lines))
    with pytest.raises(OmicsError) as caught:
        imported(tmp_path / "out", "xena", clinical, matrix, kinds=("e.tsv=rnaseq",))
    assert said in str(caught.value)


def test_two_measurements_of_one_kind_of_the_same_patients_are_refused(clinical, tmp_path):
    one, two = (files.xena_expression(tmp_path / name, PATIENTS) for name in ("a.tsv", "b.tsv"))
    with pytest.raises(OmicsError, match=r"a.tsv and b.tsv both hold rnaseq of 24 patients: .* Give one of them."):
        imported(tmp_path / "out", "xena", clinical, one, two)


def test_samples_of_nobody_are_refused(clinical, tmp_path):
    matrix = files.xena_expression(tmp_path / "e.tsv", files.simulated(4))
    matrix.write_text(matrix.read_text().replace("-A0", "-Z0"))
    with pytest.raises(OmicsError, match=r"e.tsv: none of its samples .* is of a patient in the clinical tables"):
        imported(tmp_path / "out", "xena", clinical, matrix)


def test_times_in_months_in_a_column_of_days_are_refused(tmp_path):
    rows = [("sample", "_PATIENT", "OS", "OS.time")]
    rows += [(f"{p.barcode}-01", p.barcode, int(p.died), round(p.days / 30.4 + 0.01, 2)) for p in PATIENTS]
    table = files.write(tmp_path / "s.txt", "".join("\t".join(map(str, row)) + "\n" for row in rows))
    with pytest.raises(ValueError, match="it looks like months, but time_unit says days"):
        imported(tmp_path / "out", "xena", table)
