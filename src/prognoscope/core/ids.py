"""Ids of patients in several tables: when two are one person, and which of one table are which of another."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from prognoscope.core.errors import CohortError, some

FORMULAS = ("=", "+", "-", "@", "\t")  # that cells which a spreadsheet would compute begin with
BARCODE = re.compile(r"TCGA-([A-Z0-9]{2})-[A-Z0-9]{4}")  # of a patient; what follows is a sample, a portion, a slide
SAMPLE = re.compile(r"(TCGA[-._][A-Z0-9]{2}[-._][A-Z0-9]{4})[-._](\d{2})(?![0-9]).*", re.IGNORECASE)
NORMALS = range(10, 20)  # sample types of TCGA barcodes: blood, tissue beside the tumour, ...; from 20 on: controls
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


@dataclass(frozen=True, slots=True)
class Matched:
    """Which ids of a table are whose."""

    patient_of: Mapping[str, str]  # id of the table -> patient; without ids of nobody
    warnings: tuple[str, ...] = ()


def fold_id(name: str) -> str:
    """The same text for ids that differ in case, blanks, dots, dashes, or the composition of letters only.

    A number of a column of floats is the whole number: 1.0 is 1. Leading zeros count: 007 is not 7.
    """
    text = name.translate(INVISIBLE).strip()
    if re.fullmatch(r"\d+\.0+", text):
        text = text.partition(".")[0]
    return re.sub(r"[\s._\-\u2010-\u2015]+", "-", unicodedata.normalize("NFC", text.casefold()))


def _unpadded(name: str) -> str:
    """The same text for ids that differ in leading zeros of a number, too."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", fold_id(name))


def person_in(name: str) -> str:
    """The patient's part of a TCGA barcode of a sample, portion or aliquot; any other id as it is."""
    found = SAMPLE.fullmatch(name)
    return found[1] if found else name


def is_normal(name: str) -> bool:
    """Whether this is the TCGA barcode of a sample, portion or slide of no tumour."""
    found = SAMPLE.fullmatch(name)
    return found is not None and int(found[2]) >= NORMALS.start


def refuse_twins(patients: Iterable[str], source: str) -> None:
    """Hold the patients of a cohort apart.

    Raises:
        CohortError: The ids of two differ in case, blanks, dots, dashes or the composition of letters only.
    """
    alike: dict[str, list[str]] = {}
    for patient in dict.fromkeys(patients):
        alike.setdefault(fold_id(patient), []).append(patient)
    if twins := [names for names in alike.values() if len(names) > 1]:
        named = some(" and ".join(ascii(name) if not name.isascii() else repr(name) for name in each) for each in twins)
        raise CohortError(
            f"{source}: {len(twins)} pairs of ids differ only in case, blanks, dots, dashes or the composition of "
            f"letters: {named}. If each pair is one patient, write both alike; if not, give them ids that differ."
        )


def match_ids(patients: Collection[str], ids: Iterable[str], source: str, *, one_each: bool = False) -> Matched:
    """Whose the ids of another table are: equal, the barcode of a patient's sample, or alike but for their writing.

    Args:
        ids: Of a table; what is of nobody here is left out.
        one_each: Refuse two ids of one patient, and leave out normal samples.

    Raises:
        CohortError: With `one_each`, two ids are of one patient.
    """
    known = set(patients)
    folded = {fold_id(patient): patient for patient in known}
    found: dict[str, str] = {}
    unpadded = {_unpadded(patient): patient for patient in known}
    normals, samples, alike, zeros = [], [], [], []
    for name in dict.fromkeys(ids):
        if name in known:
            found[name] = name
            continue
        person = person_in(name)
        owner = person if person in known else folded.get(fold_id(name)) or folded.get(fold_id(person))
        if owner is None:
            zeros += [f"{name} and {unpadded[_unpadded(name)]}"] if _unpadded(name) in unpadded else []
            continue
        if one_each and is_normal(name):
            normals.append(name)
            continue
        found[name] = owner
        (samples if person != name else alike).append(name)
    if one_each:
        _refuse_two_of_one(found, source)
    warnings = [
        f"{source}: {len(which)} ids {what}: {some(which)}."
        for which, what in (
            (normals, "are barcodes of normal tissue or controls, which are no tumours, and were left out"),
            (samples, "are barcodes of samples, and were given to their patients"),
            ([f"{name} to {found[name]}" for name in alike], _ALIKE),
            (zeros, "differ from patients' in leading zeros only, which spreadsheets drop, and were not matched"),
        )
        if which
    ]
    return Matched(found, tuple(warnings))


_ALIKE = "match only after changing case, blanks, dots, dashes, .0 or the composition of letters, and were matched so"


def _refuse_two_of_one(found: Mapping[str, str], source: str) -> None:
    ids_of: dict[str, list[str]] = {}
    for name, patient in found.items():
        ids_of.setdefault(patient, []).append(name)
    if several := {patient: names for patient, names in ids_of.items() if len(names) > 1}:
        named = some(f"{patient} ({', '.join(names)})" for patient, names in several.items())
        raise CohortError(
            f"{source} has several ids of {len(several)} patients: {named}. A patient counts once: leave one row of "
            "each, such as the primary tumour's (01 in a TCGA barcode)."
        )
