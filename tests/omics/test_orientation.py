"""Tables with genes in rows are turned, because of who their columns are, never because of their shape."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import OmicsError
from prognoscope.omics.tables import OmicsTable, read_omics

PATIENTS = ("TCGA-2F-A9KO", "TCGA-4Z-AA7M", "TCGA-05-4244")
PORTAL = "Hugo_Symbol\tEntrez_Gene_Id\t" + "\t".join(PATIENTS) + "\nTP53\t7157\t1.5\t2\t3\nMYC\t4609\t4\t5\t6\n"


def read(folder, content: str, patients=PATIENTS, **options) -> OmicsTable:
    (folder / "genes.txt").write_text(content)
    return read_omics([folder / "genes.txt"], patients=patients, **options)


@pytest.mark.parametrize(
    "content",
    [
        PORTAL,
        PORTAL.replace("Hugo_Symbol\tEntrez_Gene_Id", "sample\tlength"),
        PORTAL.replace("TCGA-2F-A9KO", "TCGA.2F.A9KO"),  # as R writes it
        "\t".join(PATIENTS) + "\nTP53\t1.5\t2\t3\nMYC\t4\t5\t6\n",  # R's short header
        "," + ",".join(PATIENTS) + "\nTP53,1.5,2,3\nMYC,4,5,6\n",
    ],
)
def test_a_table_of_genes_by_patients_is_turned_and_told(tmp_path, content):
    table = read(tmp_path, content)
    assert [name.replace(".", "-") for name in table.values.index] == list(PATIENTS)
    assert table.values.columns.tolist() == ["TP53", "MYC"]
    np.testing.assert_array_equal(table.values, np.float32([[1.5, 4], [2, 5], [3, 6]]))
    assert any("so the table was turned" in note for note in table.notes)


@given(n=st.integers(1, 6))
def test_patients_in_rows_are_left_there_whatever_the_shape(tmp_path_factory, n):
    folder = tmp_path_factory.mktemp("rows")
    genes = [f"G{i}" for i in range(n)]
    rows = "".join(f"{p}," + ",".join("1" for _ in genes) + "\n" for p in PATIENTS)
    table = read(folder, "patient_id," + ",".join(genes) + "\n" + rows)
    assert table.values.shape == (3, n)
    assert table.notes == ()


def test_patients_that_are_numbers_are_no_genes_that_are(tmp_path):
    assert read(tmp_path, "id,1,2,3\n1,5,6,7\n2,5,6,7\n3,8,9,1\n", ("1", "2", "3")).notes == ()


def test_genes_without_a_name_or_in_rows_that_differ_are_left_out_and_told(tmp_path):
    rows = "TP53\t7157\t1.5\t2\t3\n\t1\t9\t9\t9\nMYC\t4609\t4\t5\t7\nKRAS\t1\t0\t1\t2\n"
    table = read(tmp_path, PORTAL + rows)
    assert table.values.columns.tolist() == ["TP53", "KRAS"]
    told = " ".join(table.notes)
    assert "1 genes are in several rows that are equal" in told
    assert "1 genes are in several rows that differ, and were left out: MYC" in told
    assert "1 rows without a gene's name in Hugo_Symbol were left out" in told


def test_a_file_of_one_sample_and_genes_of_nobody_are_refused(tmp_path):
    star = (
        "# gene-model: GENCODE v36\ngene_id\tgene_name\tunstranded\ttpm_unstranded\nENSG00000000003.15\tTP53\t5\t0.1\n"
    )
    with pytest.raises(OmicsError, match=r"genes\.txt is a file of the GDC's, with the genes of one sample in rows"):
        read(tmp_path, star)
    with pytest.raises(
        OmicsError, match=r"are genes \(Hugo_Symbol\), and none of its columns \(TCGA-2F-A9KO, .* such as P1"
    ):
        read(tmp_path, PORTAL, ("P1", "P2"))


def test_a_transposed_matrix_of_anndata_is_turned(tmp_path):
    anndata = pytest.importorskip("anndata")
    obs, var = pd.DataFrame(index=["TP53", "MYC"]), pd.DataFrame(index=list(PATIENTS))
    anndata.AnnData(np.float32([[1, 2, 3], [4, 5, 6]]), obs=obs, var=var).write_h5ad(tmp_path / "g.h5ad")
    table = read_omics([tmp_path / "g.h5ad"], patients=PATIENTS)
    assert table.values.index.tolist() == list(PATIENTS)
    assert table.values["MYC"].tolist() == [4, 5, 6]
    assert "the matrix was turned" in table.notes[0]


def test_versions_of_ensembl_ids_are_left_out_where_that_is_clear(tmp_path):
    table = read(tmp_path, "patient_id,ENSG00000000003.15,ENSG00000000005.6_PAR_Y,AC002472.1\nA,1,2,3\n")
    assert table.values.columns.tolist() == ["ENSG00000000003", "ENSG00000000005_PAR_Y", "AC002472.1"]
    assert "the versions of 2 Ensembl ids were left out: ENSG00000000003.15 is ENSG00000000003" in table.notes[0]
    twice = read(tmp_path, "patient_id,ENSG00000000003.15,ENSG00000000003.14\nA,1,2\n")
    assert twice.values.columns.tolist() == ["ENSG00000000003.15", "ENSG00000000003.14"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("patient_id,X,Y\nA,694,2742\nB,0,9\n", "the gene values are whole numbers up to 2,742, as raw counts do"),
        ("patient_id,X,Y\nA,694.5,36893.25\n", "the gene values run up to 36,893"),
        ("patient_id,1-Mar,02-Sep,Mar-02,2023-12-01\nA,1,2,3,4\n", r"4 columns are dates .*1-Mar was MARCH1 .*SEPTIN2"),
        ("patient_id,TP53,TP53.1\nA,1,2\n", "1 columns look like genes that were there twice, .*: TP53.1"),
        ("patient_id,TP53,TP53-1,TP53...3\nA,1,2,3\n", "2 columns look like genes that were there twice"),
        ("patient_id,TP53,tp53\nA,1,2\n", "1 names differ in upper and lower case only, .*: TP53 and tp53"),
        ("patient_id,TP53,MYC,44806,2.31E+13\nA,1,2,3,4\n", r"2 columns are numbers among .*: 44806, 2\.31E\+13"),
        (
            "patient_id,3/1/2022,2. Sep,1-d\u00e9c,01.03.2022\nA,1,2,3,4\n",
            "4 columns are dates .*SEPT2 .*DEC1",
        ),
    ],
)
def test_what_looks_wrong_in_genes_is_a_warning(tmp_path, content, message):
    (warning,) = read(tmp_path, content, ("A", "B")).warnings
    assert re.search(message, warning)


@pytest.mark.parametrize("column", ["TP53,MYC_cnv", "MARCH1,SEPT2", "X_mut,Y_cnv", "7157,44621", "NKX2-1,HLA-A"])
def test_logarithms_scores_and_copies_are_no_suspicion(tmp_path, column):
    assert read(tmp_path, f"patient_id,{column}\nA,12.5,5000\n".replace("12.5,5000", "12.5,-3"), ("A",)).warnings == ()


def test_warnings_stay_when_tables_are_joined(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"patient_id,G{name}\nA,5000\n")
    assert len(read_omics([tmp_path / "a.csv", tmp_path / "b.csv"]).warnings) == 2


def test_a_row_called_like_the_column_of_patients_is_no_gene(tmp_path):
    table = read(tmp_path, PORTAL + "patient_id\t1\t1\t2\t3\n")
    assert table.values.columns.tolist() == ["TP53", "MYC"]
    assert "1 rows without a gene's name in Hugo_Symbol were left out" in " ".join(table.notes)
