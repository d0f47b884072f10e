"""Every figure of a report as a function of its numbers and matplotlib's Axes.

    from prognoscope import Run, plot
    run = Run("my-study/run")
    axes = plot.survival(pd.read_csv(run.files.figures / "survival_mcti.csv"))
    axes.figure.savefig("survival.pdf")

`dir(plot)` lists the figures, `help(plot.survival)` says which columns its data have; the data of every figure of a
report lie beside it as CSV.
"""

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prognoscope.report.axes import Colours
from prognoscope.report.figures import FIGURES, colours_of, height_of
from prognoscope.report.style import figure_style


def __getattr__(name: str) -> Callable[..., Axes]:
    if name not in FIGURES:
        raise AttributeError(f"There is no figure {name!r} in prognoscope.plot; there are {', '.join(FIGURES)}.")
    return _function(name)


def __dir__() -> list[str]:
    return sorted(FIGURES)


def _function(name: str) -> Callable[..., Axes]:
    drawing = FIGURES[name]

    def plot(data: pd.DataFrame, axes: Axes | None = None, colours: Colours | None = None) -> Axes:
        if data.empty:
            raise ValueError(f"There is nothing to draw: the data of {name} have no rows.")
        colours = colours_of(data) if colours is None else colours
        if axes is not None:
            drawing.draw(data, axes, colours)
            return axes
        with figure_style():
            figure = Figure(figsize=(drawing.width_in, height_of(drawing, data)), layout="constrained")
            axes = figure.add_subplot()
            drawing.draw(data, axes, colours)
        return axes

    plot.__name__ = name
    more = "        axes: Where to draw; without, a figure is made (`axes.figure`).\n        colours: Of methods.\n"
    plot.__doc__ = f"{(drawing.draw.__doc__ or '').rstrip()}\n{more}    "
    return plot
