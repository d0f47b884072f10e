"""Where the numbers come from: command, versions, notes, inputs, and the study file."""

from typing import Any

from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run


def source_content(run: Run) -> dict[str, Any]:
    """Pairs of title and text, notes, rows of hashes, and the study file."""
    return {"facts": _facts(run), "notes": run.provenance.notes, "hashes": _hashes(run), "study": run.study_text}


def _facts(run: Run) -> list[tuple[str, str]]:
    known = run.provenance
    rows = [("Command", known.command)] if known.command else []
    rows += [("Seed", str(known.seed))] if known.seed is not None else []
    rows += [("Protocol", run.protocol)] if run.protocol else []
    rows += [("Embeddings by", known.embeddings)] if known.embeddings else []
    if known.versions:
        rows.append(("Versions", ", ".join(f"{name} {version}" for name, version in sorted(known.versions.items()))))
    return rows


def _hashes(run: Run) -> list[tuple[str, str]]:
    inputs = run.provenance.inputs
    return [("File", "SHA-256"), *sorted(inputs.items())] if inputs else []


SECTION = Section("provenance", "Provenance", source_content)
