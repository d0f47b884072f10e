"""`prognoscope init`: one of three studies to begin with, written beside its schema."""

from pathlib import Path

from prognoscope.core.errors import StudyError
from prognoscope.study.start.from_folder import folder_study
from prognoscope.study.start.papers import PAPERS, paper_study
from prognoscope.study.start.template import need_no_study, write_start


def write_study_for(
    folder: Path,
    *,
    paper: str | None = None,
    cohort: str | None = None,
    rows: str | None = None,
    data: Path | None = None,
) -> tuple[Path, list[str]]:
    """Write study.yaml into the folder: a paper's, one that fits what lies in `data`, or one to fill in.

    Args:
        rows: Which of the paper's tables, one of `ROWS`; that of methods by default.

    Returns:
        Its path, and what it asks of whoever owns the data.

    Raises:
        StudyError: There is a study already; no such paper, cohort or data; or two kinds were asked for.
    """
    need_no_study(folder)
    if data is not None and (paper or cohort or rows):
        raise StudyError("--from writes a study for your files, --paper one for a paper's. Give one of the two.")
    if paper is None and cohort is not None:
        raise StudyError(f"--cohort {cohort} is a paper's. Say with --paper which: {', '.join(PAPERS)}.")
    if paper is None and rows is not None:
        raise StudyError(f"--rows {rows} are a paper's. Say with --paper which: {', '.join(PAPERS)}.")
    if data is not None:
        text, questions = folder_study(data, folder)
        return write_start(folder, text), questions
    if paper is None:
        return write_start(folder), []
    if cohort is None:
        known = PAPERS[paper.lower()].cohorts if paper.lower() in PAPERS else {}
        raise StudyError(f"Say with --cohort which of the paper's: {', '.join(known) or 'blca, brca ...'}.")
    return write_start(folder, paper_study(paper, cohort, rows or "methods")), []
