"""Sheets that say whose the GDC's files are, and the slides that they list."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from prognoscope.core.errors import CohortError, some
from prognoscope.core.tables import as_text, read_table
from prognoscope.core.unpacking import read_content, unpacked
from prognoscope.core.words import count
from prognoscope.importers.barcodes import FULL, Sample, as_barcode, sample_in, tissue_of
from prognoscope.importers.names import with_bare_names
from prognoscope.importers.recognise import PortalFile

DIAGNOSTIC = re.compile(r"-DX[0-9A-Z]*$", re.IGNORECASE)  # of a slide's barcode; TS, MS and BS are frozen sections
OF_SLIDE = re.compile(r"(.+?)\.[0-9a-f]{8}-[0-9a-f-]{27}$", re.IGNORECASE)  # <barcode>.<uuid>
NORMAL_OR_CONTROL = "1", "2"  # how the codes of tissues begin that are no tumour's
SLIDES = ["patient_id", "slide_id", "file_id"]


@dataclass(slots=True)
class Sheets:
    """What sample sheets, metadata and manifests tell."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)  # file name -> its samples
    ids: dict[str, str] = field(default_factory=dict)  # file name -> the GDC's id of the file, with which it is fetched
    slides: list[str] = field(default_factory=list)  # file names
    notes: list[str] = field(default_factory=list)

    def samples_in(self, path: Path) -> list[Sample]:
        """The samples that a file is of, packed or not; none where no sheet names it."""
        name = path.name.removesuffix(".gz")
        return self.samples.get(name) or self.samples.get(f"{name}.gz") or []

    def tumours_in(self, path: Path) -> list[Sample]:
        """The samples that a file is of, without normal tissue beside a tumour's."""
        found = self.samples_in(path)
        return [sample for sample in found if not sample.tissue.startswith(NORMAL_OR_CONTROL)] or found

    def sample_of(self, path: Path) -> Sample:
        """The tumour's sample that a file is of; of those with normal tissue beside it, the tumour's.

        Raises:
            CohortError: No sheet names the file.
        """
        found = self.tumours_in(path)
        if not found:
            raise CohortError(
                f"Whose {path.name} is stands in no file here. Add the sample sheet of the same download, which the "
                "GDC's cart gives (gdc_sample_sheet.*.tsv; of TCGA and TARGET, metadata.cart.*.json will do)."
            )
        return min(found, key=lambda each: each.name)


def read_sheets(files: Sequence[PortalFile]) -> Sheets:
    """All that the sheets among the files tell, metadata first, whose barcodes are longest.

    Raises:
        InputError: One cannot be read.
    """
    found = Sheets()
    order = {"metadata": 0, "sheet": 1, "manifest": 2, "slide": 3}
    for each in sorted((file for file in files if file.kind in order), key=lambda file: order[file.kind]):
        if each.kind == "slide":
            found.slides.append(each.path.name)
        else:
            {"metadata": _metadata, "sheet": _sheet, "manifest": _manifest}[each.kind](each.path, found)
    found.slides = list(dict.fromkeys(found.slides))
    return found


def _metadata(path: Path, found: Sheets) -> None:
    for entry in json.loads(unpacked(read_content(path, "The metadata"), path, "The metadata").decode("utf-8-sig")):
        try:
            name = str(entry["file_name"])
            samples = [str(each["entity_submitter_id"]) for each in entry["associated_entities"]]
        except (KeyError, TypeError) as cause:
            raise CohortError(f"{path} lacks {cause} of a file. Download it again from the GDC's cart.") from cause
        if samples and all(FULL.fullmatch(as_barcode(each)) for each in samples):  # other names tell no patient
            found.samples.setdefault(name, [sample_in(each) for each in samples])
        found.ids.setdefault(name, str(entry.get("file_id", "")))
        if name.lower().endswith(".svs"):
            found.slides.append(name)


