"""What a run's models are, what they were made of, how well they do, and what nobody knows: a card.

Mitchell et al.: Model cards for model reporting. FAccT 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from prognoscope.analysis.over_time import brier_table, null_name
from prognoscope.core.words import count, listed
from prognoscope.report.gaps import gaps_of
from prognoscope.report.learning_words import learning_sentences
from prognoscope.report.markdown_text import escaped, table_lines
from prognoscope.report.sections.characteristics import table_one_content
from prognoscope.report.sections.measures_over_time import said_of_null
from prognoscope.report.sections.paper_words import has_weights, paper_content
from prognoscope.report.sections.tripod import NOT_TOLD
from prognoscope.report.sections.verdict import protocol_sentence, verdict
from prognoscope.report.table_text import method_rows
from prognoscope.runs.read import Run

Table = list[Sequence[str]]  # its head, then its rows


@dataclass(frozen=True, slots=True)
class CardPart:
    """A part of the card: paragraphs, then points, then a table and what is said below it; any may be missing."""

    title: str
    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    table: Table = field(default_factory=list)
    below: Sequence[str] = ()


@lru_cache(maxsize=1)  # for the page and for the file
def card_parts(run: Run) -> list[CardPart]:
    """The card of all methods of a run."""
    known, table = run.provenance, table_one_content(run)
    version = known.versions.get("prognoscope", "")
    made = (
        f"Each has {count(len(run.fold_numbers), 'fold')} with {'weights (safetensors) and ' * has_weights(run)}a card "
        f"(model.json){f', by Prognoscope {version}' if version else ''}"
        f"{'' if has_weights(run) else '; weights were not kept'}. Licence of the weights: {NOT_TOLD.lower()}"
    )
    use = (
        f"Research on survival. Whoever is meant to use them, and where: {NOT_TOLD.lower()} They were evaluated inside "
        "one cohort only and are no medical device."
    )
    characteristics = [
        [f"{row['label']}{': ' + row['level'] if row['level'] else ''}, {row['way']}", *row["cells"]]
        for row in table["rows"]
    ]
    limits = [
        *(f"Optimistic: {name}. {reason}." for name, reason in run.optimistic.items()),
        *learning_sentences(run),
        said_of_null(brier_table(run), null_name(run)),
        *gaps_of(run),
        *known.warnings,
        "There is no evaluation on patients of another cohort.",
    ]
    groups = [str(name) for name in run.covariates]
    told = groups and not run.has_competing  # else the page has no subgroups
    by_group = f"Hazard ratios by {listed(groups, 20)} are in the report, exploratory." if told else NOT_TOLD
    papers = [f"{name}: {known.papers.get(name, NOT_TOLD)}" for name in run.methods]
    return [
        CardPart("Models", points=papers, below=[made]),
        CardPart("Intended use", [use]),
        CardPart("How they were made", paper_content(run)["paragraphs"]),
        CardPart("Patients", table=[["Characteristic", *table["header"]], *characteristics], below=[table["note"]]),
        CardPart(
            "Performance on held-out patients",
            table=[*method_rows(run)],
            below=[" ".join(verdict(run)), protocol_sentence(run)],
        ),
        CardPart("Limits", points=[each for each in limits if each]),
        CardPart("Groups of patients", [by_group]),
        CardPart("Ethics, consent, funding", [NOT_TOLD]),
    ]


def model_card(run: Run) -> str:
    """The card as a Markdown file, to go with the models."""
    lines = [f"# Model card: {escaped(run.title)}"]
    for part in card_parts(run):
        lines += ["", f"## {part.title}", ""]
        blocks = [[escaped(each)] for each in part.paragraphs]
        blocks += [[f"* {escaped(each)}" for each in part.points]] if part.points else []
        blocks += [table_lines(part.table[0], part.table[1:])] if part.table else []
        blocks += [[escaped(each)] for each in part.below]
        lines += list(chain.from_iterable([*block, ""] for block in blocks))[:-1]
    return "\n".join(lines) + "\n"
