"""Groups of genes, and the table columns that belong to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from prognoscope.core.errors import OmicsError, some
from prognoscope.core.files import need_file
from prognoscope.core.genes import gene_of
from prognoscope.core.tables import as_text, read_table

Groups = Mapping[str, tuple[str, ...]]


def read_groups(path: Path | str) -> dict[str, tuple[str, ...]]:
    """Gene group -> genes, each once, in the order of the file: a CSV with a column a group, or a GMT file.

    Raises:
        MissingFileError: There is no such file.
        OmicsError: It holds no group with a gene, or one name twice.
    """
    path = need_file(path, "The file of gene groups")
    if path.suffix.lower() == ".gmt":
        groups = _read_gmt(path)
    else:
        table = read_table(path, "The file of gene groups")
        groups = {column: as_text(table[column]).dropna().tolist() for column in table.columns}
    groups = {name: tuple(dict.fromkeys(genes)) for name, genes in groups.items() if genes}
    if not groups:
        raise OmicsError(f"{path} holds no gene group. Give a CSV with a column a group, or a GMT file.")
    return groups


def assign_columns(
    columns: Sequence[str], groups: Groups | None, *, source: str = "the gene table"
) -> dict[str, tuple[str, ...]]:
    """Gene group -> columns of its genes, of all kinds, in alphabetical order; a column may be in several groups.

    So the order of columns in a table decides nothing, and published weights find the genes where they were trained.

    Groups of which the table has no gene are left out; `groups_without_genes` names them. Without groups there is one,
    "all", in the order of the table.

    Args:
        source: What the error calls the table: its file.

    Raises:
        OmicsError: The table has no gene of any group, or no column.
    """
    found = {"all": tuple(columns)} if groups is None else _members(columns, groups)
    if not any(found.values()):
        genes = [gene for group in (groups or {}).values() for gene in group[:2]]
        raise OmicsError(
            f"None of the {len(columns)} gene columns of {source} ({some(columns, 3) or 'none'}) is in the gene groups "
            f"({some(genes, 3) or 'none'}). Give groups with the table's gene names, turn the table if its rows are "
            "genes, or leave cohort.omics.groups out."
        )
    return {name: columns_of for name, columns_of in found.items() if columns_of}


def groups_without_genes(columns: Sequence[str], groups: Groups | None) -> list[str]:
    """A sentence on the groups that `assign_columns` leaves out; none without such groups."""
    if groups is None:
        return []
    empty = [name for name, members in _members(columns, groups).items() if not members]
    if not empty:
        return []
    rule = f"{len(empty)} of {len(groups)} gene groups have no gene in the table and are left out"
    return [f"{rule}: {', '.join(empty)}."]


def covered_groups(
    columns: Sequence[str], groups: Groups, min_coverage: float, *, source: str = "the gene table"
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The groups with at least this share of their genes in the table, and a sentence that names all the others.

    Raises:
        OmicsError: No group is left.

    Source: 0.9 is the rule of Jaume et al. (SurvPath, CVPR 2024).
    """
    measured = {gene_of(column) for column in columns}
    found = {name: len(measured.intersection(genes)) for name, genes in groups.items()}
    kept = {name: genes for name, genes in groups.items() if found[name] + 1e-9 >= min_coverage * len(set(genes))}
    left_out = [f"{name} ({found[name]} of {len(set(groups[name]))})" for name in groups if name not in kept]
    if not left_out:
        return kept, ()
    share = f"{100 * min_coverage:g} %"
    rule = f"{len(left_out)} of {len(groups)} gene groups have less than {share} of their genes in {source}"
    if not kept:
        raise OmicsError(f"{rule}: {some(left_out)}. Lower cohort.omics.min_coverage, or give groups of its genes.")
    return kept, (f"{rule} and are left out: {', '.join(left_out)}.",)


def _members(columns: Sequence[str], groups: Groups) -> dict[str, tuple[str, ...]]:
    of_gene: dict[str, list[str]] = {}
    for column in columns:
        of_gene.setdefault(gene_of(column), []).append(column)
    return {name: tuple(sorted({c for g in genes for c in of_gene.get(g, ())})) for name, genes in groups.items()}


def _read_gmt(path: Path) -> dict[str, list[str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as cause:
        raise OmicsError(f"{path} is not UTF-8 text ({cause.reason}). Save it again as a GMT file.") from cause
    rows = [[cell.strip() for cell in line.split("\t")] for line in lines if line.strip()]
    if short := [row[0] for row in rows if not any(row[2:])]:
        raise OmicsError(f"{path} has groups without genes: {some(short)}. GMT is: name, description, gene, gene ...")
    names = [row[0] for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1 or not name}):
        raise OmicsError(f"{path} has groups of one name, or without: {some(map(repr, twice))}. Name each once.")
    return {row[0]: [gene for gene in row[2:] if gene] for row in rows}
