"""A file of gene groups gives the same groups in whatever form it is, or one sentence; never other groups."""

import gzip
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prognoscope.core.errors import PrognoscopeError
from prognoscope.omics.group_files import read_groups
from prognoscope.omics.groups import coverage, coverage_notes
from tests.core.workbooks import workbook

GENES = ("TP53", "EGFR", "KRAS", "IL6", "CXCL8", "CD274", "MYC")
GROUPS = {"A": ("TP53", "EGFR", "KRAS"), "B": ("IL6", "CXCL8")}
GMT = "A\thttp://x\tTP53\tEGFR\tKRAS\nB\tna\tIL6\tCXCL8\n"
PAIRS = "A,TP53\nA,EGFR\nA,KRAS\nB,IL6\nB,CXCL8\n"
texts = st.text(st.sampled_from('AB1,;\t|"{}[]:#\n\r \0ä'), max_size=60)


def read(folder, name: str, content: str | bytes, genes=GENES):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_groups(path, genes)


@pytest.mark.parametrize("name", ["g.gmt", "g.gmt.txt", "g.txt", "g.csv", "G.GMT", "g"])
@pytest.mark.parametrize(
    "content",
    [
        GMT,
        gzip.compress(GMT.encode(), mtime=0),
        GMT.replace("\n", "\r\n"),
        GMT.replace("\n", "\n\n") + "\n",
        GMT.replace("http://x", "").replace("na", ""),  # double tabs
        GMT.replace("\t", "\t\t"),
        GMT.replace("TP53", " TP53 "),
        GMT.replace("TP53", "TP53,1.0").replace("EGFR", "EGFR,-2"),
        GMT.replace("\thttp://x", "").replace("\tna", ""),  # without descriptions
        GMT.replace("http://x", "genes of A").replace("na", "a word"),
        "# from a database\n" + GMT,
        GMT.replace("\t", ","),  # saved as CSV
        '"A"\t"d"\t"TP53"\t"EGFR"\t"KRAS"\nB\td\tIL6\tCXCL8\n',
        "A,B\nTP53,IL6\nEGFR,CXCL8\nKRAS,\n",
        ",A,B\n0,TP53,IL6\n1,EGFR,CXCL8\n2,KRAS,\n",
        "A\tB\nTP53\tIL6\nEGFR\tCXCL8\nKRAS\t\n",
        "A\tB\nna\tna\nTP53\tIL6\nEGFR\tCXCL8\nKRAS\t\n",  # GMX
        "A;B\nTP53;IL6\nEGFR;CXCL8\nKRAS;\n",
        "pathway,gene\n" + PAIRS,
        "gene,pathway\n" + "".join(",".join(line.split(",")[::-1]) + "\n" for line in PAIRS.split()),
        PAIRS,  # without a header
        "which,what\n" + PAIRS,
        "gs_cat,gs_name,gene_symbol\n" + "".join(f"H,{line}\n" for line in PAIRS.split()),
        json.dumps({name: {"systematicName": "M1", "geneSymbols": list(genes)} for name, genes in GROUPS.items()}),
        json.dumps({name: list(genes) for name, genes in GROUPS.items()}),
    ],
)
def test_the_content_decides_what_the_groups_are(tmp_path, name, content):
    assert dict(read(tmp_path, name, content).groups) == GROUPS


def test_a_workbook_of_groups_is_read(tmp_path):
    rows = [["A", "B"], ["TP53", "IL6"], ["EGFR", "CXCL8"], ["KRAS", None]]
    assert dict(read_groups(workbook(tmp_path / "g.xlsx", {"One": rows}), GENES).groups) == GROUPS


def test_a_table_without_a_named_column_holds_no_group(tmp_path):
    path = tmp_path / "g.parquet"
    pd.DataFrame({"": ["TP53"]}).to_parquet(path)
    with pytest.raises(PrognoscopeError, match="holds no gene group"):
        read_groups(path, GENES)


def test_what_is_not_plain_is_told(tmp_path):
    assert read(tmp_path, "g.gmt", GMT).notes == ()
    assert "its groups have no descriptions" in read(tmp_path, "g.gmt", "A\tTP53\tEGFR\nB\tIL6\tMYC\n").notes[0]
    assert "the weights of 1 genes were left out" in read(tmp_path, "g.gmt", "A\td\tTP53,1.0\tMYC\n").notes[0]
    assert "read as pairs of group and gene (pathway, gene)" in read(tmp_path, "g", "pathway,gene\nA,MYC\n").notes[0]
    versions = read(tmp_path, "g.gmt", "A\td\tENSG00000000003.15\n", ())
    assert dict(versions.groups) == {"A": ("ENSG00000000003",)}
    assert "versions of Ensembl ids" in versions.notes[0]


def test_a_description_that_is_named_like_a_gene_of_few_is_a_description(tmp_path):
    content = "A\tMYC\tTP53\tEGFR\nB\tna\tIL6\tCXCL8\n"
    assert dict(read(tmp_path, "g.gmt", content).groups) == {"A": ("TP53", "EGFR"), "B": ("IL6", "CXCL8")}
    (note,) = read(tmp_path, "g.gmt", content).notes
    assert "the descriptions of 1 of 2 groups are names of genes, and were not taken as such: A (MYC)" in note


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("A d TP53 EGFR KRAS\nB d IL6 CXCL8\n", "separates its fields by blanks"),
        ("A\td\tTP53\nA\td\tEGFR\n", "groups of one name, or without: 'A'"),
        ("A,A\nTP53,EGFR\n", "groups of one name: 'A'"),
        ('{"A": {"x": 1}}', "no list of genes for the group 'A'"),
        ('{"A": ["TP53"], "A": ["MYC"]}', "not JSON of gene groups .*'A' is there twice"),
        ("[" * 100_000, "not JSON of gene groups"),
        ('["TP53"]', "JSON, but not of the form"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path, content, message):
    with pytest.raises(PrognoscopeError, match=rf"/g (has |is )?{message}"):
        read(tmp_path, "g", content)


def test_groups_say_how_many_of_their_genes_were_found():
    groups = {"ligases": ("MARCH1", "TP53", "MYC"), "all": ("TP53",), "none": ("X", "Y"), "MYC": ("myc", "1-Mar")}
    assert coverage(GENES, groups) == {"ligases": (2, 3), "all": (1, 1), "none": (0, 2), "MYC": (0, 2)}
    (note,), warnings = coverage_notes(GENES, groups, "g.csv")
    assert note == (
        "3 of 4 gene groups lack genes in g.csv: none (0 of 2 genes found, not X, Y), MYC (0 of 2 genes found, not "
        "myc, 1-Mar), ligases (2 of 3 genes found, not MARCH1)."
    )
    assert "1 genes of the groups are in g.csv in other letters only, and were not found: myc for MYC" in warnings[0]
    assert "1 gene groups are named like genes of g.csv: MYC" in warnings[1]
    assert "1-Mar was MARCH1 or MARCHF1" in warnings[2]
    assert coverage_notes(GENES, {"all": ("TP53",)}, "g.csv") == ([], [])


@settings(max_examples=300)
@given(content=st.one_of(st.binary(max_size=80), texts.map(str.encode)), genes=st.sampled_from([(), ("A", "B1")]))
def test_any_bytes_are_groups_or_one_sentence(tmp_path_factory, content, genes):
    path = tmp_path_factory.mktemp("any") / "g.gmt"
    path.write_bytes(content)
    try:
        assert all(read_groups(path, genes).groups.values())
    except PrognoscopeError as error:
        assert str(path) in str(error)
