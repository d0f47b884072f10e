"""Gene groups from files, and the columns that belong to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import InputError, MissingFileError, OmicsError
from prognoscope.core.genes import gene_of, kind_of
from prognoscope.omics.columns import is_metadata
from prognoscope.omics.group_files import read_groups
from prognoscope.omics.groups import assign_columns, covered_groups, groups_without_genes

GENES = st.sampled_from(["TP53", "MYC", "HLA-A", "C10orf105", "AC002472.1", "NKX2_1"])
GROUPS = {"Suppressors": ("TP53", "RB1"), "Oncogenes": ("MYC", "TP53"), "Empty": ("ABSENT",)}


def written(path, content):
    path.write_text(content, encoding="utf-8")
    return path


@given(GENES, st.sampled_from(["rnaseq", "cnv", "mut"]))
def test_the_ending_of_a_kind_is_taken_off_and_nothing_else(gene, kind):
    assert (gene_of(f"{gene}_{kind}"), kind_of(f"{gene}_{kind}")) == (gene, kind)
    assert (gene_of(gene), kind_of(gene)) == (gene, "")


@pytest.mark.parametrize(
    "column",
    [
        *("Unnamed: 0", "Unnamed: 0.1", "", "case_id", "slide_id", "site", "is_female", "oncotree_code", "age"),
        *("survival_months", "censorship", "train", "Patient ID", "Age", "SEX", "OS", "OS.time", "OS_MONTHS"),
        *("dss_survival_days", "censorship_pfi", "survival_months_dss", "days_to_death", "vital_status", "os_event"),
        *("survived_5y", "cls_label", "Subtype", "FOLD", "follow-up", "last_follow_up_months"),
    ],
)
def test_columns_about_patients_are_no_genes(column):
    assert is_metadata(column)


@pytest.mark.parametrize("column", ["TP53", "OS9", "REST", "MET", "AGER", "SITE1", "CASP8", "TIMELESS", "MDS2", "T"])
def test_genes_whose_names_look_like_metadata_are_genes(column):
    assert not is_metadata(column)


def test_a_csv_of_signatures_and_a_gmt_file_say_the_same(tmp_path):
    csv = written(tmp_path / "a.csv", "Suppressors,Oncogenes\nTP53,MYC\nRB1,TP53\nTP53,\n")
    gmt = written(tmp_path / "a.gmt", "Suppressors\tna\tTP53\tRB1\tTP53\n\nOncogenes\thttp://x\tMYC\tTP53\t\n")
    assert read_groups(csv).groups == {"Suppressors": ("TP53", "RB1"), "Oncogenes": ("MYC", "TP53")}
    assert read_groups(gmt).groups == read_groups(csv).groups
    assert list(read_groups(gmt).groups) == ["Suppressors", "Oncogenes"]


def test_genes_written_as_numbers_stay_whole(tmp_path):
    assert read_groups(written(tmp_path / "a.csv", "entrez,other\n7157,1\n4609,\n")).groups["entrez"] == (
        "7157",
        "4609",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "A,B\n,\n", r"a\.csv holds no gene group"),
        ("a.gmt", "#\n", r"a\.gmt holds no gene group"),
        ("a.gmt", "A\tna\tX\nB\tna\n", r"a\.gmt has groups without genes: B\. GMT is: name"),
        ("a.gmt", "A\tna\tX\nA\tna\tY\n", r"a\.gmt has groups of one name, or without: 'A'"),
    ],
)
def test_a_file_without_groups_is_refused(tmp_path, name, content, message):
    with pytest.raises(OmicsError, match=message):
        read_groups(written(tmp_path / name, content))


def test_files_that_are_absent_or_not_text_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"The file of gene groups .*a\.gmt does not exist"):
        read_groups(tmp_path / "a.gmt")
    (tmp_path / "b.gmt").write_bytes(b"A\tna\t\xff\n")
    with pytest.raises(InputError, match=r"b\.gmt is not UTF-8 text, see line 1"):
        read_groups(tmp_path / "b.gmt")


def test_a_gene_brings_all_its_kinds_into_all_its_groups():
    columns = ["MYC_rnaseq", "TP53_mut", "X_cnv", "TP53_rnaseq"]
    assert assign_columns(columns, GROUPS) == {
        "Suppressors": ("TP53_mut", "TP53_rnaseq"),
        "Oncogenes": ("MYC_rnaseq", "TP53_mut", "TP53_rnaseq"),
    }
    assert assign_columns(columns, None) == {"all": tuple(columns)}
    told = groups_without_genes(columns, GROUPS)
    assert told == ["1 of 3 gene groups have no gene in the table and are left out: Empty."]
    (all_of_them,) = groups_without_genes(columns, {"A": ("MYC",), **{f"P{i}": ("ABSENT",) for i in range(9)}})
    assert all_of_them.endswith("left out: P0, P1, P2, P3, P4, P5, P6, P7, P8.")
    assert groups_without_genes(["TP53", "MYC"], {"A": ("TP53", "MYC")}) == groups_without_genes(columns, None) == []


@given(st.lists(GENES, max_size=12), st.permutations(["TP53_rnaseq", "TP53_cnv", "MYC", "HLA-A_mut"]))
def test_repeated_genes_and_the_order_of_genes_change_nothing(genes, columns):
    groups = {"A": tuple(genes), "B": ("MYC",)}
    once = {"A": tuple(sorted(set(genes))), "B": ("MYC",)}
    assert assign_columns(columns, groups) == assign_columns(columns, once)
    expected = {column for column in columns if gene_of(column) in genes}
    assert set(assign_columns(columns, groups).get("A", ())) == expected


@given(st.permutations(["TP53_rnaseq", "TP53_cnv", "MYC", "HLA-A_mut"]))
def test_the_order_of_a_table_does_not_decide_the_order_in_a_group(columns):
    assert assign_columns(columns, {"B": ("TP53", "HLA-A"), "A": ("MYC",)}) == {
        "B": ("HLA-A_mut", "TP53_cnv", "TP53_rnaseq"),
        "A": ("MYC",),
    }


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 100))
def test_groups_are_kept_from_exactly_the_share_of_their_genes_on(n, measured, percent):
    genes = tuple(f"G{i}" for i in range(n))
    columns = [f"G{i}_{kind}" for i in range(min(measured, n)) for kind in ("rnaseq", "cnv")]
    kept, notes = covered_groups([*columns, "X"], {"REST [a/b], c": ("X",), "A": genes}, percent / 100)
    assert ("A" in kept) == (100 * min(measured, n) >= percent * n) == (not notes)
    assert next(iter(kept)) == "REST [a/b], c"


def test_every_group_that_lacks_genes_is_named():
    groups = {**{f"P{i}": ("TP53", f"ABSENT{i}") for i in range(7)}, "Whole": ("TP53",)}
    kept, (note,) = covered_groups(["TP53_rnaseq", "MYC"], groups, 0.9, source="blca.csv")
    assert list(kept) == ["Whole"]
    assert note.startswith("7 of 8 gene groups have less than 90 % of their genes in blca.csv and are left out: P0 (1 ")
    assert all(f"P{i} (1 of 2)" in note for i in range(7))
    with pytest.raises(OmicsError, match=r"1 of 1 .* than 90 %.*A \(1 of 2\). Lower cohort.omics.min_coverage"):
        covered_groups(["TP53"], {"A": ("TP53", "X")}, 0.9)


def test_a_table_without_any_gene_of_the_groups_is_refused_by_name():
    with pytest.raises(OmicsError, match=r"of blca\.csv \(A1, B1, C1 and 1 more\) .*\(TP53, RB1, MYC and 2 more\)"):
        assign_columns(["A1", "B1", "C1", "D1"], GROUPS, source="blca.csv")
    with pytest.raises(OmicsError, match="None of the 0 gene columns"):
        assign_columns([], None)
