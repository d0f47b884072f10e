"""Values -> a page that opens without a network."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prognoscope.report.style import dark_colours, inline_svg, shown_in_the_dark

TEMPLATES = Path(__file__).parent / "templates"


def rendered(template: str, **values: object) -> str:
    """The template with these values and the style of all pages (css); a value that is missing is an error."""
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8").replace("/* figures */", dark_colours()))
    return _environment().get_template(template).render(css=css, **values)


def script(name: str) -> Markup:
    """A script of a page, to stand in it."""
    return Markup((TEMPLATES / f"{name}.js").read_text(encoding="utf-8"))


def picture_of(svg: str, stem: str, caption: str, alt: str, *, folder: str) -> Mapping[str, object]:
    """A figure as the templates' macro `picture` takes it.

    Args:
        folder: Where its files lie, beside the page.
    """
    return {
        "id": f"figure-{stem}",
        "svg": Markup(inline_svg(svg, stem, str(Markup.escape(alt)))),
        "alt": alt,
        "caption": caption,
        "svg_href": f"{folder}/{stem}.svg",
        "csv_href": f"{folder}/{stem}.csv",
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["in_the_dark"] = shown_in_the_dark
    return environment