def _sheet(path: Path, found: Sheets) -> None:
    table = with_bare_names(read_table(path, "The sample sheet", text=["Case ID", "Sample ID", "File ID", "File Name"]))
    kinds = _tissues(table)
    for i, name in enumerate(as_text(table["file_name"])):
        cases, samples = (_listed(table[column].iloc[i]) for column in ("case_id", "sample_id"))
        words = kinds[i]
        if not name or not cases or len(cases) not in (1, len(samples)):
            continue
        cases = cases * len(samples) if len(cases) == 1 else cases
        words = words if len(words) == len(samples) else [""] * len(samples)
        told = [_sample(*each) for each in zip(samples, cases, words, strict=True)]
        found.samples.setdefault(name, told)
        found.ids.setdefault(name, str(table["file_id"].iloc[i]))
        if name.lower().endswith(".svs"):
            found.slides.append(name)


def _tissues(table: pd.DataFrame) -> list[list[str]]:
    """The words for the sample type of each file's samples; from 2024 on, sheets have them in two columns."""
    if "sample_type" in table:
        return [_listed(cell) for cell in table["sample_type"]]
    if not {"tissue_type", "tumor_descriptor"} <= set(table.columns):
        return [[] for _ in range(len(table))]
    found = []
    for kinds, descriptors in zip(table["tissue_type"], table["tumor_descriptor"], strict=True):
        pairs = zip(_listed(kinds), _listed(descriptors), strict=False)
        found.append(["normal" if kind.lower() == "normal" else word for kind, word in pairs])
    return found


def _sample(name: str, case: str, word: str) -> Sample:
    plain = as_barcode(name)
    return Sample(plain, as_barcode(case), sample_in(plain).tissue or tissue_of(word))


def _listed(cell: object) -> list[str]:
    return [part.strip() for part in str(cell).split(",") if part.strip()] if isinstance(cell, str) else []


def _manifest(path: Path, found: Sheets) -> None:
    table = read_table(path, "The manifest", text=["id", "filename"])
    for name, key in zip(as_text(table["filename"]), as_text(table["id"]), strict=True):
        if name is not None:
            found.ids.setdefault(name, key or "")
            if name.lower().endswith(".svs"):
                found.slides.append(name)


def diagnostic_slides(
    sheets: Sheets, patients: Sequence[str], tissues: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """A row a slide of paraffin-embedded tissue of the wanted sample types, columns of SLIDES; and what is left out."""
    rows, left = [], {"frozen sections": [], "other sample types": [], "nobody of the cohort": []}
    unclear, wanted = [], set(patients)
    for name in sheets.slides:
        stem = name[: -len(".svs")]
        barcode = (OF_SLIDE.fullmatch(stem) or [stem, stem])[1]
        told = sheets.samples.get(name) or [sample_in(barcode)]
        sample = sample_in(barcode) if FULL.fullmatch(as_barcode(barcode)) else told[0]
        is_barcode = FULL.fullmatch(as_barcode(barcode)) is not None
        if is_barcode and not DIAGNOSTIC.search(barcode):
            left["frozen sections"].append(name)
        elif sample.tissue and sample.tissue not in tissues:
            left["other sample types"].append(name)
        elif sample.patient not in wanted:
            left["nobody of the cohort"].append(name)
        else:
            unclear += [] if is_barcode else [name]
            rows.append((sample.patient, name, sheets.ids.get(name, "")))
    words = {
        "frozen sections": "of frozen tissue (no DX in the barcode)",
        "other sample types": "of other sample types",
        "nobody of the cohort": "of nobody in the cohort",
    }
    notes = [
        f"Left out: {count(len(names), 'slide')} {words[why]}: {some(names, 2)}."
        for why, names in left.items()
        if names
    ]
    if unclear:
        notes.append(f"Nothing in the names of {count(len(unclear), 'slide')} tells diagnostic from frozen: taken.")
    return pd.DataFrame(sorted(rows), columns=SLIDES), notes
