"""How all figures look, and how one becomes an SVG file whose bytes depend on its data alone."""

import re
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from io import StringIO

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Okabe and Ito's palette without its yellow, then Tol's muted one: told apart with any colour vision, on white
PALETTE = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"),
    *("#332288", "#882255", "#117733", "#999933", "#aa4499", "#6699cc", "#661100"),
)
Dashes = str | tuple[float, tuple[float, ...]]
DASHES: tuple[Dashes, ...] = ("-", (0, (7, 1.5)), (0, (7, 1.5, 1.5, 1.5)))
RISK_COLOURS = {"High risk": "#a50f15", "Low risk": "#3182bd"}
ORACLE_COLOUR, QUIET, INK, GRID = "#6b6b6b", "#767676", "#1a1a1a", "#e3e3e3"
IN_THE_DARK = {  # colour of a figure -> what stands for it on a page read in the dark; others can be seen on both
    INK: "#e8e8e8",
    QUIET: "#a0a0a0",
    ORACLE_COLOUR: "#a8a8a8",
    GRID: "#33373d",
    "#ffffff": "#15181c",
    "#000000": "#f4f4f4",
    "#0072b2": "#4aa8e0",
    "#332288": "#9a8cf0",
    "#882255": "#d9699f",
    "#117733": "#4cb36f",
    "#661100": "#d0705c",
    "#999933": "#b5b54a",
    "#a50f15": "#f0656b",
    "#3182bd": "#6db3e6",
    "#009e73": "#2cc79a",
}
SETTINGS = {
    "svg.fonttype": "none",  # text stays text: searched, read aloud and edited; a fallback font is narrower, so it fits
    "svg.hashsalt": "prognoscope",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Liberation Sans", "Arial", "Helvetica", "sans-serif"],
    "font.size": 9.0,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def method_colours(methods: Iterable[str]) -> dict[str, str]:
    """A colour for each method, by its place, the same in every figure of a page."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(methods)}


def method_dashes(colours: Mapping[str, str]) -> dict[str, Dashes]:
    """How the line of each method is dashed: those of one colour are told apart by it."""
    names, of = list(colours), list(colours.values())
    return {name: DASHES[of[:i].count(of[i]) % len(DASHES)] for i, name in enumerate(names)}


@contextmanager
def figure_style():
    """Our settings over matplotlib's own defaults, whatever the user's are; both come back afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)  # type: ignore[call-overload] - its stub lists the keys one by one
        yield


def to_svg(figure: Figure) -> str:
    """The figure as an SVG file's text. Equal figures give equal bytes."""
    stream = StringIO()
    # the same bytes as of `figure.savefig`, which draws all of it once before, for the layout alone
    FigureCanvasSVG(figure).print_svg(stream, metadata=NO_METADATA)
    return stream.getvalue()


def inline_svg(svg: str, prefix: str, description: str) -> str:
    """An SVG file's text as an element of a page, its ids made the page's own by a prefix.

    Args:
        description: What a reader who cannot see it is told; must be escaped for use in an attribute.
    """
    element = svg[svg.index("<svg") :]
    element = re.sub(r'\bid="', f'id="{prefix}-', element)
    element = re.sub(r"url\(#", f"url(#{prefix}-", element)
    element = re.sub(r'href="#', f'href="#{prefix}-', element)
    element = re.sub("|".join(IN_THE_DARK), lambda found: shown_in_the_dark(found[0]), element)
    width = float(re.findall(r'width="([\d.]+)pt"', element)[0])
    size = f'style="--natural: {width:g}pt"'
    label = f'role="img" aria-label="{description}"'
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda _: f"{size} {label}", element, count=1).rstrip()


def shown_in_the_dark(colour: str) -> str:
    """A colour for the style of an element, which a page in the dark replaces."""
    return f"var(--c{colour[1:]},{colour})" if colour in IN_THE_DARK else colour


def dark_colours() -> str:
    """What a page in the dark sets for that, as declarations of a style."""
    return " ".join(f"--c{colour[1:]}: {dark};" for colour, dark in IN_THE_DARK.items())


def file_stem(name: str) -> str:
    """A name as part of a file's name or of an id: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "unnamed"


def stems_of(names: Iterable[str]) -> dict[str, str]:
    """Name -> a stem of its own for files and ids, whatever the letters' case."""
    stems: dict[str, str] = {}
    for name in names:
        stem = file_stem(name)
        taken = {each.lower() for each in stems.values()}
        stems[name] = next(s for s in [stem, *(f"{stem}-{i}" for i in range(2, 1000))] if s.lower() not in taken)
    return stems
