"""Groups of genes, and the table columns that belong to them."""

from collections.abc import Mapping, Sequence

from prognoscope.core.errors import OmicsError, some
from prognoscope.core.genes import dates_of_excel, gene_of

Groups = Mapping[str, tuple[str, ...]]


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


def grouped_columns(columns: Sequence[str], groups: Groups | None) -> list[str]:
    """The columns that any group has, by name."""
    return sorted(columns if groups is None else {c for each in _members(columns, groups).values() for c in each})


def groups_without_genes(columns: Sequence[str], groups: Groups | None) -> list[str]:
    """A sentence on the groups that `assign_columns` leaves out; none without such groups."""
    if groups is None:
        return []
    empty = [name for name, members in _members(columns, groups).items() if not members]
    if not empty:
        return []
    rule = f"{len(empty)} of {len(groups)} gene groups have no gene in the table and are left out"
    return [f"{rule}: {', '.join(empty)}."]


def coverage(columns: Sequence[str], groups: Groups) -> dict[str, tuple[int, int]]:
    """Gene group -> how many of its genes the table has, and of how many."""
    measured = {gene_of(column) for column in columns}
    return {name: (len(measured.intersection(genes)), len(set(genes))) for name, genes in groups.items()}


def coverage_notes(columns: Sequence[str], groups: Groups, source: str) -> tuple[list[str], list[str]]:
    """Sentences on how much of the groups the table has, and sentences on what looks wrong in the groups."""
    measured = {gene_of(column) for column in columns}
    notes, warnings = [], []
    lacking = {name: found for name, found in coverage(columns, groups).items() if found[0] < found[1]}
    if lacking:
        worst = sorted(lacking, key=lambda name: lacking[name][0] / lacking[name][1])
        named = some(
            f"{name} ({lacking[name][0]} of {lacking[name][1]} genes found, not "
            f"{some((gene for gene in groups[name] if gene not in measured), 2)})"
            for name in worst
        )
        notes.append(f"{len(lacking)} of {len(groups)} gene groups lack genes in {source}: {named}.")
        lower = {gene.lower(): gene for gene in measured}
        absent = {gene for name in lacking for gene in groups[name] if gene not in measured}
        if alike := sorted(gene for gene in absent if gene.lower() in lower):
            named = some(f"{gene} for {lower[gene.lower()]}" for gene in alike)
            warnings.append(
                f"{len(alike)} genes of the groups are in {source} in other letters only, and were not found: {named}. "
                "Write them alike."
            )
    if genes := [name for name in groups if name in measured]:
        warnings.append(
            f"{len(genes)} gene groups are named like genes of {source}: {some(genes)}. If they are genes, the file of "
            "gene groups has no names of groups, and these genes are lost: name the groups."
        )
    if dates := dates_of_excel(gene for each in groups.values() for gene in each):
        named = some(f"{name} was {' or '.join(meant)}" for name, meant in dates.items())
        warnings.append(f"{len(dates)} genes of the groups are dates that Excel made of names: {named}. Correct them.")
    return notes, warnings


def covered_groups(
    columns: Sequence[str], groups: Groups, min_coverage: float, *, source: str = "the gene table"
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The groups with at least this share of their genes in the table, and a sentence that names all the others.

    Raises:
        OmicsError: No group is left.

    Source: 0.9 is the rule of Jaume et al. (SurvPath, CVPR 2024).
    """
    found = {name: n for name, (n, _) in coverage(columns, groups).items()}
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
