"""Groups of genes, and the table columns that belong to them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from prognoscope.core.errors import OmicsError, some
from prognoscope.core.files import need_file
from prognoscope.core.tables import read_table

KIND = re.compile(r"_(rnaseq|cnv|mut)$")
Groups = Mapping[str, tuple[str, ...]]


def gene_of(column: str) -> str:
    """The gene of a column: its name without the ending of a kind (`_rnaseq`, `_cnv`, `_mut`)."""
    return KIND.sub("", column)


def kind_of(column: str) -> str:
    """The kind that a column's ending says, "" where it has none."""
    found = KIND.search(column)
    return found.group(1) if found else ""


def read_groups(path: Path | str) -> dict[str, tuple[str, ...]]:
    """Gene group -> genes, each once, in the order of the file: a CSV with a column a group, or a GMT file.

    Raises:
        MissingFileError: There is no such file.
        OmicsError: It holds no group with a gene.
    """
    path = need_file(path, "The file of gene groups")
    if path.suffix.lower() == ".gmt":
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if short := [row[0] for row in rows if len(row) < 3]:
            raise OmicsError(
                f"{path} has groups without genes: {some(short)}. GMT is: name, description, gene, gene ..."
            )
        groups = {row[0]: row[2:] for row in rows}
    else:
        table = read_table(path, "The file of gene groups")
        groups = {column: table[column].dropna().astype(str).tolist() for column in table}
    groups = {name: tuple(dict.fromkeys(g.strip() for g in genes if g.strip())) for name, genes in groups.items()}
    groups = {name: genes for name, genes in groups.items() if genes}
    if not groups:
        raise OmicsError(f"{path} holds no gene group. Give a CSV with a column a group, or a GMT file.")
    return groups


def assign_columns(columns: Sequence[str], groups: Groups | None) -> dict[str, tuple[str, ...]]:
    """Gene group -> columns of its genes, of all kinds, in the order of the table; a column may be in several groups.

    Groups of which the table has no gene are left out. Without groups there is one, "all".

    Raises:
        OmicsError: The table has no gene of any group.
    """
    if groups is None:
        return {"all": tuple(columns)}
    of_gene: dict[str, list[str]] = {}
    for column in columns:
        of_gene.setdefault(gene_of(column), []).append(column)
    place = {column: i for i, column in enumerate(columns)}
    found = {
        name: tuple(sorted({c for gene in genes for c in of_gene.get(gene, ())}, key=place.__getitem__))
        for name, genes in groups.items()
    }
    if not any(found.values()):
        genes = [gene for group in groups.values() for gene in group[:2]]
        raise OmicsError(
            f"None of the {len(columns)} gene columns ({some(columns, 3)}) is in the gene groups ({some(genes, 3)}). "
            "Give groups with the table's gene names, or leave cohort.omics.groups out."
        )
    return {name: columns_of for name, columns_of in found.items() if columns_of}
