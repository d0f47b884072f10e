"""Which file of which portal lies here: known by what is in it, never by its name."""

import gzip
import json
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prognoscope.core.column_names import plain_name
from prognoscope.core.delimited import as_utf8, delimited
from prognoscope.core.errors import CohortError, InputError, nearest, some
from prognoscope.core.files import need_file
from prognoscope.core.tables import read_table
from prognoscope.core.unpacking import GZIP, ZIP, read_content, unpacked
from prognoscope.core.walk import files_below
from prognoscope.core.words import count
from prognoscope.core.workbook import is_workbook
from prognoscope.importers.barcodes import FULL, as_barcode
from prognoscope.importers.names import ENDPOINTS, bare
from prognoscope.omics.orientation import ABOUT_GENES

PORTALS = {  # as they are asked for -> as they are called in sentences
    "gdc": "the GDC",
    "xena": "UCSC Xena",
    "cbioportal": "cBioPortal",
    "tcga-cdr": "the TCGA-CDR",
}
CDR_SHEET = "TCGA-CDR"  # of the workbook of Liu et al., Cell 2018, table S1
HEAD = 2**18  # bytes of a file by which it is known
WORDS = {  # what a kind is called in the account
    "clinical": "clinical table",
    "star": "gene counts of one sample",
    "copy": "gene level copy number of one sample",
    "maf": "mutations",
    "matrix": "genes x samples",
    "sheet": "sample sheet",
    "metadata": "metadata of files",
    "manifest": "manifest",
    "sequenced": "list of sequenced samples",
    "symbols": "symbols of Ensembl ids",
    "slide": "slide",
}
OF_SURVIVAL = frozenset({"vital_status", "days_to_death", "days_to_last_follow_up", "days_to_follow_up"})
SYMBOLS = ({"id", "gene"}, {"ensembl_gene_id", "hgnc_symbol"}, {"gene_id", "gene_name"}, {"ensembl_id", "symbol"})
SLIDES = (".svs",)


@dataclass(frozen=True, slots=True)
class PortalFile:
    """A file and what it is."""

    path: Path
    kind: str  # of WORDS
    portal: str = ""  # of PORTALS; "" where several ship such
    columns: tuple[str, ...] = ()  # as they are written
    is_named: bool = True  # itself, and not its folder


def recognise(paths: Sequence[Path]) -> tuple[list[PortalFile], list[str]]:
    """The files that tell something, those in folders too, and sentences on what was passed over.

    Raises:
        MissingFileError: One is not there.
        CohortError: One that is named itself is of no known form.
    """
    found, passed = [], []
    for path in paths:
        if not path.is_dir():
            kind = _kind_of(need_file(path, "The file", "Correct the path."))
            if isinstance(kind, PortalFile):
                found.append(kind)
            elif kind:
                passed.append(f"Not used: {path.name}: {kind}.")
            continue
        kinds = {place / name: _quietly(place / name) for place, names in files_below(path) for name in names}
        found += [replace(kind, is_named=False) for kind in kinds.values() if isinstance(kind, PortalFile)]
        if others := [each.name for each, kind in kinds.items() if not isinstance(kind, PortalFile)]:
            passed.append(f"Not used: {count(len(others), 'file')} in {path}: {some(others)}.")
    named = {each.path.resolve() for each in found if each.is_named}
    once = {each.path.resolve(): each for each in found}
    return [replace(each, is_named=path in named) for path, each in once.items()], passed


def _quietly(path: Path) -> PortalFile | str:
    try:
        return _kind_of(path)
    except InputError as cause:
        return str(cause)


def _kind_of(path: Path) -> PortalFile | str:
    """The file, or why it is of no use.

    Raises:
        InputError: It is of no known form.
    """
    if path.suffix.lower() in SLIDES:
        return PortalFile(path, "slide", "gdc")
    if path.is_dir():
        return "a folder of Zarr"
    head = _head(path)
    if head[257:262] == b"ustar":
        raise CohortError(f"{path} is a tar archive. Unpack it, and name the folder.")
    if is_workbook(head) or head.startswith(ZIP):
        return _of_columns(path, tuple(map(str, read_table(path, "The file", sheet=CDR_SHEET).columns)))
    text = as_utf8(head, path, "The file")
    if text.lstrip().startswith(b"["):
        return _of_json(path)
    if b"cancer_study_identifier:" in text[:2000]:
        if b"case_list_ids:" not in text:
            return "it describes another file"
        is_sequenced = b"_sequenced" in text.partition(b"case_list_ids:")[0]
        return PortalFile(path, "sequenced", "cbioportal") if is_sequenced else "it lists samples of something else"
    return _of_columns(path, delimited(text, path, "The file").header)


