"""The account of an import, in Markdown: what came in, who was left out and why, what was decided by which rule."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from prognoscope.core.errors import some
from prognoscope.core.files import sha256
from prognoscope.core.words import count
from prognoscope.importers.barcodes import TISSUES
from prognoscope.importers.combining import Patients
from prognoscope.importers.measured import Measured
from prognoscope.importers.names import ENDPOINTS
from prognoscope.importers.recognise import PORTALS, WORDS, PortalFile

SHOWN = 12  # lines of a list; the whole of it is in a file beside
DIGITS = 16  # of a file's SHA-256


def steps_table(patients: Patients, genes: pd.DataFrame | None) -> pd.DataFrame:
    """A row a step: step, patients, left_out; nobody is left out for want of an endpoint or of genes."""
    rows = [{"step": step, "patients": n, "left_out": len(gone)} for step, n, gone in patients.steps]
    for name in _endpoints(patients.table):
        n = int(patients.table[[f"{name}_months", f"{name}_event"]].notna().all(axis=1).sum())
        rows.append({"step": f"with time and status of {name}", "patients": n, "left_out": ""})
    if genes is not None:
        rows.append({"step": "with genes", "patients": len(genes), "left_out": ""})
    return pd.DataFrame(rows)


def account_text(
    files: Sequence[PortalFile],
    portal: str,
    tissues: Sequence[str],
    patients: Patients,
    measured: Sequence[Measured],
    genes: pd.DataFrame | None,
    slides: pd.DataFrame,
    groups: pd.DataFrame,
    notes: Sequence[str],
) -> str:
    """The whole account."""
    lines = ["# Account of this import", "", "## Files", ""]
    lines += _table(["read as", "portal", "files", "SHA-256"], _files(files))
    lines += ["", "## Patients", ""]
    lines += _table(["step", "patients", "left out"], steps_table(patients, genes).to_numpy().tolist())
    for step, _, gone in patients.steps:
        if gone:
            lines += ["", f"Left out at *{step}*: {_who(gone)}."]
    lines += ["", "## What each column was taken from", ""]
    origins = patients.origins.fillna("").to_numpy().tolist()
    lines += _table(["column", "source, in the order in which they count", "patients", "events"], origins)
    lines += ["", *(_follow_up(patients.table, name) for name in _endpoints(patients.table))]
    lines += ["", f"Where sources differ, {PORTALS[portal]} counts, then the others in the order of their files. The "]
    lines[-1] += (
        "time and the status of an endpoint are always of one source. Days are divided by 30.4375, and written "
    )
    lines[-1] += "with four decimals; no endpoint is computed but overall survival from status, death and last contact."
    lines += ["", "## Disagreements", "", *_conflicts(patients.conflicts)]
    lines += ["", "## Genes", "", *_measured(measured, genes, tissues)]
    if len(groups):
        lines += ["", "## Gene groups", ""]
        lines += _table(["group", "genes", "measured"], groups.head(3 * SHOWN).to_numpy().tolist())
        lines += _more(len(groups), 3 * SHOWN, "coverage.csv")
    lines += ["", "## Slides", ""]
    listed = f"{count(len(slides), 'diagnostic slide')} of {count(slides['patient_id'].nunique(), 'patient')}."
    lines.append(
        f"{listed} They are in slides.csv, with the ids by which the GDC gives them." if len(slides) else "None."
    )
    if notes:
        lines += ["", "## What else was noticed", "", *(f"* {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def _files(files: Sequence[PortalFile]) -> Iterable[Sequence[object]]:
    alike: dict[tuple[str, str], list[PortalFile]] = defaultdict(list)
    for each in files:
        alike[(each.kind, each.portal)].append(each)
    for (kind, portal), each in alike.items():
        names = some((file.path.name for file in each), 3)
        sums = "" if kind == "slide" else ", ".join(sha256(file.path)[:DIGITS] for file in each[:3])
        yield WORDS[kind], portal or "any", f"{len(each)}: {names}" if len(each) > 1 else names, sums


def _who(gone: Mapping[str, str]) -> str:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for patient, why in gone.items():
        by_reason[why].append(patient)
    return "; ".join(f"{why} ({len(who)}: {some(who)})" for why, who in by_reason.items())


def _endpoints(table: pd.DataFrame) -> list[str]:
    return [name for name in ENDPOINTS if f"{name}_months" in table]


def _follow_up(table: pd.DataFrame, name: str) -> str:
    months, event = table[f"{name}_months"], table[f"{name}_event"]
    whole = months.notna() & event.notna()
    lacking = {
        "neither": int((months.isna() & event.isna()).sum()),
        "a status and no time": int((months.isna() & event.notna()).sum()),
        "a time and no status": int((months.notna() & event.isna()).sum()),
        "a time of zero": int((months[whole] == 0).sum()),
        "a negative time": int((months[whole] < 0).sum()),
    }
    without = ", ".join(f"{what}: {n}" for what, n in lacking.items() if n)
    middle = f"median time {months[whole].median():.1f} months" if whole.any() else "no time"
    return f"* {name}: {count(int(whole.sum()), 'patient')}, {count(int(event[whole].sum()), 'event')}, {middle}" + (
        f"; {without}" if without else ""
    )


def _conflicts(conflicts: pd.DataFrame) -> list[str]:
    if not len(conflicts):
        return ["None: no two sources, and no two rows of one, tell different things of a patient."]
    counts = conflicts.groupby("what", sort=False)["patient_id"].nunique()
    told = ", ".join(f"{what} of {count(int(n), 'patient')}" for what, n in counts.items())
    rows = conflicts.head(SHOWN).to_numpy().tolist()
    table = _table(["patient", "what", "taken", "from", "other", "of"], rows)
    return [f"{told}; all are in conflicts.csv.", "", *table, *_more(len(conflicts), SHOWN, "conflicts.csv")]


def _measured(measured: Sequence[Measured], genes: pd.DataFrame | None, tissues: Sequence[str]) -> list[str]:
    if genes is None:
        return ["None."]
    rows = []
    for each in measured:
        types = pd.Series([sample.tissue or "unknown" for sample in each.samples]).value_counts()
        kinds = ", ".join(f"{code} {TISSUES.get(str(code), '')} ({n})".replace("  ", " ") for code, n in types.items())
        rows.append((each.kind, each.source, each.scale, len(each.values), kinds, len(each.chosen.sample_of)))
    wanted = ", ".join(f"{code} ({TISSUES[code]})" for code in tissues)
    lines = _table(["kind", "source", "values", "genes", "samples", "patients"], rows)
    lines += ["", f"Of each patient one sample counts: of the types {wanted}, in this order; of several the first by "]
    lines[-1] += "barcode, so vial A before B. samples.csv names every sample, and why it was not taken."
    lines.append("")
    for each in measured:
        again = [sample.name for sample, why in each.chosen.left if why.endswith("comes first")]
        if again:
            lines.append(f"* {each.source}: {count(len(again), 'sample')} gave way to another: {some(again)}.")
        chosen, is_again = set(each.chosen.sample_of.values()), pd.Series(each.samples, dtype=object).duplicated()
        told = zip(each.files, each.samples, is_again, strict=False)  # no files of a matrix
        if others := [file for file, sample, is_other in told if is_other and sample in chosen]:
            gave = f"{count(len(others), 'file')} gave way to another of the same sample: {some(others)}."
            lines.append(f"* {each.source}: {gave}")
    return lines


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    shown = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [_line(header), _line(["---"] * len(header)), *map(_line, shown)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _more(n: int, shown: int, where: str) -> list[str]:
    return ["", f"... and {n - shown} more in {where}."] if n > shown else []
