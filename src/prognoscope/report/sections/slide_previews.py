"""What was used of the slides: pictures of those left out, and of some others, with tissue and patches."""

from base64 import b64encode
from typing import Any

from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run


def preview_content(run: Run) -> dict[str, Any]:
    """The pictures as addresses that hold them, each with its slide and why it was left out."""
    pictures = []
    for row in run.previews.to_dict("records"):
        path = run.files.previews / str(row["file"])
        if path.parent == run.files.previews and path.is_file():
            source = f"data:image/jpeg;base64,{b64encode(path.read_bytes()).decode()}"
            pictures.append({"source": source, **{key: row[key] for key in ("slide", "patient_id", "left_out")}})
    return {"pictures": pictures} if pictures else {}


SECTION = Section("slides", "Slides", preview_content)
