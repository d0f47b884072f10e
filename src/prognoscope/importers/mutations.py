"""Mutation annotation files -> genes x samples: 1 where a gene of a sample is mutated, 0 where it is not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.core.errors import OmicsError, some
from prognoscope.core.tables import as_text, read_table
from prognoscope.core.words import count
from prognoscope.importers.barcodes import Sample, as_barcode, sample_in
from prognoscope.importers.measured import ABSENT, Measured
from prognoscope.importers.names import with_bare_names
from prognoscope.importers.sheets import Sheets

NON_SILENT = frozenset(  # of Variant_Classification, in small letters: what changes the protein
    {
        *("frame_shift_del", "frame_shift_ins", "in_frame_del", "in_frame_ins", "missense_mutation"),
        *("nonsense_mutation", "nonstop_mutation", "splice_site", "translation_start_site"),
    }
)
NOT_SOMATIC = frozenset({"germline", "wildtype", "loh"})  # of Mutation_Status
NOBODYS = (
    "and the sheet names several patients for the file: their mutations count for nobody, and who has no other in it "
    "is taken as not sequenced. Add a table with the columns SAMPLE_ID and PATIENT_ID that says whose they are."
)


def read_mutations(
    files: Sequence[Path], lists: Sequence[Path], sheets: Sheets, known: Mapping[str, Sample], *, silent: bool
) -> Measured:
    """The mutated genes of every sample that was sequenced.

    Sequenced are the samples that a list of cBioPortal's names or that the GDC's sheet gives a file; without either,
    only those with some mutation are known to be. An aliquot that tells no patient is of the one whose file it is; of
    a file of several patients it is nobody's, and then who has no mutation in that file may have been its aliquot.

    Args:
        silent: Count every mutation, also those that change no protein.

    Raises:
        OmicsError: No mutation is left.
    """
    of_sheet = {sample: None for path in files for sample in sheets.tumours_in(path)}
    pairs: set[tuple[str, Sample]] = set()
    sequenced: dict[Sample, None] = {}
    passed, others = Counter[str](), Counter[str]()
    nobodys: list[str] = []
    n = 0
    for path in files:
        table = with_bare_names(read_table(path, "The file of mutations", text=["Tumor_Sample_Barcode", "Hugo_Symbol"]))
        theirs = sheets.tumours_in(path)
        people = {sample.patient: sample for sample in sorted(theirs, key=lambda each: each.name, reverse=True)}
        whose: dict[str, Sample | None] = {}  # None: nobody's
        columns = (table[name] for name in ("hugo_symbol", "tumor_sample_barcode", "variant_classification"))
        status = as_text(table["mutation_status"]) if "mutation_status" in table else [None] * len(table)
        for gene, sample, word, state in zip(*map(as_text, columns), status, strict=True):
            if sample is None:
                continue
            n += 1
            if sample not in whose:
                whose[sample] = _of_file(_of_sheet(sample_in(sample, known), of_sheet), people, of_sheet)
            if (mutated := whose[sample]) is None:
                continue
            sequenced[mutated] = None
            if (state or "").lower() in NOT_SOMATIC:
                others[state] += 1
            elif not silent and (word or "").lower() not in NON_SILENT:
                passed[word or "no classification"] += 1
            elif gene is not None and gene.lower() not in ABSENT:
                pairs.add((gene, mutated))
        if aliquots := [name for name, sample in whose.items() if sample is None]:
            told = count(len(aliquots), "aliquot")
            nobodys.append(f"{path.name} has {told} whose names tell no patient ({some(aliquots, 3)}), {NOBODYS}")
        else:
            sequenced |= dict.fromkeys(theirs)
    listed = _listed(lists, known)
    sequenced |= dict.fromkeys(listed)
    if not pairs and nobodys:
        raise OmicsError(nobodys[0])
    if not pairs:
        raise OmicsError(
            f"{some(path.name for path in files)}: none of {count(n, 'mutation')} counts. Their classes are "
            f"{some(f'{word} ({k})' for word, k in passed.most_common())}; --silent counts all."
        )
    genes, samples = sorted({gene for gene, _ in pairs}), sorted(sequenced, key=lambda each: each.name)
    values = np.zeros((len(genes), len(samples)), dtype=np.float32)
    row, column = ({each: i for i, each in enumerate(names)} for names in (genes, samples))
    for gene, sample in pairs:
        values[row[gene], column[sample]] = 1
    source = files[0].name if len(files) == 1 else count(len(files), "file") + " of mutations"
    return Measured(
        pd.DataFrame(values, index=genes),
        "mut",
        source,
        tuple(samples),
        "1: mutated (every class), 0: not" if silent else "1: mutated so that the protein changes, 0: not",
        notes=(*nobodys, *_notes(source, passed, others, bool(listed), any(map(sheets.samples_in, files)))),
    )


def _of_sheet(sample: Sample, of_sheet: Mapping[Sample, None]) -> Sample:
    """The sample of the sheet that this aliquot was taken from, so that both are one."""
    found = (each for each in of_sheet if each != sample and sample.name.startswith(f"{each.name}-"))
    return next(found, sample)


def _of_file(found: Sample, people: Mapping[str, Sample], of_sheet: Mapping[Sample, None]) -> Sample | None:
    """The sample of the sheet that an aliquot of a file is of; None where nothing tells of which of its patients."""
    if found in of_sheet or not people:
        return found
    theirs = people.get(found.patient)
    if theirs is not None and found.tissue in ("", theirs.tissue):
        return theirs
    if found.patient != found.name:
        return found
    return next(iter(people.values())) if len(people) == 1 else None  # CPTAC's aliquots


def _notes(source: str, passed: Counter[str], others: Counter[str], listed: bool, of_sheet: bool) -> list[str]:
    notes = []
    if passed:
        told = some((f"{word} ({n})" for word, n in passed.most_common()), 6)
        notes.append(f"{source}: {sum(passed.values())} mutations that change no protein do not count: {told}.")
    if others:
        told = some(f"{word} ({n})" for word, n in others.most_common())
        notes.append(f"{source}: {sum(others.values())} rows are of no somatic mutation: {told}.")
    if not listed and not of_sheet:
        notes.append(
            f"{source}: who has no mutation in it is taken as not sequenced, so that their genes are missing, not 0. "
            "cBioPortal's case_lists/cases_sequenced.txt, or the GDC's sample sheet, tells who was."
        )
    return notes


def _listed(lists: Sequence[Path], known: Mapping[str, Sample]) -> list[Sample]:
    found = []
    for path in lists:
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            if line.startswith("case_list_ids:"):
                found += [sample_in(as_barcode(name), known) for name in line.partition(":")[2].split()]
    return found
