"""Barcodes of samples -> whose they are, of which tissue, and which one of several stands for the patient."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prognoscope.core.errors import CohortError, OmicsError, some
from prognoscope.core.words import count

FULL = re.compile(r"(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}|TARGET-\d{2}-[A-Z0-9]{6})(?:-(\d{2})([A-Z]?)(?![0-9A-Z])(.*))?")
TISSUES = {  # the codes of TCGA and TARGET that portals ship
    "01": "primary tumour",
    "02": "recurrent tumour",
    "03": "primary cancer in blood",
    "04": "recurrent cancer in bone marrow",
    "05": "additional new primary",
    "06": "metastasis",
    "07": "additional metastasis",
    "09": "primary cancer in bone marrow",
    "10": "normal blood",
    "11": "normal tissue",
    "12": "normal buccal cells",
    "13": "immortalised normal cells",
    "14": "normal bone marrow",
    "20": "control",
    "40": "recurrent cancer in blood",
    "50": "cell line",
    "60": "xenograft",
    "61": "xenograft of a cell line",
}
PRIMARY = ("01", "03", "09")
WORDS = {  # of the GDC's sample sheets and of cBioPortal's SAMPLE_TYPE, in small letters
    "primary": "01",
    "primary tumor": "01",
    "primary solid tumor": "01",
    "primary tumour": "01",
    "recurrent tumor": "02",
    "recurrent solid tumor": "02",
    "recurrence": "02",
    "recurrent": "02",
    "primary blood derived cancer - peripheral blood": "03",
    "primary blood derived cancer - bone marrow": "09",
    "recurrent blood derived cancer - bone marrow": "04",
    "recurrent blood derived cancer - peripheral blood": "40",
    "additional - new primary": "05",
    "metastatic": "06",
    "metastasis": "06",
    "additional metastatic": "07",
    "blood derived normal": "10",
    "solid tissue normal": "11",
    "normal": "11",
    "buccal cell normal": "12",
    "bone marrow normal": "14",
    "control analyte": "20",
    "cell line": "50",
    "cell lines": "50",
    "xenograft tissue": "60",
    "primary xenograft tissue": "60",
    "cell line derived xenograft tissue": "61",
}
# Lymphoid Normal, Local Recurrence, Distant organ metastasis
PARTS = {r"\bnormal\b": "11", r"\brecurr": "02", r"\bmetasta": "06"}
DENIED = re.compile(r"\b(?:non|no|not|without)\b[^,;()]*")  # Non-metastatic primary


class UnfitError(OmicsError, CohortError):
    """A table of genes that is whole and of no use here, as a study's folder has several: it is passed over there."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of a patient."""

    name: str
    patient: str
    tissue: str = ""  # of TISSUES; "" where nothing tells it


@dataclass(frozen=True, slots=True)
class Chosen:
    """The one sample that stands for each patient, and why others do not."""

    sample_of: Mapping[str, Sample] = field(default_factory=dict)  # patient -> sample
    left: tuple[tuple[Sample, str], ...] = ()  # with the reason


def as_barcode(name: str) -> str:
    """A name with capitals and dashes, as barcodes have them, where it is one of TCGA or TARGET; others as they are."""
    plain = re.sub(r"[._]", "-", name.strip().upper())
    return plain if FULL.fullmatch(plain) else name.strip()


def sample_in(name: str, known: Mapping[str, Sample] | None = None) -> Sample:
    """Whose sample this is, by a table of samples or by its barcode; another name is the patient's own.

    Args:
        known: Samples that a sheet tells of, by name.
    """
    plain = as_barcode(name)
    if known and (found := known.get(plain)):
        return found
    found = FULL.fullmatch(plain)
    return Sample(plain, found[1], found[2] or "") if found else Sample(plain, plain)


def tissue_of(word: str | None) -> str:
    """The code of a sample type that is written in words; "" of words that are unknown."""
    plain = " ".join((word or "").lower().split())
    said = DENIED.sub("", plain)
    return WORDS.get(plain) or next((code for part, code in PARTS.items() if re.search(part, said)), "")


def choose(samples: Iterable[Sample], tissues: Sequence[str]) -> Chosen:
    """One sample a patient: of the wanted tissues the first that is named, and of several samples the first by barcode.

    So vial A comes before B, and a lower portion before a higher. A sample of which nothing tells the tissue counts.

    Args:
        tissues: Codes, the preferred one first.
    """
    left, wanted = [], []
    for sample in dict.fromkeys(samples):  # of which there may be several files
        if sample.tissue and sample.tissue not in tissues:
            kind = TISSUES.get(sample.tissue, "another tissue")
            left.append((sample, f"{sample.tissue}, {kind}, is not among the sample types that were asked for"))
        else:
            wanted.append(sample)
    rank = {tissue: i for i, tissue in enumerate(tissues)}
    found: dict[str, Sample] = {}
    for sample in sorted(wanted, key=lambda each: (rank.get(each.tissue, len(rank)), each.name)):
        if sample.patient in found:
            left.append((sample, f"{found[sample.patient].name} of the same patient comes first"))
        else:
            found[sample.patient] = sample
    return Chosen(found, tuple(left))


def need_tissues(tissues: Sequence[str]) -> None:
    """Nothing, if each is a code of a sample type.

    Raises:
        CohortError: One is not.
    """
    if strange := [code for code in tissues if code not in TISSUES]:
        known = ", ".join(f"{code} ({words})" for code, words in TISSUES.items())
        raise CohortError(f"There is no sample type {strange[0]!r}; known: {known}.")


def need_chosen(chosen: Chosen, source: str) -> None:
    """Nothing, if samples are left.

    Raises:
        UnfitError: All are of other tissues; says of which.
    """
    if chosen.sample_of or not chosen.left:
        return
    codes = sorted({sample.tissue for sample, _ in chosen.left})
    named = some(f"{code} ({TISSUES.get(code, 'unknown')})" for code in codes)
    raise UnfitError(
        f"{source}: none of {count(len(chosen.left), 'sample')} is of the sample types that were asked for; there are "
        f"{named}. Ask for them with --sample-type {codes[0]}."
    )
