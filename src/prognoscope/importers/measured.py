"""Genes as portals measured them: a matrix of genes x samples, and how to make patients x genes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.core.errors import OmicsError, some
from prognoscope.core.genes import ENSEMBL_VERSION, without_version
from prognoscope.core.words import count
from prognoscope.importers.barcodes import Chosen, Sample, choose, need_chosen, sample_in
from prognoscope.omics.joining import OmicsTable

LARGEST_PERCENTILE = 100.0  # which Xena has too, and which need no logarithm; log2 of anything measured is below 64
FEW_BELOW = 0.05  # of the values: below zero by a correction of batches, not by standardising
CODING = "protein_coding"
PAR_Y = "_PAR_Y"  # the copy on Y of a gene that X has too; no read is counted there
COUNTS = "counts"  # of reads, which DESeq2 wants as they are
ABSENT = frozenset(  # in small letters; the last ones are of reads that HTSeq and STAR give to no gene
    {
        *("", "?", "nan", "unknown"),
        *("__no_feature", "__ambiguous", "__too_low_aqual", "__not_aligned", "__alignment_not_unique"),
        *("n_unmapped", "n_multimapping", "n_nofeature", "n_ambiguous"),
    }
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of genes in samples."""

    values: pd.DataFrame  # index gene, columns samples; float32
    kind: str  # of KINDS
    source: str  # the file, or files
    samples: tuple[Sample, ...]  # of the columns
    scale: str  # in words
    types: pd.Series | None = None  # of each row, such as protein_coding, where the file says it
    notes: tuple[str, ...] = ()
    chosen: Chosen = field(default_factory=Chosen)
    files: tuple[str, ...] = ()  # of the columns, where each is from a file of its own


def by_patient(measured: Measured, patients: Sequence[str], tissues: Sequence[str]) -> tuple[OmicsTable, Measured]:
    """A row a patient of the cohort, a column a gene with the ending of the kind; and which samples stand for whom.

    Raises:
        OmicsError: No sample is of a patient of the cohort.
        CohortError: All samples are of other tissues than the wanted.
    """
    chosen = choose(measured.samples, tissues)
    need_chosen(chosen, measured.source)
    wanted = set(patients)
    mine = {patient: sample for patient, sample in chosen.sample_of.items() if patient in wanted}
    if not mine:
        raise OmicsError(
            f"{measured.source}: none of its samples ({some((s.name for s in measured.samples), 3)}) is of a patient "
            f"in the clinical tables ({some(patients, 3)}). Add the table that says whose samples they are, such as "
            "data_clinical_sample.txt, or files of the same cohort."
        )
    notes = [*measured.notes]
    if others := [patient for patient in chosen.sample_of if patient not in mine]:
        told, are = count(len(others), "patient"), "is" if len(others) == 1 else "are"
        notes.append(f"{measured.source}: left out: {told} who {are} not in the cohort: {some(others)}.")
    order = [patient for patient in patients if patient in mine]
    place = {sample: i for i, sample in reversed(list(enumerate(measured.samples)))}  # the first of those of one name
    values = measured.values.iloc[:, [place[mine[patient]] for patient in order]].T
    values.index = pd.Index(order, name="patient")
    values.columns = [f"{gene}_{measured.kind}" for gene in values.columns]
    chosen = replace(chosen, sample_of=mine)
    return OmicsTable(values, tuple(notes), measured.source), replace(measured, notes=tuple(notes), chosen=chosen)


def with_symbols(measured: Measured, symbols: Mapping[str, str]) -> Measured:
    """Ensembl ids as the symbols that a file tells; without one, or without a symbol, as ids without versions."""
    ids = [without_version(str(gene)) for gene in measured.values.index]
    if not any(ENSEMBL_VERSION.match(f"{gene}.1") for gene in ids):
        return measured
    names = [symbols.get(gene, gene) for gene in ids]
    unnamed = sum(name == gene for name, gene in zip(names, ids, strict=True))
    if not symbols:
        told = (
            f"{measured.source}: its {len(ids)} genes are Ensembl ids, and stay so, without versions. For symbols, add "
            "a file that tells them, such as Xena's probe map of the same data set."
        )
    else:
        told = f"{measured.source}: {len(ids) - unnamed} Ensembl ids became symbols; {unnamed} have none and stay ids."
    return replace(measured, values=measured.values.set_axis(names), notes=(*measured.notes, told))


