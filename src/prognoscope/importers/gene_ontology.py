"""The Gene Ontology's own files, annotations (GAF) and terms (OBO) -> a gene group a term."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prognoscope.core.errors import OmicsError, nearest, some
from prognoscope.core.words import count

ASPECTS = {"process": "P", "function": "F", "component": "C"}
NAMESPACES = {"process": "biological_process", "function": "molecular_function", "component": "cellular_component"}
FIELDS = 15  # of a line of annotations, at least: GAF 1.0 has so many, 2.2 has 17
NO_DATA = "ND"  # evidence of annotations that say that nothing is known


@dataclass(slots=True)
class _Term:
    name: str = ""
    parents: list[str] = field(default_factory=list)


def is_annotations(text: bytes) -> bool:
    """Whether a file is of the form GAF."""
    return text.startswith(b"!gaf-version:")


def is_ontology(text: bytes) -> bool:
    """Whether a file is of the form OBO."""
    return text.startswith(b"format-version:")


def version_of(text: bytes) -> str:
    """The release that a file of annotations or of terms tells in its head; "" if none."""
    head = text[:20_000].decode("utf-8", "replace").splitlines()
    lines = [line.lstrip("! ") for line in head]
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("data-version:", "date-generated:"))]
    return named[0] if named else ""


def read_go(annotations: bytes, ontology: bytes, aspect: str = "process") -> tuple[dict[str, tuple[str, ...]], str]:
    """Term -> symbols of genes, in the order of the ids; and a sentence on how they were made.

    A gene of a term is one of every term above it, by `is_a` and `part_of` within the aspect. Annotations by NOT or
    without data (ND) do not count, nor do obsolete terms.

    Args:
        aspect: "process", "function" or "component".

    Raises:
        OmicsError: There is no such aspect, or no annotation of it.
    """
    if aspect not in ASPECTS:
        raise OmicsError(f"The Gene Ontology has no aspect {aspect!r}; {nearest(aspect, ASPECTS)}")
    terms, other_ids = _terms(ontology.decode("utf-8"), NAMESPACES[aspect])
    direct: dict[str, dict[str, None]] = {}
    unknown: dict[str, None] = {}
    for term, gene in _annotations(annotations.decode("utf-8"), ASPECTS[aspect]):
        if (term := other_ids.get(term, term)) in terms:
            direct.setdefault(term, {})[gene] = None
        else:
            unknown[term] = None
    if not direct:
        raise OmicsError(
            f"None of the annotations is of a {NAMESPACES[aspect]} that the terms have. Give goa_human.gaf and "
            "go-basic.obo of one release, or another --aspect."
        )
    genes: dict[str, set[str]] = {}
    for term, own in direct.items():
        for above in _with_all_above(term, terms):
            genes.setdefault(above, set()).update(own)
    said = f"The Gene Ontology: each gene of a {NAMESPACES[aspect]} counts in all terms above it (is_a, part_of)."
    if unknown:
        said += f" Annotations of {count(len(unknown), 'term')} that the terms lack do not: {some(unknown)}."
    return {f"{term} {terms[term].name}": tuple(sorted(genes[term])) for term in sorted(genes)}, said


def _annotations(text: str, aspect: str) -> Iterator[tuple[str, str]]:
    """Term and symbol of each line that says that a gene belongs to a term."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("!"):
            continue
        cells = line.split("\t")
        if len(cells) < FIELDS:
            raise OmicsError(
                f"Line {number} of the annotations has {len(cells)} fields, and GAF has {FIELDS} or more. The file is "
                "cut off or was edited: get it again."
            )
        if cells[8] == aspect and cells[6] != NO_DATA and "NOT" not in cells[3].split("|"):
            yield cells[4], cells[2]


def _terms(text: str, namespace: str) -> tuple[dict[str, _Term], dict[str, str]]:
    """Id -> term of a namespace, and other ids -> the id by which a term is known now."""
    terms: dict[str, _Term] = {}
    other_ids: dict[str, str] = {}
    for stanza in text.split("\n[")[1:]:
        kind, *lines = stanza.splitlines()
        told: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition(": ")
            plain = re.split(r" ! | \{", value)[0]  # without the remark and the qualifiers that may follow
            told.setdefault(key, []).append(plain.strip())
        if kind != "Term]" or "true" in told.get("is_obsolete", ()) or namespace not in told.get("namespace", ()):
            continue
        name, part_of = told["id"][0], "part_of "
        parts = [each.removeprefix(part_of) for each in told.get("relationship", ()) if each.startswith(part_of)]
        terms[name] = _Term(told.get("name", [name])[0], [*told.get("is_a", ()), *parts])
        other_ids |= dict.fromkeys(told.get("alt_id", ()), name)
    return terms, other_ids


def _with_all_above(term: str, terms: Mapping[str, _Term]) -> Sequence[str]:
    found, todo = dict.fromkeys([term]), [term]
    while todo:
        for above in terms[todo.pop()].parents:
            if above in terms and above not in found:
                found[above] = None
                todo.append(above)
    return list(found)