def _of_columns(path: Path, columns: tuple[str, ...]) -> PortalFile | str:
    names = {bare(column) for column in columns}
    for kind, portal, wanted in (
        ("star", "gdc", {"gene_id", "gene_name", "unstranded", "tpm_unstranded"}),
        ("copy", "gdc", {"gene_id", "gene_name", "copy_number"}),
        ("maf", "", {"hugo_symbol", "variant_classification", "tumor_sample_barcode"}),
        ("sheet", "gdc", {"file_id", "file_name", "case_id", "sample_id"}),
        ("manifest", "gdc", {"id", "filename", "md5"}),
        ("clinical", "tcga-cdr", {"bcr_patient_barcode", "os", "os_time", "pfi_time"}),
    ):
        if wanted <= names:
            return PortalFile(path, kind, portal, columns)
    if "case_submitter_id" in names and not any(column.endswith(".demographic") for column in columns):
        if names & OF_SURVIVAL:
            return PortalFile(path, "clinical", "gdc", columns)
        return "it has no follow-up"
    if _is_matrix(columns):
        portal = "cbioportal" if plain_name(columns[0]) in ("hugo_symbol", "entrez_gene_id") else "xena"
        return PortalFile(path, "matrix", portal, columns)
    if {"patient_id", "start_date", "event_type"} <= names:
        return "it is a timeline"
    if "patient_id" in names and ("sample_id" in names or any(f"{end}_status".lower() in names for end in ENDPOINTS)):
        return PortalFile(path, "clinical", "cbioportal", columns)
    of_xena = {"_patient", "sampleid"} & names or any(".demographic" in column for column in columns)
    if of_xena or ("sample" in names and any(f"{end}_time".lower() in names for end in ENDPOINTS)):
        return PortalFile(path, "clinical", "xena", columns)
    if any(wanted <= names for wanted in SYMBOLS):
        return PortalFile(path, "symbols", "", columns)
    raise CohortError(
        f"{path} is no file as the GDC, UCSC Xena, cBioPortal or the TCGA-CDR have them: its columns are "
        f"{some(columns)}. Leave it out; for tables of your own, `prognoscope init --from FOLDER` writes the study."
    )


def _is_matrix(columns: Sequence[str]) -> bool:
    """Whether the columns but for the first are samples."""
    others = [name for name in columns[1:] if plain_name(name) not in ABOUT_GENES]
    barcodes = sum(FULL.fullmatch(as_barcode(name)) is not None for name in others)
    if others and 2 * barcodes > len(others):
        return True
    return plain_name(columns[0]) in ("hugo_symbol", "entrez_gene_id") and len(others) > 1


def _of_json(path: Path) -> PortalFile | str:
    try:
        entries = json.loads(as_utf8(unpacked(read_content(path, "The file"), path, "The file"), path, "The file"))
    except (ValueError, RecursionError) as cause:
        raise CohortError(f"{path} is not JSON ({cause}). Download it again.") from cause
    if all(isinstance(each, dict) and "associated_entities" in each for each in entries):
        return PortalFile(path, "metadata", "gdc")
    raise CohortError(f"{path} is JSON, but not the metadata of files that the GDC's cart gives. Leave it out.")


def _head(path: Path) -> bytes:
    """The first lines of a file, unpacked; all of it where its first lines are long, or it is no text of bytes."""
    with path.open("rb") as file:
        start = file.read(HEAD)
    try:
        if start.startswith(GZIP):
            with gzip.open(path) as stream:
                start = stream.read(HEAD)
    except (OSError, EOFError, zlib.error) as cause:
        raise CohortError(f"{path} cannot be unpacked ({cause}). Download it again.") from cause
    is_cut = len(start) == HEAD and (start.count(b"\n") < 3 or start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)))
    if start.startswith(ZIP) or is_cut:  # two bytes make a line's end in UTF-16
        content = read_content(path, "The file")
        return content if start.startswith(ZIP) and is_workbook(content) else unpacked(content, path, "The file")
    return start if len(start) < HEAD else start[: start.rfind(b"\n") + 1]


def need_portal(portal: str, files: Sequence[PortalFile]) -> None:
    """Nothing, if the portal is known and has a file here.

    Raises:
        CohortError: It is not, or has none.
    """
    if portal not in PORTALS:
        raise CohortError(f"There is no portal {portal!r}; {nearest(portal, PORTALS)}")
    if not files:
        raise CohortError("There is no file to import. Name files of portals, or folders that hold some.")
    if not any(each.portal == portal for each in files):
        there = dict.fromkeys(each.portal for each in files if each.portal)
        raise CohortError(
            f"None of the files is of {PORTALS[portal]}. The portal that is named is the one whose word counts; there "
            f"are files of {' and '.join(there) or 'none'}: name that."
        )
