"""How well methods that learn to tell genes from slides tell those of held-out patients."""

from typing import Any

from prognoscope.analysis.figure_data import reconstruction_data
from prognoscope.core.words import count, listed
from prognoscope.report.number_words import number
from prognoscope.report.page_section import Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run


def gene_content(run: Run) -> dict[str, Any]:
    """Nothing: the template says what the figures show."""
    return {}


def gene_plates(run: Run) -> list[Plate]:
    """A figure a method that tells genes."""
    return [plate for name, stem in stems_of(run.methods).items() for plate in _genes(run, name, stem)]


def _genes(run: Run, name: str, stem: str) -> list[Plate]:
    data = reconstruction_data(run, name)
    if data.empty:
        return []
    means = data.groupby("group", sort=False)["spearman"].mean()
    caption = f"Mean Spearman correlation over all {count(len(data), 'gene')}: {number(data['spearman'].mean(), 2)}."
    groups = [f"{group} {number(mean, 2)}" for group, mean in means.items()]
    alt = f"How well {name} tells genes of held-out patients from their slides. {caption} {listed(groups, most=100)}."
    return [Plate("reconstruction", f"reconstruction_{stem}", data, caption, alt)]


SECTION = Section("genes", "Genes told from slides", gene_content, gene_plates)
