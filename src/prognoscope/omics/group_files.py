"""Files of gene groups, told apart by their content: GMT, a column a group, GMX, pairs of pathway and gene, JSON."""

import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prognoscope.core.column_names import is_unnamed, plain_name
from prognoscope.core.delimited import as_utf8, fields
from prognoscope.core.errors import OmicsError, some
from prognoscope.core.files import need_file
from prognoscope.core.genes import gene_of, without_version
from prognoscope.core.tables import MISSING_WORDS, as_text, notes_of, read_table
from prognoscope.core.unpacking import read_content, unpacked
from prognoscope.core.workbook import is_workbook

WHAT = "The file of gene groups"
OF_GROUPS = (  # columns of a table of pairs, as `plain_name` spells them
    *("gs_name", "pathway", "pathway_name", "term", "term_name", "gene_set", "geneset", "set", "gene_group", "group"),
    *("signature", "module", "source", "ont", "go_term", "collection"),
)
OF_GENES = ("gene_symbol", "gene", "genes", "symbol", "hugo_symbol", "gene_name", "target", "ensembl_gene", "gene_id")
WEIGHT = re.compile(r"(.+?),\s*[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
IS_TEXT = re.compile(r"\s|://|^(na|n/a|none|null|-|\.|>.*)?$", re.IGNORECASE)  # a description, never a gene
FORMS = "GMT is: name, description, gene, gene ..., separated by tabs; or give a CSV with a column a group."


@dataclass(frozen=True, slots=True)
class GroupFile:
    """Gene group -> genes, each once, in the order of the file."""

    groups: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()  # how the file was read, where that was not plain


def read_groups(path: Path | str, genes: Collection[str] = ()) -> GroupFile:
    """The gene groups of a file.

    Args:
        genes: Of the table that the groups are for: they tell names from genes where the form of the file does not.

    Raises:
        MissingFileError: There is no such file.
        OmicsError: It holds no group with a gene, one name twice, or cannot be understood for certain.
    """
    path = need_file(path, WHAT)
    content = read_content(path, WHAT)
    notes: list[str] = []
    known = {without_version(gene_of(gene)) for gene in genes}
    if content[:4] == b"PAR1" or is_workbook(content):
        groups = _of_cells(_cells_of_table(path, notes), path, known, notes)
    else:
        text = as_utf8(unpacked(content, path, WHAT), path, WHAT)
        is_json = text.lstrip()[:1] in (b"{", b"[")
        groups = _of_json(text, path) if is_json else _of_cells(_cells(text, path, notes), path, known, notes)
    plain = {name: tuple(dict.fromkeys(map(without_version, each))) for name, each in groups.items() if each}
    if not plain:
        raise OmicsError(f"{path} holds no gene group. {FORMS}")
    if any(without_version(gene) != gene for each in groups.values() for gene in each):
        notes.append(f"{path.name}: the versions of Ensembl ids were left out.")
    return GroupFile(plain, tuple(notes))


def gmt_text(groups: Mapping[str, Sequence[str]]) -> str:
    """Gene groups as a GMT file: a line a group, of its name, a description that says nothing, and its genes."""
    return "".join("\t".join((name, "na", *genes)) + "\n" for name, genes in groups.items())


def _cells_of_table(path: Path, notes: list[str]) -> list[list[str]]:
    table = read_table(path, WHAT)
    notes += notes_of(table)
    columns = [[value or "" for value in as_text(table[name])] for name in table]
    rows = [list(map(str, table.columns)), *map(list, zip(*columns, strict=True))]
    return [row for row in rows if any(row)]


def _cells(text: bytes, path: Path, notes: list[str]) -> list[list[str]]:
    """The fields of each line that has any; lines of comment are left out."""
    lines = [line for line in re.split(r"\r\n|\r|\n", text.decode("utf-8")) if line.strip()]
    kept = [line for line in lines if not line.startswith("#")]
    if len(kept) < len(lines):
        notes.append(f"{path.name}: {len(lines) - len(kept)} lines that begin with # were passed over.")
    if not kept:
        return []
    tabs = sum("\t" in line for line in kept)
    separator = "\t" if 2 * tabs > len(kept) else max(",;|", key=lambda mark: sum(line.count(mark) for line in kept))
    if separator not in "".join(kept) and any(len(line.split()) > 2 for line in kept):
        raise OmicsError(f"{path} separates its fields by blanks, which names may hold. {FORMS}")
    try:
        rows = list(fields("\n".join(kept).encode(), separator))
    except csv.Error as cause:
        raise OmicsError(f"{path} cannot be read as gene groups ({cause}). Close its quotes. {FORMS}") from cause
    rows = [[cell.strip() for cell in row] for row in rows]
    if separator == "\t" and all(len(row) > 3 and not any(row[1::2]) for row in rows):  # two tabs each time
        rows = [row[::2] for row in rows]
    return [row for row in rows if any(row)]


def _of_cells(
    rows: Sequence[Sequence[str]], path: Path, known: Collection[str], notes: list[str]
) -> dict[str, list[str]]:
    if not rows:
        return {}
    if is_unnamed(rows[0][0]) and all(row[0].isdigit() for row in rows[1:]):  # a row counter
        rows = [row[1:] for row in rows if any(row[1:])]
        if not rows:
            return {}
    if pairs := _pair_columns(rows, known):
        return _of_pairs(rows, *pairs, path, notes)
    if _is_gmt(rows, path, known):
        return _of_gmt(rows, path, known, notes)
    return _of_columns(rows, path, known, notes)


def _pair_columns(rows: Sequence[Sequence[str]], known: Collection[str]) -> tuple[int, int, bool] | None:
    """Of a table of pairs, the columns of groups and of genes, and whether its first row names them."""
    header = [plain_name(cell) for cell in rows[0]]
    width = len(header)
    if width < 2 or len(rows) < 2 or any(len(row) != width for row in rows):
        return None
    of_group = next((header.index(name) for name in OF_GROUPS if name in header), None)
    of_gene = next((header.index(name) for name in OF_GENES if name in header), None)
    if of_group is not None and of_gene is not None:
        return of_group, of_gene, True
    if width != 2 or any(not all(row) for row in rows):
        return None
    found = [sum(row[i] in known for row in rows[1:]) for i in range(2)]
    if (found[0] > 0) == (found[1] > 0):
        return None
    names, genes = (0, 1) if found[1] else (1, 0)
    repeats = len({row[names] for row in rows[1:]}) < len(rows) - 1
    is_header = rows[0][genes] not in known and rows[0][names] not in {row[names] for row in rows[1:]}
    return (names, genes, is_header) if repeats else None


def _of_pairs(
    rows: Sequence[Sequence[str]], names: int, genes: int, has_header: bool, path: Path, notes: list[str]
) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for row in rows[1:] if has_header else rows:
        if row[names] and _is_gene(row[genes]):
            groups.setdefault(row[names], []).append(row[genes])
    which = f" ({rows[0][names]}, {rows[0][genes]})" if has_header else ""
    notes.append(f"{path.name}: read as pairs of group and gene{which}.")
    return groups


def _is_gmt(rows: Sequence[Sequence[str]], path: Path, known: Collection[str]) -> bool:
    """Whether each row is a group, not each column: whose names are no genes, what looks like a description, shape."""
    across = _share(rows[0][2:], known)
    down = _share([row[0] for row in rows[1:]], known)
    if across != down:
        return across > down
    names = path.name.lower()
    if ".gmt" in names or ".gmx" in names:
        return ".gmt" in names
    second = [row[1] for row in rows if len(row) > 1]
    if len(rows) > 1 and len(second) == len(rows) and all(map(IS_TEXT.search, second)) and any(second):
        return True
    return len({len(row) for row in rows}) > 1 and all(len(row) > 2 for row in rows)


def _share(cells: Sequence[str], known: Collection[str]) -> float:
    cells = [cell for cell in cells if cell]
    return sum(without_version(cell) in known for cell in cells) / len(cells) if cells else 0.0


def _of_gmt(
    rows: Sequence[Sequence[str]], path: Path, known: Collection[str], notes: list[str]
) -> dict[str, list[str]]:
    names = [row[0] for row in rows]
    if twice := sorted(name for name, n in Counter(names).items() if n > 1 or not name):
        raise OmicsError(f"{path} has groups of one name, or without: {some(map(repr, twice))}. Name each once.")
    start = 1 if _lacks_descriptions(rows, known) else 2
    if start == 1:
        notes.append(f"{path.name}: its groups have no descriptions; genes begin in the second field.")
    elif genes := [f"{row[0]} ({row[1]})" for row in rows if len(row) > 1 and row[1] in known and row[1] != row[0]]:
        notes.append(
            f"{path.name}: the descriptions of {len(genes)} of {len(rows)} groups are names of genes, and were not "
            f"taken as such: {some(genes)}. If they are genes, put a description, such as na, before them."
        )
    groups = {row[0]: [_without_weight(cell) for cell in row[start:] if _is_gene(cell)] for row in rows}
    if weighted := sum(_without_weight(cell) != cell for row in rows for cell in row[start:]):
        notes.append(f"{path.name}: the weights of {weighted} genes were left out.")
    if short := [name for name, genes in groups.items() if not genes]:
        raise OmicsError(f"{path} has groups without genes: {some(short)}. {FORMS}")
    return groups


def _lacks_descriptions(rows: Sequence[Sequence[str]], known: Collection[str]) -> bool:
    """Whether the second field of each row is a gene already: genes of the table there, as often as further on."""
    second = [row[1] if len(row) > 1 else "" for row in rows]
    if any(IS_TEXT.search(cell) for cell in second):
        return False
    further = [_without_weight(cell) for row in rows for cell in row[2:]]
    there = _share([_without_weight(cell) for cell in second], known or set(further))
    return there > 0 and there >= _share(further, known or set(further)) / 3


def _of_columns(
    rows: Sequence[Sequence[str]], path: Path, known: Collection[str], notes: list[str]
) -> dict[str, list[str]]:
    header, body = rows[0], rows[1:]
    wanted = {i: name for i, name in enumerate(header) if not is_unnamed(name)}
    if twice := sorted(name for name, n in Counter(wanted.values()).items() if n > 1):
        raise OmicsError(f"{path} has groups of one name: {some(map(repr, twice))}. Name each once.")
    if wide := [i for i, row in enumerate(body) if any(row[len(header) :])]:
        raise OmicsError(f"{path} has more fields in row {wide[0] + 2} than groups in its header. {FORMS}")
    if body and len(body) > 1 and _is_descriptions([body[0][i] for i in wanted if i < len(body[0])], path, known):
        notes.append(f"{path.name}: the row below the names of the groups was taken as their descriptions.")
        body = body[1:]
    return {name: [row[i] for row in body if i < len(row) and _is_gene(row[i])] for i, name in wanted.items()}


def _is_descriptions(cells: Sequence[str], path: Path, known: Collection[str]) -> bool:
    """Whether the first row of a table with a column a group is GMX's: descriptions, and genes from the next on."""
    filled = [cell for cell in cells if cell]
    if not filled or any(cell in known for cell in filled):
        return False
    return path.name.lower().endswith(".gmx") or all(map(IS_TEXT.search, filled))


def _of_json(text: bytes, path: Path) -> dict[str, list[str]]:
    """`{"NAME": {"geneSymbols": [...]}}` as MSigDB has it, or `{"NAME": [...]}`."""
    try:
        stored = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as cause:
        raise OmicsError(f"{path} is not JSON of gene groups ({cause}). {FORMS}") from cause
    if not isinstance(stored, dict):
        raise OmicsError(f'{path} is JSON, but not of the form {{"NAME": {{"geneSymbols": [...]}}}}. {FORMS}')
    groups: dict[str, list[str]] = {}
    for name, each in stored.items():
        genes = each.get("geneSymbols", each.get("genes")) if isinstance(each, dict) else each
        if not isinstance(genes, list) or not all(isinstance(gene, str) for gene in genes):
            raise OmicsError(f"{path} has no list of genes for the group {name!r}, such as geneSymbols. {FORMS}")
        groups[name] = [gene.strip() for gene in genes if gene.strip()]
    return groups


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if twice := sorted(name for name, n in Counter(names).items() if n > 1):
        raise ValueError(f"{some(map(repr, twice))} is there twice")
    return dict(pairs)


def _is_gene(cell: str) -> bool:
    return cell.lower() not in MISSING_WORDS


def _without_weight(cell: str) -> str:
    found = WEIGHT.fullmatch(cell)
    return found[1].strip() if found else cell
