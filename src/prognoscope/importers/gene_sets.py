"""Downloaded gene sets -> one GMT of groups of a sensible size, how much of each is measured, and where all is from."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from prognoscope.core.delimited import as_utf8
from prognoscope.core.errors import InputError, OmicsError, some
from prognoscope.core.files import need_file, need_writable, sha256, write_table, write_text
from prognoscope.core.unpacking import read_content, unpacked
from prognoscope.core.words import count
from prognoscope.importers.gene_ontology import is_annotations, is_ontology, read_go, version_of
from prognoscope.omics.group_files import WHAT, gmt_text, read_groups
from prognoscope.omics.groups import coverage
from prognoscope.omics.tables import read_omics

LICENCES = {  # of the sets themselves, as their publishers state it
    "Reactome": ("CC0 1.0", "https://reactome.org/license"),
    "Gene Ontology": ("CC BY 4.0", "https://geneontology.org/docs/go-citation-policy"),
    "MSigDB Hallmark": ("CC BY 4.0", "https://www.gsea-msigdb.org/gsea/msigdb_license_terms.jsp"),
    "another": ("not known here; ask its publisher", ""),
}
VERSION_IN_NAME = re.compile(r"v\d+(\.\d+)*(\.(Hs|Mm))?", re.IGNORECASE)  # h.all.v2024.1.Hs.symbols.gmt
NOT_TOLD = "not told by the file"
SMALLEST, LARGEST = 10, 500  # genes of a group that is kept


@dataclass(frozen=True)
class GeneSets:
    """Gene groups that were kept, and where they are from."""

    groups: Mapping[str, tuple[str, ...]]
    sources: pd.DataFrame  # file, source, version, licence, groups, sha256
    coverage: pd.DataFrame  # group, genes, measured; without a gene table nothing is measured, and the column is absent
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    source: str
    version: str
    groups: Mapping[str, tuple[str, ...]]
    paths: tuple[Path, ...]


def read_gene_sets(
    paths: Sequence[Path],
    table: Path | None = None,
    *,
    smallest: int = SMALLEST,
    largest: int = LARGEST,
    aspect: str = "process",
) -> GeneSets:
    """The groups of all files that have from `smallest` to `largest` genes.

    Args:
        paths: ReactomePathways.gmt, goa_human.gaf with go-basic.obo, h.all.*.symbols.gmt, or any file of gene groups.
        table: The gene table that the groups are for; if given, a group's measured genes are counted.
        aspect: Of the Gene Ontology: "process", "function" or "component".

    Raises:
        MissingFileError: There is no such file.
        OmicsError: A file cannot be understood, two have a group of one name, or no group is left.
    """
    genes = [] if table is None else list(read_omics([table]).values.columns)
    read, notes = _read(paths, genes, aspect)
    groups: dict[str, tuple[str, ...]] = {}
    for each in read:
        if twice := sorted(set(groups) & set(each.groups)):
            raise OmicsError(
                f"{each.paths[0]} has gene groups that another file has too: {some(twice)}. Leave each in one."
            )
        groups |= each.groups
    found = coverage(genes, groups)
    sizes = {name: measured if genes else total for name, (measured, total) in found.items()}
    kept = {name: groups[name] for name, n in sizes.items() if smallest <= n <= largest}
    what = "measured genes" if genes else "genes"
    if not kept:
        raise OmicsError(
            f"None of {count(len(groups), 'gene group')} has {smallest} to {largest} {what}; they have "
            f"{min(sizes.values())} to {max(sizes.values())}. Change --smallest or --largest, or give symbols of genes "
            "as the gene table has them."
        )
    few, many = (sum(map(test, sizes.values())) for test in (lambda n: n < smallest, lambda n: n > largest))
    notes.append(
        f"Kept {len(kept):,} of {count(len(groups), 'gene group')}: {few:,} have fewer than {smallest} {what}, and "
        f"{many:,} more than {largest}."
    )
    told = [(name, total, measured) for name, (measured, total) in found.items() if name in kept]
    covered = pd.DataFrame(told, columns=["group", "genes", "measured"])
    sources = []
    for each in read:
        n, licence = len(kept.keys() & each.groups.keys()), LICENCES[each.source][0]
        sources += [(path.name, each.source, each.version, licence, n, sha256(path)) for path in each.paths]
    columns = ["file", "source", "version", "licence", "groups", "sha256"]
    covered = covered if genes else covered.drop(columns="measured")
    return GeneSets(kept, pd.DataFrame(sources, columns=columns), covered, tuple(notes))


def _read(paths: Sequence[Path], genes: Collection[str], aspect: str) -> tuple[list[_Read], list[str]]:
    """What each file holds, annotations and terms of the Gene Ontology together, and remarks."""
    read: list[_Read] = []
    notes: list[str] = []
    annotations, ontologies = list[tuple[Path, bytes]](), list[tuple[Path, bytes]]()
    for path in paths:
        content = read_content(need_file(path, WHAT), WHAT)
        text = unpacked(content, path, WHAT)
        if is_annotations(text) or is_ontology(text):
            of_go = annotations if is_annotations(text) else ontologies
            of_go.append((path, as_utf8(text, path, WHAT)))
            continue
        file = read_groups(path, genes)
        notes += file.notes
        read.append(_Read(_source(text, file.groups), _version_in(path), file.groups, (path,)))
    if annotations or ontologies:
        if len(annotations) != 1 or len(ontologies) != 1:
            raise OmicsError(
                f"The Gene Ontology's groups are made of one file of annotations, such as goa_human.gaf.gz, and one of "
                f"terms, such as go-basic.obo; there are {len(annotations)} and {len(ontologies)}. Give one of each."
            )
        (gaf, lines), (obo, terms) = annotations[0], ontologies[0]
        groups, said = read_go(lines, terms, aspect)
        version = f"annotations {version_of(lines) or NOT_TOLD}, terms {version_of(terms) or NOT_TOLD}"
        read.append(_Read("Gene Ontology", version, groups, (gaf, obo)))
        notes.append(said)
    return read, notes


def _source(text: bytes, groups: Mapping[str, object]) -> str:
    if b"\tR-HSA-" in text:
        return "Reactome"
    return "MSigDB Hallmark" if all(name.startswith("HALLMARK_") for name in groups) else "another"


def _version_in(path: Path) -> str:
    found = VERSION_IN_NAME.search(path.name)
    return found[0] if found else NOT_TOLD


def write_gene_sets(path: Path, sets: GeneSets) -> list[Path]:
    """Write the GMT, and beside it `<name>-sources.md` and `<name>-coverage.csv`; returns the paths.

    Raises:
        InputError: One of them is there already, or the name is of another form.
        UnwritableError: The folder cannot be written to.
    """
    if path.suffix.lower() != ".gmt":
        raise InputError(f"{path} would be a GMT file. Name it so with --out, for example {path.with_suffix('.gmt')}.")
    beside = [path.with_name(f"{path.stem}-sources.md"), path.with_name(f"{path.stem}-coverage.csv")]
    if there := [each for each in (path, *beside) if each.exists()]:
        raise InputError(f"{there[0]} is there already and is not written over. Name another --out, or move it away.")
    need_writable(path.parent, "The gene groups", "Name another place with --out.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, gmt_text(sets.groups))
    write_text(beside[0], _account(path, sets))
    write_table(beside[1], sets.coverage)
    return [path, *beside]


def _account(path: Path, sets: GeneSets) -> str:
    """Sources, versions and licences in Markdown, which goes where the GMT goes."""
    lines = [f"# Where {path.name} is from", "", "| file | source | version | licence | groups | SHA-256 |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in sets.sources.to_numpy().tolist()]
    lines += [""]
    for source in dict.fromkeys(sets.sources["source"]):
        licence, where = LICENCES[source]
        lines.append(f"* {source}: {licence}{f', {where}' if where else ''}.")
    lines += ["", *sets.notes]
    return "\n".join(lines) + "\n"
