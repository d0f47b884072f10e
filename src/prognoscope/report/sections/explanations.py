"""What the models look at: heat maps of patients of high and of low risk, and how far they can be believed."""

from typing import Any

from prognoscope.analysis.faithfulness_table import faithfulness_table, judgement
from prognoscope.analysis.standings import MAIN, ranking
from prognoscope.core.file_names import safe_name
from prognoscope.report.number_words import number
from prognoscope.report.page_section import Section
from prognoscope.report.pictures import jpeg_source
from prognoscope.runs.explanations import KeptExplanation
from prognoscope.runs.read import Run

ENDS = 2  # patients of each end that are shown
MAPS = 2  # of each patient
SHOWN_PX = 640


def explanation_content(run: Run) -> dict[str, Any]:
    """A table of how faithful the maps are; pictures of the best method that has some; links to patients' pages."""
    every = [kept for patients in run.explanations.values() for kept in patients.values()]
    if not every:
        return {}
    table = faithfulness_table(every)
    rows = [[_word(name) for name in table.columns]]
    rows += [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    pages = sorted({kept.about.patient for kept in every})
    method = _shown_method(run)
    return {
        "rows": rows if len(rows) > 1 else [],
        "method": method,
        "patients": [] if method is None else _shown(run, method),
        "pages": [(patient, f"{run.files.patient_pages.name}/{safe_name(patient)}.html") for patient in pages],
    }


def _shown_method(run: Run) -> str | None:
    """The best method with pictures; of those without a rank, the first."""
    order = [*ranking(run, MAIN), *run.explanations]
    return next((method for method in order if any(map(_has_maps, run.explanations.get(method, {}).values()))), None)


def _has_maps(kept: KeptExplanation) -> bool:
    return any(kept.picture(slide.slide, told.name, ".png") for slide in kept.about.slides for told in kept.about.maps)


def _shown(run: Run, method: str) -> list[dict[str, Any]]:
    kept = sorted(filter(_has_maps, run.explanations[method].values()), key=lambda each: -each.about.log_risk)
    ends = {"High": kept[:ENDS], "Low": kept[max(ENDS, len(kept) - ENDS) :]}
    return [
        {
            "end": end,
            "patient": each.about.patient,
            "log_risk": number(each.about.log_risk, 2),
            "page": f"{run.files.patient_pages.name}/{safe_name(each.about.patient)}.html",
            "pictures": _pictures(each),
        }
        for end, chosen in ends.items()
        for each in chosen
    ]


def _pictures(kept: KeptExplanation) -> list[dict[str, str]]:
    slide = kept.about.slides[0].slide
    found = [(told, path) for told in kept.about.maps if (path := kept.picture(slide, told.name, ".png"))]
    signed = [each for each in found if each[0].is_signed]
    chosen = [*[each for each in found if not each[0].is_signed][: MAPS - bool(signed)], *signed[-1:]]
    return [
        {
            "source": jpeg_source(path, longest_px=SHOWN_PX),
            "alt": f"{told.name.replace('_', ' ')} on slide {slide}. {told.meaning}",
            "caption": f"{slide}: {told.meaning} {judgement(kept.faithfulness, told.name)}",
        }
        for told, path in chosen
    ]


def _word(name: str) -> str:
    return name[:1].upper() + name[1:]


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


SECTION = Section("explanations", "What the models look at", explanation_content)
