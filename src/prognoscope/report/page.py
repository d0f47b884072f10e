"""A run -> its figures and one page that opens anywhere."""

from pathlib import Path

from markupsafe import Markup

from prognoscope.core.files import write_text
from prognoscope.core.words import count
from prognoscope.report.page_section import draw_section
from prognoscope.report.patient_page import write_patient_pages
from prognoscope.report.rendering import rendered, script
from prognoscope.report.sections import SECTIONS
from prognoscope.report.sections.model_card import model_card
from prognoscope.report.sections.tripod import tripod_markdown
from prognoscope.runs.read import Run


def write_report(run: Run | Path | str) -> Path:
    """Write `report.html`, its figures and their data, a model card and a checklist into a run folder.

    All is made of the files of the run alone. The page holds its figures and styles and asks nothing of the network;
    its only script sorts tables. The same files give the same bytes. What the run lacks is said in a sentence. Figures
    of an earlier report are replaced. Everybody who was explained gets a page too.

    Returns:
        The path of the page.

    Raises:
        InputError: The run has no metrics or no predictions, or a file's content cannot be used.
    """
    run = run if isinstance(run, Run) else Run(Path(run))
    sections = [drawn for section in SECTIONS if (drawn := draw_section(section, run)) is not None]
    values = {"name": run.title, "lead": _lead(run), "sections": [(each.id, each.title) for each in sections]}
    html = rendered(
        "report.html", **values, script=script("sorting"), body=Markup("\n\n".join(each.html for each in sections))
    )
    _remove_old(run.files.figures)
    for each in sections:
        each.write_figures(run.files)
    write_patient_pages(run)
    write_text(run.files.tripod, tripod_markdown(run))
    write_text(run.files.model_card, model_card(run))
    write_text(run.files.report, html)
    return run.files.report


def _lead(run: Run) -> str:
    parts = [count(len(run.held_out), "patient"), count(len(run.fold_numbers), "fold")]
    parts += [count(len(run.methods), "method"), *([f"{run.protocol} protocol"] if run.protocol else [])]
    return ", ".join(parts)


def _remove_old(folder: Path) -> None:
    for path in [*folder.glob("*.svg"), *folder.glob("*.csv")]:
        path.unlink()
