"""A run's folder -> its figures and one page that opens anywhere."""

from pathlib import Path

from markupsafe import Markup

from prognoscope.core.files import write_table, write_text
from prognoscope.report.content import page_content
from prognoscope.report.plates import plates_of
from prognoscope.report.rendering import rendered
from prognoscope.report.run_folder import read_run_folder
from prognoscope.report.style import inline_svg, method_colours


def write_report(run_folder: Path | str) -> Path:
    """Write `figures/*.svg`, their data `figures/*.csv`, and `report.html` into a run folder, from its files alone.

    The page holds its figures and styles, asks nothing of the network and runs no scripts. The same files give the
    same bytes. What the run lacks is said in a sentence. Figures of an earlier report are replaced.

    Returns:
        The path of the page.

    Raises:
        InputError: The run has no metrics or no predictions, or a file's content cannot be used.
    """
    run = read_run_folder(run_folder)
    plates, absent = plates_of(run)
    folder = run.folder / "figures"
    _remove_old(folder)
    colours = method_colours(run.methods)
    shown: dict[str, list[dict[str, object]]] = {}
    for plate in plates:
        svg = plate.render(colours)
        write_text(folder / f"{plate.stem}.svg", svg)
        write_table(folder / f"{plate.stem}.csv", plate.data)
        picture = {
            "id": f"figure-{plate.stem}",
            "svg": Markup(inline_svg(svg, plate.stem, str(Markup.escape(plate.alt)))),
            "alt": plate.alt,
            "caption": plate.caption,
            "svg_href": f"figures/{plate.stem}.svg",
            "csv_href": f"figures/{plate.stem}.csv",
        }
        shown.setdefault(plate.section, []).append(picture)
    content = page_content(run, shown, absent, colours)
    page = run.folder / "report.html"
    write_text(page, rendered("report.html", content))
    return page


def _remove_old(folder: Path) -> None:
    for path in [*folder.glob("*.svg"), *folder.glob("*.csv")]:
        path.unlink()
