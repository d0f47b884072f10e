"""The real tables: columns of each kind and genes of each group as they have been counted elsewhere."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prognoscope.core.column_names import is_unnamed
from prognoscope.core.genes import KINDS, kind_of
from prognoscope.core.tables import read_table
from prognoscope.omics import tables
from prognoscope.omics.group_files import read_groups
from prognoscope.omics.groups import assign_columns, groups_without_genes
from prognoscope.omics.scaling import OmicsScaler
from prognoscope.omics.tables import OmicsTable, read_omics

COUNTED = [
    *("sig/blca", "sig/luad", "sig/ucec", "full/ucec"),
    *("mutsig/brca", "mutsig/gbmlgg", "mutsig/kirp", "mutsig/coadread"),
]
TRANSCRIPTION = {"sig/blca": 1496, "sig/luad": 1510, "sig/ucec": 65}  # published tables are one short
OUTLIERS = {
    "mutsig/brca": ("FGF4_rnaseq", 36893),
    "sig/blca": ("AMELX_rnaseq", 14071),
    "sig/luad": ("DEFA5_rnaseq", 7378),
    "mutsig/gbmlgg": ("CCL11_rnaseq", 3515),
}


def path_of(data_pack: Path, name: str) -> Path:
    folder, cancer = name.split("/")
    return data_pack / "tcga" / folder / f"tcga_{cancer}_all_clean.csv.zip"


@pytest.fixture(scope="module", autouse=True)
def parsed_once():
    """The text of each of these large tables is parsed once for all tests, and given to each in a copy."""
    known: dict[tuple, pd.DataFrame] = {}

    def read_once(path, what, *, text=(), **how):
        key = (path, tuple(text), *how.items())
        if key not in known:
            known[key] = read_table(path, what, text=text, **how)
        return known[key].copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "read_table", read_once)
        yield read_once


@cache
def omics_of(data_pack: Path, name: str) -> OmicsTable:
    return read_omics([path_of(data_pack, name)])


@pytest.fixture(scope="module")
def groups(data_pack) -> dict[str, tuple[str, ...]]:
    return read_groups(data_pack / "tcga" / "signatures.csv").groups


@pytest.fixture(scope="module")
def counts(data_pack) -> dict:
    return json.loads((data_pack / "tcga" / "expected_counts.json").read_text())


def kinds_in(columns) -> dict[str, int]:
    return {kind: sum(kind_of(column) == kind for column in columns) for kind in KINDS}


def test_signatures_have_their_genes_each_once(groups):
    assert [len(genes) for genes in groups.values()] == [82, 328, 513, 443, 1536, 452]
    assert len({gene for genes in groups.values() for gene in genes}) == 3047


@pytest.mark.parametrize("name", COUNTED)
def test_patients_kinds_and_groups_are_those_counted(data_pack, counts, groups, name):
    values, expected = omics_of(data_pack, name).values, counts[name]
    assert len(values) == expected["patients"]
    assert kinds_in(values.columns) == {kind: expected[f"n_{kind}"] for kind in KINDS}
    assert len(values.columns) == sum(expected[f"n_{kind}"] for kind in KINDS)
    assert values.isna().to_numpy().sum() == expected["missing_omics"] == 0
    assigned = assign_columns(list(values.columns), groups)
    for group, genes in expected["signature_groups"].items():
        assert {"total": len(assigned[group])} | kinds_in(assigned[group]) == genes
    if name in TRANSCRIPTION:
        assert len(assigned["Transcription Factors"]) == TRANSCRIPTION[name]
    grouped = {column for columns in assigned.values() for column in columns}
    assert len(set(values.columns) - grouped) == expected["omic_columns_in_no_group"]
    assert groups_without_genes(list(values.columns), groups) == []


@pytest.mark.parametrize("name", [*COUNTED, "mutsig/luad", "mutsig/lusc"])
def test_no_column_about_patients_is_a_gene_and_no_gene_is_lost(data_pack, counts, parsed_once, name):
    raw = parsed_once(path_of(data_pack, name), "The gene table", keep_unnamed=True)
    raw = raw[[column for column in raw if not is_unnamed(column)]]
    metadata = {column for column in counts.get(name, counts["sig/blca"])["metadata_columns"] if column in raw}
    values = omics_of(data_pack, name).values
    bare = [column for column in raw if not kind_of(column) and column not in metadata]
    assert (len(bare) > 0) == (name == "full/ucec")
    assert set(values.columns) == set(raw.columns) - metadata - set(bare)
    first = raw.drop_duplicates("case_id").set_index("case_id")
    np.testing.assert_array_equal(values, first.loc[values.index, values.columns].to_numpy(np.float32))


@pytest.mark.parametrize("name", ["sig/blca", "sig/luad", "sig/ucec", "mutsig/brca"])
def test_a_metadata_column_is_no_gene_in_the_wide_layout_either(data_pack, name):
    wide = read_omics([path_of(data_pack, name)], "wide", patient="case_id").values
    pd.testing.assert_frame_equal(wide, omics_of(data_pack, name).values)


def test_mutations_without_an_ending_are_counted_in_their_groups(data_pack, counts, groups):
    table = read_omics([path_of(data_pack, "full/ucec")], unsuffixed="mutation")
    assert kinds_in(table.values.columns) == {"rnaseq": 0, "cnv": 935, "mut": 8137}
    assert kinds_in(table.values.columns)["mut"] == counts["full/ucec"]["n_mut_without_suffix"]
    mutations = [column for column in table.values if kind_of(column) == "mut"]
    found = [len(columns) for columns in assign_columns(mutations, groups).values()]
    assert found == [55, 202, 340, 182, 788, 81]


def test_two_lung_cancers_are_one_cohort_of_their_common_columns(data_pack):
    joined = read_omics([path_of(data_pack, "mutsig/luad"), path_of(data_pack, "mutsig/lusc")])
    assert joined.values.shape == (903, 2137)
    assert kinds_in(joined.values.columns) == {"rnaseq": 1554, "cnv": 0, "mut": 583}
    assert not joined.values.isna().to_numpy().any()
    assert sum("columns that another table lacks were left out" in note for note in joined.notes) == 2


def test_three_tables_of_the_same_patients_are_put_side_by_side(data_pack):
    folder = data_pack / "gpdbn_brca"
    joined = read_omics([folder / f"{name}.csv" for name in ("pathology", "expression", "cna")])
    assert joined.values.shape == (1015, 96)
    assert not joined.values.isna().to_numpy().any()
    assert joined.values["cna_00"].dtype == np.float32


@pytest.mark.parametrize("name", OUTLIERS)
def test_outliers_arrive_whole_and_clipping_tames_them(data_pack, groups, name):
    values = omics_of(data_pack, name).values
    column, largest = OUTLIERS[name]
    assert values[column].max() == pytest.approx(largest, abs=1)
    assigned = assign_columns(list(values.columns), groups)
    clipped = OmicsScaler.fit(values, assigned, clip=5.0)
    assert clipped.clipped > 0
    assert len(clipped.constant) <= 2
    plain = max(np.abs(group).max() for group in OmicsScaler.fit(values, assigned).transform(values))
    tamed = max(np.abs(group).max() for group in clipped.transform(values))
    assert tamed <= plain


@pytest.mark.parametrize("name", ["blca", "brca", "kirp", "coadread"])
def test_scaling_of_every_published_fold_is_finite_and_drops_at_most_two_columns(data_pack, name):
    values = omics_of(data_pack, ("sig/" if name == "blca" else "mutsig/") + name).values
    for fold in range(5):
        split = read_table(data_pack / "tcga" / "splits" / f"tcga_{name}" / f"splits_{fold}.csv", "The split file")
        scaler = OmicsScaler.fit(values.loc[split["train"].dropna()], assign_columns(list(values.columns), None))
        assert len(scaler.constant) <= 2
        assert np.isfinite(scaler.transform(values.loc[split["val"].dropna()])[0]).all()