def of_wanted_types(measured: Measured, *, all_genes: bool) -> Measured:
    """Genes that code for proteins, where the file tells which do."""
    names = measured.values.index.astype(str)
    keep, notes = np.ones(len(names), dtype=bool), [*measured.notes]
    if measured.types is not None and not all_genes:
        is_coding = (measured.types == CODING).to_numpy()
        if is_coding.any():
            keep &= is_coding
            notes.append(
                f"{measured.source}: left out: {(~is_coding).sum()} of {len(names)} genes, which code for no protein; "
                "--all-genes keeps them."
            )
    types = None if measured.types is None else measured.types[keep]
    return replace(measured, values=measured.values[keep], types=types, notes=tuple(notes))


def single_genes(measured: Measured) -> Measured:
    """One row a gene: of several rows of one name the first that codes for a protein, else the first."""
    names = pd.Series([str(name).strip() for name in measured.values.index])
    absent = names.str.lower().isin(ABSENT).to_numpy()
    notes = [*measured.notes]
    if absent.any():
        notes.append(f"{measured.source}: left out: {count(int(absent.sum()), 'row')} without a gene's name.")
    places = np.flatnonzero(~absent)
    if measured.types is not None:  # stable, so that rows of one type stay in the order of the file
        places = places[np.argsort((measured.types.to_numpy()[places] != CODING), kind="stable")]
    is_again = names.iloc[places].duplicated().to_numpy()
    if is_again.any():
        twice = list(dict.fromkeys(names.iloc[places][is_again]))
        rule = "the first that codes for a protein, else the first" if measured.types is not None else "the first"
        notes.append(
            f"{measured.source}: of {count(len(twice), 'gene')} in several rows, {rule} was taken: {some(twice)}."
        )
    kept = np.sort(places[~is_again])
    values = measured.values.iloc[kept].set_axis(list(names.iloc[kept]))
    return replace(measured, values=values, types=None, notes=tuple(notes))


def scaled(measured: Measured, *, logarithm: bool) -> Measured:
    """Expression as log2(1 + value) where it is none yet and `logarithm` asks for it; what it is is told.

    Raises:
        OmicsError: A value is infinite, or too far below zero.
    """
    values = measured.values.to_numpy(dtype=np.float32)
    if np.isinf(values).any():
        gene = measured.values.index[np.flatnonzero(np.isinf(values).any(axis=1))[0]]
        raise OmicsError(
            f"{measured.source} has infinite values, as log2(0) gives, the first of {gene}. Take the table with log2(1 "
            "+ value), or values before the logarithm."
        )
    known = values[np.isfinite(values)]
    if measured.kind != "rnaseq" or not known.size:
        return measured
    low, high = float(known.min()), float(known.max())
    if not is_linear(known) and (low < 0 or "linear" not in measured.scale):
        words = measured.scale or "taken as a logarithm"
        if low < 0:
            words = "logarithms of values below 1, or " if high <= LARGEST_PERCENTILE else ""
            words = f"with negative values, so {words}standardised or centred"
        return replace(measured, scale=f"{words}, as it is (from {low:g} to {high:g})")
    if low < 0 and -low > (most := float(np.percentile(known, 99))):
        raise OmicsError(
            f"{measured.source} has values down to {low:g}, while the 99th percentile of its values is {most:g}: no "
            "correction of batches leaves such. Leave cells without a value empty."
        )
    was = measured.scale or "linear"
    if not logarithm or was == COUNTS:
        return replace(measured, scale=f"{was}, as it is (up to {high:,.0f})")
    notes = [*measured.notes]
    if low < 0:
        told = count(int((known < 0).sum()), "value")
        notes.append(f"{measured.source}: {told} below zero (down to {low:g}) became 0, before the logarithm.")
    changed = np.log2(1 + measured.values.clip(lower=0)).astype(np.float32)
    scale = f"log2(1 + value) of {was} (up to {high:,.0f})"
    return replace(measured, values=changed, scale=scale, notes=tuple(notes))


def is_linear(known: Float[np.ndarray, " N"]) -> bool:
    """Whether values are too large for logarithms, though a correction of batches may have left a few below zero."""
    return bool(known.max() > LARGEST_PERCENTILE and np.mean(known < 0) < FEW_BELOW)


def samples_of(names: Sequence[str], known: Mapping[str, Sample]) -> tuple[Sample, ...]:
    """The sample of each column."""
    return tuple(sample_in(name, known) for name in names)
