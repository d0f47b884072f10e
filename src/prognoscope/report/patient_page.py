"""A page for each patient who was explained: what is predicted, and what that rests on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from prognoscope.analysis.faithfulness_table import judgement
from prognoscope.core.file_names import safe_name
from prognoscope.core.files import write_text
from prognoscope.core.outcome import Outcome
from prognoscope.report.figures import render
from prognoscope.report.number_words import number
from prognoscope.report.pictures import jpeg_source
from prognoscope.report.rendering import rendered
from prognoscope.report.style import inline_svg, method_colours, stems_of
from prognoscope.runs.explanations import KeptExplanation
from prognoscope.runs.read import Run
from prognoscope.runs.tables import numbered_columns

MOST_GENES, MOST_ALIKE, MOST_BEHIND = 15, 5, 200
MODALITY_HEAD = ("Modality", "Shapley value", "Change without it")
ENDINGS = {"SVG": ".svg", "PNG": ".png", "GeoJSON": ".geojson", "OME-TIFF": ".ome.tiff", "top patches": ".patches.png"}
SENTENCES = {"gene_groups": "Gene groups, by integrated gradients", "genes": "Genes, by integrated gradients"}


def write_patient_pages(run: Run) -> None:
    """Write `patients/<patient>.html` for everybody explained. Pages of earlier reports are replaced.

    A page opens without a network and asks nothing of it; its pictures link to the files of the explanation.
    """
    folder = run.files.patient_pages
    for path in folder.glob("*.html"):
        path.unlink()
    explained: dict[str, dict[str, KeptExplanation]] = {}
    for method, patients in run.explanations.items():
        for patient, kept in patients.items():
            explained.setdefault(patient, {})[method] = kept
    if explained:
        behind, ranks = curves_behind(run), risk_ranks(run)
        for patient, by_method in sorted(explained.items()):
            page = patient_page(run, patient, by_method, behind, ranks)
            write_text(folder / f"{safe_name(patient)}.html", page)


def patient_page(
    run: Run, patient: str, explained: Mapping[str, KeptExplanation], behind: pd.DataFrame, ranks: pd.DataFrame
) -> str:
    """The page as HTML.

    Args:
        explained: Method -> what its prediction of the patient rests on.
        behind: What `curves_behind` tells of everybody.
        ranks: What `risk_ranks` tells of everybody.
    """
    curves = survival_curves(run, patient, behind)
    colours = method_colours(run.methods)
    methods = [_method(run, kept, stem) for (_, kept), stem in _stemmed(explained)]
    return rendered(
        "patient.html",
        name=run.title,
        patient=patient,
        facts=_facts(run, patient),
        survival=_svg("patient_survival", curves, colours, "survival", _curve_words(curves)) if len(curves) else "",
        behind=_behind(run),
        chances=_chances(curves),
        methods=methods,
        alike=similar_patients(run, patient, ranks),
        others=[name for name in run.methods if name not in explained],
    )


def curves_behind(run: Run) -> pd.DataFrame:
    """What the first method says of everybody, or of the first of very many: as `draw_patient_survival`."""
    table = run.method(_behind(run)).predictions.drop_duplicates("patient_id").head(MOST_BEHIND)
    return _curves(table, _behind(run))


def survival_curves(run: Run, patient: str, behind: pd.DataFrame) -> pd.DataFrame:
    """What every method says of the patient, before the others: as `draw_patient_survival`."""
    parts = []
    for method in run.methods:
        table = run.method(method).predictions
        parts.append(_curves(table[table["patient_id"] == patient].head(1), method).assign(patient_id=""))
    parts.append(behind[behind["patient_id"] != patient])
    return pd.concat(parts, ignore_index=True)


def risk_ranks(run: Run) -> pd.DataFrame:
    """Patient -> the share of the patients of the fold with no higher risk, by each method; NaN where not predicted."""
    ranks = {}
    for method in run.methods:
        table = run.method(method).predictions
        ranked = table.assign(rank=table.groupby("fold")["risk"].rank(pct=True)).drop_duplicates("patient_id")
        ranks[method] = ranked.set_index("patient_id")["rank"]
    return pd.DataFrame(ranks)


def similar_patients(run: Run, patient: str, ranks: pd.DataFrame) -> list[dict[str, str]]:
    """Those whose ranks by all methods are closest, and what became of them."""
    if patient not in ranks.index:
        return []
    own = ranks.loc[[patient]].dropna(axis=1)  # by the methods that predicted the patient
    squares = (ranks[own.columns] - own.iloc[0]) ** 2
    apart = squares.sum(axis=1, skipna=False).dropna().drop(patient)
    outcome = run.outcomes
    place = {who: i for i, who in enumerate(outcome.patients)}
    chosen = apart.sort_values(kind="stable").head(MOST_ALIKE).index
    return [{"patient": str(who), "became": _became(outcome, place[who])} for who in chosen if who in place]


def _stemmed(explained: Mapping[str, KeptExplanation]):
    return zip(explained.items(), stems_of(explained).values(), strict=True)


def _method(run: Run, kept: KeptExplanation, stem: str) -> dict[str, Any]:
    about = kept.about
    table = run.method(about.method).predictions
    own = table[table["patient_id"] == about.patient]
    share = float((table["risk"] < float(own["risk"].iloc[0])).mean()) if len(own) else float("nan")
    figures = []
    for name, frame, label in (("gene_groups", kept.gene_groups, "group"), ("genes", kept.genes, "gene")):
        if len(frame):
            figures.append(_contributions(frame, about.method, label, f"{stem}-{name}", SENTENCES[name]))
    worths = [
        (row["modality"], *(number(row[column], sign=True) for column in ("shapley", "without")))
        for row in kept.modalities.to_dict("records")
    ]
    return {
        "title": about.method,
        "log_risk": number(about.log_risk, 2),
        "above": f"{100 * share:.0f} %",
        "slides": [_slide(run, kept, slide.slide) for slide in about.slides],
        "figures": figures,
        "worths": [MODALITY_HEAD, *worths] if worths else [],
        "notes": about.notes,
        "folder": f"../explanations/{kept.files.folder.parent.name}/{kept.files.folder.name}",
    }


def _slide(run: Run, kept: KeptExplanation, slide: str) -> dict[str, Any]:
    pictures = []
    for told in kept.about.maps:
        there = {word: kept.picture(slide, told.name, ending) for word, ending in ENDINGS.items()}
        if (shown := there["PNG"]) is None:
            continue
        files = [(word, f"../{path.relative_to(run.folder).as_posix()}") for word, path in there.items() if path]
        pictures.append(
            {
                "source": jpeg_source(shown),
                "words": told.name.replace("_", " "),
                "meaning": told.meaning,
                "judged": judgement(kept.faithfulness, told.name),
                "files": files,
            }
        )
    panel = kept.files.panel(slide)
    together = f"../{panel.relative_to(run.folder).as_posix()}" if panel.is_file() else ""
    return {"slide": slide, "pictures": pictures, "together": together}


def _contributions(table: pd.DataFrame, method: str, label: str, prefix: str, caption: str) -> dict[str, object]:
    scores = table.groupby(label, sort=False)["integrated_gradients"].sum()
    largest = scores.reindex(scores.abs().sort_values(ascending=False, kind="stable").index[:MOST_GENES])
    data = pd.DataFrame({"method": method, "name": largest.index, "value": largest.to_numpy(float)})
    told = "; ".join(f"{row['name']} {number(row['value'], sign=True)}" for row in data.head(5).to_dict("records"))
    return {"svg": _svg("contributions", data, {}, prefix, f"{caption}: {told}"), "caption": caption}


def _svg(figure: str, data: pd.DataFrame, colours: Mapping[str, str], prefix: str, alt: str) -> Markup:
    return Markup(inline_svg(render(figure, data, colours), prefix, str(Markup.escape(alt))))


def _facts(run: Run, patient: str) -> list[tuple[str, str]]:
    outcome = run.outcomes
    at = outcome.patients.index(patient) if patient in outcome.patients else None
    followed = "unknown" if at is None else _became(outcome, at)
    splits = run.splits
    tested = splits[(splits["patient_id"] == patient) & (splits["part"] == "test")]["fold"]
    folds = ", ".join(str(fold) for fold in tested) or "none"
    return [("Follow-up", followed), ("Held out in fold", folds)]


def _became(outcome: Outcome, at: int) -> str:
    other = outcome.competing is not None and outcome.competing[at]
    what = "event" if outcome.event[at] else "another event, which came first," if other else "last seen without event"
    return f"{what} at month {outcome.time[at]:.1f}"


def _curves(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Each row of predictions as a curve from 1 at month 0; none of a run from before predictions told their months."""
    survival, months = (table[numbered_columns(table, prefix)].to_numpy(float) for prefix in ("S_", "months_"))
    if survival.shape != months.shape:
        return pd.DataFrame(columns=["method", "patient_id", "months", "survival"])
    told = {
        "method": method,
        "patient_id": table["patient_id"].repeat(survival.shape[1] + 1).to_numpy(),
        "months": np.pad(months, ((0, 0), (1, 0))).ravel(),
        "survival": np.pad(survival, ((0, 0), (1, 0)), constant_values=1.0).ravel(),
    }
    return pd.DataFrame(told).dropna()


def _behind(run: Run) -> str:
    return next(iter(run.methods))


def _chances(curves: pd.DataFrame) -> list[tuple[str, ...]]:
    """Month by month what each method says: a head, and a row a method."""
    if not len(curves):
        return []
    own = curves[(curves["patient_id"] == "") & (curves["months"] > 0)]
    counts = max(len(rows) for _, rows in own.groupby("method"))
    head = ("Method", *(f"end of interval {i + 1}" for i in range(counts)))
    rows = []
    for method, told in own.groupby("method", sort=False):
        cells = [f"{100 * s:.0f} % at month {m:.1f}" for s, m in zip(told["survival"], told["months"], strict=True)]
        rows.append((str(method), *cells, *[""] * (counts - len(cells))))
    return [head, *rows]


def _curve_words(curves: pd.DataFrame) -> str:
    own = curves[curves["patient_id"] == ""]
    last = own.groupby("method", sort=False).tail(1)
    told = [
        f"{row['method']} {100 * row['survival']:.0f} % at month {row['months']:.0f}" for row in last.to_dict("records")
    ]
    return f"Predicted chance to have had no event: {'; '.join(told)}"
