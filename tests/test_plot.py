"""Figures as functions: what a report draws, drawn by whoever has the numbers."""

import inspect

import pandas as pd
import pytest
from matplotlib.figure import Figure

from prognoscope import plot
from prognoscope.report.figures import FIGURES
from tests.report.test_every_figure import MINIMAL


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_function_that_says_what_it_takes(name):
    draw = getattr(plot, name)
    data = pd.DataFrame([MINIMAL[name]])
    axes = Figure().add_subplot()
    assert draw(data, axes) is axes and (axes.get_title(loc="left") or axes.get_title())
    assert draw(data).figure is not axes.figure
    assert draw(data, Figure().add_axes((0.2, 0.2, 0.7, 0.7))).has_data()  # which is in no grid
    told = inspect.getdoc(draw)
    assert "data: " in told and "axes: " in told and draw.__name__ == name


def test_what_is_not_there_is_said():
    assert dir(plot) == sorted(FIGURES)
    with pytest.raises(AttributeError, match="There is no figure 'roc' in prognoscope.plot; there are c_index"):
        getattr(plot, "roc")  # noqa: B009
    with pytest.raises(ValueError, match="nothing to draw: the data of survival have no rows"):
        plot.survival(pd.DataFrame())
