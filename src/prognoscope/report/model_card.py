"""What a run's models are, what they were made of, how well they do, and what nobody knows: a card in Markdown.

Mitchell et al.: Model cards for model reporting. FAccT 2019.
"""

from prognoscope.analysis.over_time import brier_table
from prognoscope.core.words import count, listed
from prognoscope.report.gaps import gaps_of
from prognoscope.report.learning_words import learning_sentences
from prognoscope.report.markdown_text import escaped, table_lines
from prognoscope.report.sections.characteristics import table_one_content
from prognoscope.report.sections.measures_over_time import said_of_null
from prognoscope.report.sections.paper_words import paper_content
from prognoscope.report.sections.verdict import protocol_sentence, verdict
from prognoscope.report.table_text import method_rows
from prognoscope.report.tripod import NOT_TOLD
from prognoscope.runs.read import Run


def model_card(run: Run) -> str:
    """The card of all methods of a run."""
    known, paper = run.provenance, paper_content(run)
    version = known.versions.get("prognoscope", "")
    parts = [f"# Model card: {escaped(run.name)}", ""]
    parts += ["## Models", ""]
    parts += [f"* {escaped(name)}: {escaped(known.papers.get(name, NOT_TOLD))}" for name in run.methods]
    parts += [
        "",
        f"Each has {count(len(run.fold_numbers), 'fold')} with weights (safetensors) and a card (model.json)"
        f"{f', by Prognoscope {version}' if version else ''}. Licence of the weights: {NOT_TOLD.lower()}",
        "",
        "## Intended use",
        "",
        f"Research on survival. Whoever is meant to use them, and where: {NOT_TOLD.lower()} They were evaluated inside "
        "one cohort only and are no medical device.",
        "",
        "## How they were made",
        "",
    ]
    parts += [line for paragraph in paper["paragraphs"] for line in (escaped(paragraph), "")]
    table = table_one_content(run)
    rows = [
        [f"{row['label']}{': ' + row['level'] if row['level'] else ''}, {row['way']}", *row["cells"]]
        for row in table["rows"]
    ]
    parts += ["## Patients", "", *table_lines(["Characteristic", *table["header"]], rows), "", table["note"], ""]
    header, *rows = method_rows(run)
    parts += ["## Performance on held-out patients", "", *table_lines(header, rows), ""]
    parts += [escaped(" ".join(verdict(run))), "", escaped(protocol_sentence(run)), ""]
    limits = [
        *(f"Optimistic: {name}. {reason}." for name, reason in run.optimistic.items()),
        *learning_sentences(run),
        said_of_null(brier_table(run)),
        *gaps_of(run),
        *known.warnings,
        "There is no evaluation on patients of another cohort.",
    ]
    parts += ["## Limits", "", *(f"* {escaped(each)}" for each in limits if each), ""]
    groups = [escaped(str(name)) for name in run.covariates]
    parts += [
        "## Groups of patients",
        "",
        f"Hazard ratios by {listed(groups, 20)} are in the report, exploratory." if groups else NOT_TOLD,
        "",
        "## Ethics, consent, funding",
        "",
        NOT_TOLD,
        "",
    ]
    return "\n".join(parts)
