"""Figures in name only and pages without sections: most of the time of a tiny run goes into what it shows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

import pandas as pd
import pytest

from prognoscope.report import comparison_page, page, page_section, patient_page
from prognoscope.report.figures import FIGURES
from prognoscope.report.sections import SECTIONS, epoch_choice, told_genes
from prognoscope.report.sections.model_card import model_card
from prognoscope.report.sections.tripod import tripod_markdown
from prognoscope.training import cost


def sketch(name: str, data: pd.DataFrame, colours: Mapping[str, str] | None = None) -> str:
    """In the place of `render`: a sum of what it would draw, so that equal data give equal bytes and others do not."""
    told = repr((name in FIGURES, colours, data.to_csv()))
    return f'<svg width="1pt" height="1pt"><!-- {name} {sha256(told.encode()).hexdigest()} --></svg>\n'


@contextmanager
def sketches() -> Iterator[None]:
    """Reports that are written within have sketches for drawings."""
    with pytest.MonkeyPatch.context() as patch:
        for drawn_by in (page_section, epoch_choice, told_genes, patient_page, comparison_page):
            patch.setattr(drawn_by, "render", sketch)
        yield


@contextmanager
def bare_pages() -> Iterator[None]:
    """Pages of runs that are written within have a head and no section, and nobody counts what trainings compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "SECTIONS", ())
        patch.setattr(page, "model_card", lambda run: "")
        patch.setattr(page, "tripod_markdown", lambda run: "")
        patch.setattr(cost, "gflop_of", lambda run: 1.0)
        yield


@contextmanager
def whole_pages() -> Iterator[None]:
    """They have all again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "SECTIONS", SECTIONS)
        patch.setattr(page, "model_card", model_card)
        patch.setattr(page, "tripod_markdown", tripod_markdown)
        yield
