"""Gene tables of every layout: one row a patient, genes and nothing else, or a sentence that says why not."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import InputError, MissingFileError, OmicsError
from prognoscope.omics.tables import OmicsTable, read_omics

MCAT = """,case_id,slide_id,site,age,survival_months,censorship,train,TP53_rnaseq,MYC_cnv,TP53_mut
0,A-1,a1.svs,5,60,1.5,1,1,0.5,-2,0
1,B-1,b1.svs,2F,,3,0,0,36893.25,1,1
2,A-1,a2.svs,5,60,1.5,1,1,0.5,-2,0
"""
WIDE = "patient_id,TP53,MYC\nA-1,1.5,2\nB-1,,3\n"


def read(folder, content, *args, **options) -> OmicsTable:
    (folder / "genes.csv").write_text(content)
    return read_omics([folder / "genes.csv"], *args, **options)


def refused(folder, content, message, **options):
    with pytest.raises(OmicsError, match=message):
        read(folder, content, **options)


@pytest.mark.parametrize("layout", ["auto", "mcat"])
def test_slides_of_a_patient_are_one_row_and_metadata_no_genes(tmp_path, layout):
    table = read(tmp_path, MCAT, layout)
    assert table.values.index.tolist() == ["A-1", "B-1"]
    assert table.values.index.name == "patient"
    assert table.values.columns.tolist() == ["TP53_rnaseq", "MYC_cnv", "TP53_mut"]
    assert set(table.values.dtypes) == {np.dtype(np.float32)}
    assert table.values.loc["B-1"].tolist() == [36893.25, 1, 1]
    assert table.source == "genes.csv"


def test_a_column_of_outcome_among_the_genes_or_last_is_not_one(tmp_path):
    moved = "TP53_rnaseq,censorship,case_id,slide_id,MYC_cnv,train\n1,0,A,a.svs,2,1\n"
    assert read(tmp_path, moved).values.columns.tolist() == ["TP53_rnaseq", "MYC_cnv"]


def test_rows_of_one_patient_that_differ_are_refused_by_name(tmp_path):
    refused(
        tmp_path,
        MCAT.replace("a2.svs,5,60,1.5,1,1,0.5,-2", "a2.svs,5,60,1.5,1,1,0.5,2"),
        r"genes\.csv has different genes in the rows of 1 patients: A-1; in 1 columns: MYC_cnv",
    )


@pytest.mark.parametrize("layout", ["auto", "wide"])
def test_a_plain_table_gives_its_genes_and_missing_values_stay_missing(tmp_path, layout):
    table = read(tmp_path, WIDE, layout)
    assert table.values.index.tolist() == ["A-1", "B-1"]
    np.testing.assert_array_equal(table.values, np.float32([[1.5, 2], [np.nan, 3]]))
    assert table.notes == ()


def test_parquet_gives_what_csv_gives(tmp_path):
    expected = read(tmp_path, WIDE)
    frame = pd.read_csv(tmp_path / "genes.csv")
    frame.to_parquet(tmp_path / "plain.parquet")
    frame.set_index("patient_id").to_parquet(tmp_path / "indexed.parquet")
    for name in ("plain", "indexed"):
        pd.testing.assert_frame_equal(read_omics([tmp_path / f"{name}.parquet"]).values, expected.values)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (",TP53,MYC\nA-1,1,2\nB-1,3,4\n", {}),  # SurvPath's rna_clean.csv names no column of patients
        (",id,TP53,MYC\n0,A-1,1,2\n1,B-1,3,4\n", {}),  # a row counter before it
        ("TP53,MYC,Case ID\n1,2,A-1\n3,4,B-1\n", {}),
        ("TP53,who,MYC\n1,A-1,2\n3,B-1,4\n", {"patient": "who"}),
    ],
)
def test_the_patient_is_the_named_the_known_or_the_first_column(tmp_path, content, options):
    values = read(tmp_path, content, **options).values
    assert values.index.tolist() == ["A-1", "B-1"]
    assert values.columns.tolist() == ["TP53", "MYC"]


@pytest.mark.parametrize(("header", "options"), [("pid", {"patient": "pid"}), ("first", {}), ("", {})])
def test_patients_007_and_7_are_two(tmp_path, header, options):
    assert read(tmp_path, f"{header},TP53\n007,1\n7,2\n", **options).values.index.tolist() == ["007", "7"]


def test_metadata_of_a_plain_table_is_left_out_and_told(tmp_path):
    table = read(tmp_path, "patient_id,Age,OS_months,TP53,mine\nA,60,3,1,5\n", exclude=["mine"])
    assert table.values.columns.tolist() == ["TP53"]
    assert table.notes == ("genes.csv: columns that are not genes were left out: Age, OS_months, mine.",)


def test_words_for_missing_are_missing_and_told(tmp_path):
    table = read(tmp_path, "patient_id,X,Y\nA,1,[Not Available]\nB,2,5\nC,,[Unknown]\n")
    np.testing.assert_array_equal(table.values, np.float32([[1, np.nan], [2, 5], [np.nan, np.nan]]))
    assert table.notes == (
        "genes.csv: words in the place of gene values were taken as missing: [Not Available] (1), [Unknown] (1).",
    )


def test_true_and_false_are_1_and_0(tmp_path):
    assert read(tmp_path, "patient_id,X,Y\nA,True,True\nB,False,\n").values.X.tolist() == [1, 0]


def test_mutations_without_an_ending_are_what_the_option_says(tmp_path):
    content = "case_id,slide_id,age,C10orf105,AC002472.1,MYC_cnv\nA,a.svs,60,1,0,2\n"
    ignored = read(tmp_path, content)
    assert ignored.values.columns.tolist() == ["MYC_cnv"]
    assert "2 columns without the ending of a kind were left out: C10orf105, AC002472.1" in ignored.notes[0]
    taken = read(tmp_path, content, unsuffixed="mutation")
    assert taken.values.columns.tolist() == ["C10orf105_mut", "AC002472.1_mut", "MYC_cnv"]
    refused(tmp_path, content, r"2 columns that are neither metadata nor end in _rnaseq", unsuffixed="refuse")
    refused(tmp_path, content.replace(",1,0,2", ",1,401,2"), "hold more than 0 and 1: AC0024", unsuffixed="mutation")
    both = "case_id,slide_id,MYC,MYC_mut\nA,a.svs,1,1\n"
    refused(tmp_path, both, "mutations with and without _mut: MYC", unsuffixed="mutation")


def test_kinds_are_kept_by_name(tmp_path):
    table = read(tmp_path, MCAT, kinds=["rnaseq", "mut"])
    assert table.values.columns.tolist() == ["TP53_rnaseq", "TP53_mut"]
    assert "1 columns of other kinds than rnaseq, mut were left out" in table.notes[0]
    refused(tmp_path, WIDE, r"genes\.csv has no column of the kinds cnv", kinds=["cnv"])
    refused(tmp_path, WIDE, "no kind of genes 'rna'; did you mean 'rnaseq'", kinds=["rna"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("patient_id,X\nA,1\nA,1\nB,2\n", r"genes\.csv has 1 patients in more than one row: A\. Leave one row each"),
        ("patient_id,X,Y\nA,1,2\nB,1,G3\n", r"genes\.csv has 'G3' in column 'Y', patient B, which is not a number"),
        ("patient_id,X,Y,Z\nA,1,b,c\n", r"'b' in column 'Y', .* nor are fields of 1 other column: Z\. Correct them"),
        (",X,Y\n1,0.5,1\n2,0.25,2\n", r"the first, 'X', holds no ids\. The column before it has no name and counts"),
        ("patient_id\tX\nA\t1,5\n", r"'1,5' in column 'X', patient A, which is not a number\. If the comma is the dec"),
        ("patient_id,X\nA,1\nB,inf\n", r"1 infinite values, the first of patient B in column 'X'"),
        ("patient_id,X\nA,1e39\n", r"1 infinite values, the first of patient A in column 'X'"),
        ("patient_id,X\nA,1\n,2\n", r"1 rows without a patient: row 3"),
        ("patient_id,X\n", "has no patient: it holds a header and no row"),
        ("patient_id,age\nA,60\n", r"has no gene column; it has age"),
        ("X,Y\n0.5,1\n0.25,2\n", r"has no column of patients: the first, 'X', holds no ids"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path, content, message):
    refused(tmp_path, content, message)


def test_files_and_columns_that_are_not_there_are_named(tmp_path):
    refused(tmp_path, WIDE, r"has no column 'patient_ids'; did you mean 'patient_id'", patient="patient_ids")
    with pytest.raises(MissingFileError, match=r"The gene table .*absent\.csv does not exist"):
        read_omics([tmp_path / "absent.csv"])
    with pytest.raises(InputError, match="Expected 3 columns, got 4"):
        read(tmp_path, "patient_id,X,Y\nA,1,2,3\nB,1,2\n")
    with pytest.raises(OmicsError, match="There is no gene table to read"):
        read_omics([])


@given(st.permutations(range(3)), st.permutations(range(3)))
def test_the_order_of_rows_and_columns_changes_no_value(tmp_path_factory, rows, columns):
    folder = tmp_path_factory.mktemp("order")
    frame = pd.read_csv(pd.io.common.StringIO(MCAT), index_col=0)
    genes = ["TP53_rnaseq", "MYC_cnv", "TP53_mut"]
    shuffled = frame.iloc[rows][[genes[i] for i in columns] + [c for c in frame if c not in genes]]
    expected, table = read(folder, MCAT).values, read(folder, shuffled.to_csv()).values
    pd.testing.assert_frame_equal(table.loc[expected.index, genes], expected)


@pytest.mark.parametrize("sparse", [False, True])
def test_anndata_gives_what_csv_gives(tmp_path, sparse):
    anndata, scipy_sparse = pytest.importorskip("anndata"), pytest.importorskip("scipy.sparse")
    matrix = np.array([[1.5, 2], [0, 3]], dtype=np.float32)
    obs = pd.DataFrame({"who": ["A-1", "B-1"]}, index=["cell1", "cell2"])
    data = anndata.AnnData(
        scipy_sparse.csr_matrix(matrix) if sparse else matrix, obs=obs, var=pd.DataFrame(index=["TP53", "MYC"])
    )
    data.write_h5ad(tmp_path / "genes.h5ad")
    expected = read(tmp_path, WIDE.replace("B-1,,", "B-1,0,")).values
    pd.testing.assert_frame_equal(read_omics([tmp_path / "genes.h5ad"], patient="who").values, expected)
    assert read_omics([tmp_path / "genes.h5ad"]).values.index.tolist() == ["cell1", "cell2"]
    with pytest.raises(OmicsError, match="has no column 'whom' in obs; did you mean 'who'"):
        read_omics([tmp_path / "genes.h5ad"], patient="whom")


def test_anndata_that_is_broken_or_not_installed_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "genes.h5ad").write_bytes(b"not HDF5")
    if "anndata" in sys.modules or pytest.importorskip("anndata"):
        with pytest.raises(OmicsError, match=r"genes\.h5ad cannot be read as AnnData"):
            read_omics([tmp_path / "genes.h5ad"])
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(OmicsError, match=r'is AnnData: install "prognoscope\[anndata\]"'):
        read_omics([tmp_path / "genes.h5ad"])
