"""Files of portals -> the tables of a cohort, with an account of how they came about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from prognoscope.core.errors import OmicsError, nearest, some
from prognoscope.core.files import need_file
from prognoscope.core.words import count
from prognoscope.importers.account import account_text, steps_table
from prognoscope.importers.barcodes import PRIMARY, Sample, UnfitError, choose, need_chosen, need_tissues
from prognoscope.importers.clinical import read_sources
from prognoscope.importers.combining import combine
from prognoscope.importers.matrices import kinds_told, read_matrix
from prognoscope.importers.measured import (
    Measured,
    by_patient,
    of_wanted_types,
    scaled,
    single_genes,
    with_symbols,
)
from prognoscope.importers.mutations import read_mutations
from prognoscope.importers.per_sample import OF_COPIES, UNITS, of_unit, read_samples, symbols_in
from prognoscope.importers.recognise import PortalFile, need_portal, recognise
from prognoscope.importers.sheets import Sheets, diagnostic_slides, read_sheets
from prognoscope.omics.group_files import read_groups
from prognoscope.omics.groups import coverage, coverage_notes
from prognoscope.omics.joining import OmicsTable, join_tables
from prognoscope.omics.suspicion import suspicions

SAMPLES = [
    "kind",
    "patient_id",
    "sample_name",
    "tissue",
    "source_file",
    "taken",
    "why",
]  # a column file would be of slides


@dataclass(frozen=True, slots=True)
class ImportSpec:
    """What is taken from the files, and by which rules."""

    portal: str  # of PORTALS; whose word counts where sources differ
    cancers: tuple[str, ...] = ()  # types to keep; empty where there is one, `all` for every one
    tissues: tuple[str, ...] = PRIMARY  # codes of sample types, the preferred one first
    unit: str = "tpm"  # of UNITS, in STAR files
    logarithm: bool = True  # expression becomes log2(1 + value) where it is none
    all_genes: bool = False  # also those that code for no protein
    silent: bool = False  # also mutations that change no protein
    kinds: tuple[str, ...] = ()  # FILE=kind, of tables that do not tell
    groups: tuple[Path, ...] = ()  # files of gene groups


@dataclass(frozen=True, slots=True)
class Imported:
    """The tables of a cohort."""

    clinical: pd.DataFrame  # patient_id, <endpoint>_months, <endpoint>_event, covariates
    genes: pd.DataFrame | None  # patient_id, <gene>_<kind>
    groups: Mapping[str, tuple[str, ...]]  # gene group -> genes
    slides: pd.DataFrame  # patient_id, slide_id, file_id
    conflicts: pd.DataFrame  # what sources disagree on
    samples: pd.DataFrame  # columns of SAMPLES
    coverage: pd.DataFrame  # group, genes, measured
    account: str  # Markdown
    steps: pd.DataFrame  # step, patients, left_out
    notes: tuple[str, ...]


def read_portal_files(
    paths: Sequence[Path], spec: ImportSpec, progress: Callable[[int, int], None] | None = None
) -> Imported:
    """The cohort of which the files tell; nothing is written.

    Args:
        progress: Is told how many files of one sample each are read, and of how many.

    Raises:
        MissingFileError: A file is not there.
        CohortError: A file is of no known form, nobody's follow-up is told, or the cohort is not one.
        OmicsError: Genes cannot be used.
    """
    need_tissues(spec.tissues)
    if spec.unit not in UNITS:
        raise OmicsError(f"There is no expression in {spec.unit!r}; {nearest(spec.unit, UNITS)}")
    for path in spec.groups:
        need_file(path, "The file of gene groups", "Correct the path.")
    files, notes = recognise(paths)
    need_portal(spec.portal, files)
    sources = read_sources(files, spec.portal)
    patients = combine(sources, spec.cancers)
    sheets = read_sheets(files)
    who = list(patients.table["patient_id"])
    measured, omics = [], []
    found, passed = _measured(files, sheets, sources.samples, spec, progress)
    for each in found:
        table, told = by_patient(each, who, spec.tissues)
        omics.append(table)
        measured.append(told)
    _refuse_twice(omics)
    joined = join_tables(omics) if omics else None
    slides, of_slides = diagnostic_slides(sheets, who, spec.tissues)
    genes = None if joined is None else joined.values.rename_axis("patient_id").reset_index()
    groups, covered, of_groups = _groups(spec.groups, joined)
    files = [each for each in files if each.path not in passed]
    notes = [*notes, *passed.values(), *sources.notes, *sheets.notes]
    if joined is not None:
        notes += [*joined.notes, *suspicions(joined.values, "The genes")]
    notes += [*of_slides, *of_groups]
    account = account_text(files, spec.portal, spec.tissues, patients, measured, genes, slides, covered, notes)
    return Imported(
        patients.table,
        genes,
        groups,
        slides,
        patients.conflicts,
        _samples(measured),
        covered,
        account,
        steps_table(patients, genes),
        tuple(notes),
    )


def _measured(
    files: Sequence[PortalFile],
    sheets: Sheets,
    known: Mapping[str, Sample],
    spec: ImportSpec,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Measured], dict[Path, str]]:
    """All genes that were measured, of each file or of files of one sample each; and what was passed over."""
    of_kind = {kind: [each.path for each in files if each.kind == kind] for kind in {each.kind for each in files}}
    symbols = symbols_in(of_kind.get("symbols", []))
    told = kinds_told(spec.kinds, {path.name for path in of_kind.get("matrix", [])})
    known = {sample.name: sample for each in sheets.samples.values() for sample in each} | dict(known)
    found = []
    for kind, wanted in (("star", of_unit(spec.unit)), ("copy", OF_COPIES)):
        if kind in of_kind:
            found.append(read_samples(of_kind[kind], sheets, wanted, progress))
    passed: dict[Path, str] = {}
    for file in (each for each in files if each.kind == "matrix"):
        try:
            matrix = read_matrix(file.path, known, told.get(file.path.name))
            need_chosen(choose(matrix.samples, spec.tissues), matrix.source)
            found.append(matrix)
        except UnfitError as cause:  # of a whole study's folder: z-scores, methylation, normal tissue
            if file.is_named or file.path.name in told:
                raise
            passed[file.path] = f"Not used: {cause}"
    if "maf" in of_kind:
        lists = of_kind.get("sequenced", [])
        found.append(read_mutations(of_kind["maf"], lists, sheets, known, silent=spec.silent))
    named = (of_wanted_types(with_symbols(each, symbols), all_genes=spec.all_genes) for each in found)
    return [scaled(single_genes(each), logarithm=spec.logarithm) for each in named], passed


def _refuse_twice(tables: Sequence[OmicsTable]) -> None:
    """Two measurements of one kind of the same patients are two cohorts, or one too many."""
    for i, one in enumerate(tables):
        kind = one.values.columns[0].rpartition("_")[2]
        for other in tables[i + 1 :]:
            is_alike = other.values.columns[0].rpartition("_")[2] == kind
            if is_alike and len(both := one.values.index.intersection(other.values.index)):
                raise OmicsError(
                    f"{one.source} and {other.source} both hold {kind} of {count(len(both), 'patient')}: {some(both)}. "
                    "Give one of them."
                )


def _groups(
    paths: Sequence[Path], joined: OmicsTable | None
) -> tuple[dict[str, tuple[str, ...]], pd.DataFrame, list[str]]:
    """Gene groups of the user's files, how many genes of each are measured, and remarks.

    Raises:
        OmicsError: Two files have a group of one name; or none of their genes is measured.
    """
    columns = [] if joined is None else list(joined.values.columns)
    groups: dict[str, tuple[str, ...]] = {}
    notes = []
    for path in paths:
        read = read_groups(path, columns)
        if twice := sorted(set(groups) & set(read.groups)):
            raise OmicsError(f"{path} has gene groups that another file has too: {some(twice)}. Leave each in one.")
        groups |= read.groups
        notes += read.notes
    found = coverage(columns, groups)
    rows = [{"group": name, "genes": total, "measured": n} for name, (n, total) in found.items()]
    table = pd.DataFrame(rows, columns=["group", "genes", "measured"])
    if len(table) and columns and not table["measured"].any():
        first = next(iter(groups.values()))
        raise OmicsError(
            f"None of the genes of the groups ({some(first, 3)}) is measured ({some(columns, 3)}). Give groups with "
            "the names that the genes have here, or symbols for Ensembl ids."
        )
    if columns and groups:
        told, warnings = coverage_notes(columns, groups, "the gene table")
        notes += [*told, *warnings]
    return groups, table, notes


def _samples(measured: Sequence[Measured]) -> pd.DataFrame:
    """Every sample, and why it was not taken."""
    rows = []
    for each in measured:
        files = each.files or ("",) * len(each.samples)
        first: dict[Sample, str] = {}  # of several files of one sample
        chosen, why = set(each.chosen.sample_of.values()), dict(each.chosen.left)
        for sample, file in zip(each.samples, files, strict=True):
            is_taken = sample in chosen and sample not in first
            if is_taken:
                first[sample], reason = file, ""
            elif sample in first:
                reason = f"another {f'file of this sample, {first[sample]},' if file else 'column of it'} comes first"
            else:
                reason = why.get(sample, "of nobody in the cohort")
            row = (each.kind, sample.patient, sample.name, sample.tissue, file, int(is_taken), reason)
            rows.append(dict(zip(SAMPLES, row, strict=True)))
    return pd.DataFrame(rows, columns=SAMPLES)
