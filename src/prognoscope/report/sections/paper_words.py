"""How it was done, in the words of a paper, with the recipes and whom to cite."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from prognoscope.analysis.clinical_words import spoken
from prognoscope.analysis.patient_counts import follow_up
from prognoscope.core.words import count, listed
from prognoscope.report.encoder_papers import encoder_citation
from prognoscope.report.number_words import DASH, number
from prognoscope.report.page_section import Section
from prognoscope.runs.card import ModelCard
from prognoscope.runs.read import Run
from prognoscope.runs.tables import numbered_columns

HEADER = ("Method", "Optimiser", "Rate", "Decay", "Schedule", "Epochs", "Patients a step", "Epoch chosen by", "Options")
CHOICES = {
    "validation_loss": "validation loss",
    "validation_c_index": "validation C-index",
    "last": "none: the last",
    "test_c_index": "C-index of the held-out fold",
    "latest_test_c_index": "C-index of the held-out fold, the latest best",
}
MEASURED = (
    "Discrimination was measured by Harrell's C-index, Uno's C-index and the time-dependent AUC, the error of "
    "predicted survival by the integrated Brier score, weighted for censoring by the training patients, and "
    "calibration by D-calibration. "
)
OF_CAUSES = (  # where other events compete
    "Predicted was the cumulative incidence of the event of interest; S is one minus it. Discrimination was measured "
    "by Wolbers' C-index, for which whoever had another event is free of the event ever after, and the error of what "
    "was predicted by the integrated Brier score for competing risks, weighted for censoring by the training patients. "
)
COMPARED = (
    "Values are means of the folds on held-out patients; intervals (95 %) are percentiles over {draws}bootstrap draws "
    "of patients within folds. Methods were compared in pairs on the same draws, and by a t-test over folds corrected "
    "for their overlap."
)
SOURCES = (
    "C-index: Harrell, Lee, Mark, Statistics in Medicine 1996; Uno et al., Statistics in Medicine 2011",
    "Time-dependent AUC: Uno et al., JASA 2007",
    "Brier score: Graf et al., Statistics in Medicine 1999",
    "D-calibration: Haider et al., JMLR 2020",
    "Decision curve: Vickers et al., BMC Medical Informatics and Decision Making 2008",
)
SOURCES_OF_CAUSES = (
    "C-index: Wolbers et al., Epidemiology 2009",
    "Brier score: Graf et al., Statistics in Medicine 1999; Schoop et al., Biometrical Journal 2011",
    "Cumulative incidence of groups: Gray, Annals of Statistics 1988; Fine, Gray, JASA 1999",
)
OF_ALL = (
    "t-test over folds: Nadeau, Bengio, Machine Learning 2003",
    "Reporting: Collins et al., TRIPOD+AI statement, BMJ 2024",
)


def paper_content(run: Run) -> dict[str, Any]:
    """Paragraphs, the table of recipes as text, and citations."""
    cards = cards_of(run)
    paragraphs = [
        _patients(run),
        _slides(run, cards),
        _genes(cards),
        _times(run, cards),
        _folds(run),
        (OF_CAUSES if run.has_competing else MEASURED)
        + COMPARED.format(draws="" if run.provenance.draws is None else f"{run.draws:,} "),
        _software(run),
    ]
    rows = [_recipe(name, card) for name, card in cards.items()]
    cited = [f"{name}: {paper}" for name, paper in run.provenance.papers.items()]
    sources = SOURCES_OF_CAUSES if run.has_competing else SOURCES
    encoder, left = _encoder_citation(cards)
    unknown = [] if cited else ["The run does not tell the papers of its methods; `prognoscope methods` lists them."]
    return {
        "paragraphs": [each for each in paragraphs if each],
        "recipes": [HEADER, *rows] if rows else [],
        "cited": [*cited, *([encoder] if encoder else []), *sources, *OF_ALL],
        "unknown": " ".join([*unknown, *([left] if left else [])]),
    }


def _encoder_citation(cards: Mapping[str, ModelCard]) -> tuple[str, str]:
    """As `encoder_citation`; both "" of a run without embeddings."""
    seen = [card.embeddings.get("encoder") for card in cards.values() if "embedding_dim" in card.sizes]
    return encoder_citation(next((name for name in seen if name), None)) if seen else ("", "")


def cards_of(run: Run) -> dict[str, ModelCard]:
    """Method -> the card of its first fold, of methods that have one."""
    return {name: next(iter(method.cards.values())) for name, method in run.methods.items() if method.cards}


def has_weights(run: Run) -> bool:
    """Whether the folds still have them; with `keep_models: false` they go before the page is drawn."""
    return any(each.weights.is_file() for method in run.methods.values() for each in method.files)


def encoder_words(run: Run, cards: Mapping[str, ModelCard]) -> str:
    """`stain, 370 values a patch`; "" where nothing says."""
    told = next((card for card in cards.values() if card.embeddings.get("encoder")), None)
    if told is None:
        return run.provenance.embeddings
    return f"{told.embeddings['encoder']} ({told.sizes['embedding_dim']} values a patch)"


def patch_words(cards: Mapping[str, ModelCard]) -> str:
    """`256 x 256 pixels at 0.5 um per pixel`; "" where nothing says."""
    told = next((card.embeddings for card in cards.values() if card.embeddings.get("patch_px")), None)
    if told is None:
        return ""
    px, um = told["patch_px"], told.get("um_per_px")
    return f"{px} \u00d7 {px} pixels" + (f" at {um:g} \u00b5m per pixel ({px * um:.0f} \u00b5m)" if um else "")


def _patients(run: Run) -> str:
    seen = follow_up(run)
    median = f"{number(seen['median_months'], 1)} months" if np.isfinite(seen["median_months"]) else "not reached"
    known = [spoken(str(name)) for name in run.covariates]
    covariates = f" Clinical covariates were {listed(known, 30)}." if known else ""
    other = f" and {seen['competing']:.0f} with another one first" if seen["competing"] else ""
    return (
        f"{seen['patients']:.0f} patients were studied, {seen['events']:.0f} of them with an event{other}; median "
        f"follow-up by the reverse Kaplan-Meier method was {median}.{covariates}"
    )


def _slides(run: Run, cards: Mapping[str, ModelCard]) -> str:
    encoder, patches = encoder_words(run, cards), patch_words(cards)
    if not encoder:
        return ""
    about = run.patients.reindex(list(run.held_out.patients))
    slides = about["slides"].fillna(0).sum()
    many = f"{slides:.0f} whole-slide images" if slides else "Whole-slide images"
    total = f" ({about['patches'].sum():.0f} in all)" if about["patches"].notna().any() else ""
    cut = f"were cut into patches of {patches}{total}" if patches else f"were cut into patches{total}"
    return f"{many} {cut}, which were encoded by {encoder}."


def _genes(cards: Mapping[str, ModelCard]) -> str:
    told = next((card for card in cards.values() if card.preparation.get("omics")), None)
    sizes = [] if told is None else list(told.sizes.get("group_sizes") or ())
    if not sizes:
        return ""
    groups = f"{count(len(sizes), 'group')} ({listed([str(n) for n in sizes], 12)} genes)"
    how = (
        "their values as they are"
        if keeps_genes(cards)
        else "each gene standardised by the training patients of the fold"
    )
    return f"Genes entered in {groups}, {how}."


def keeps_genes(cards: Mapping[str, ModelCard]) -> bool:
    """Whether genes enter unscaled, as `omics: {scale: none}` has it."""
    return any((card.preparation.get("omics") or {}).get("scale") == "none" for card in cards.values())


def binned_by(cards: Mapping[str, ModelCard]) -> str:
    """Whose follow-up the time bins are fitted to; their outer edges are open but for bins of everybody."""
    closed = any(card.bins[0] is not None for card in cards.values())
    return "all patients" if closed else "the training patients of the fold"


def _times(run: Run, cards: Mapping[str, ModelCard]) -> str:
    bins = sorted({len(card.bins) - 1 for card in cards.values()})
    if not bins:
        return ""
    many = " or ".join(map(str, bins))
    return (
        f"Time was divided into {many} bins at quantiles of the times of events of {binned_by(cards)}; a risk is "
        f"{_risks(run, cards)}."
    )


def _risks(run: Run, cards: Mapping[str, ModelCard]) -> str:
    """What a risk is, method by method where they differ."""
    told = run.predictions
    survival = told[numbered_columns(told, "S_")].sum(axis=1)
    own = set(told["method"][~np.isclose(told["risk"], -survival, atol=1e-4)])
    ratio = f"a log {'subdistribution ' * run.has_competing}hazard ratio"
    kinds: dict[str, list[str]] = {}
    for name in cards:
        kinds.setdefault(ratio if name in own else "minus the sum of S", []).append(name)
    return listed([kind if len(kinds) == 1 else f"{kind} ({listed(names, 40)})" for kind, names in kinds.items()])


def _folds(run: Run) -> str:
    folds, protocol = len(run.fold_numbers), run.protocol
    parts = run.splits.groupby(["fold", "part"]).size().unstack(fill_value=0) if len(run.splits) else None
    sizes = ""
    if parts is not None:
        told = [f"{parts[part].median():.0f} {word}" for part, word in PARTS.items() if part in parts]
        sizes = f" In the median, a fold had {listed(told)}."
    seed = "" if run.provenance.seed is None else f" Seed {run.provenance.seed}."
    how = f"under the {protocol} protocol " if protocol else ""
    return f"Methods were trained and tested {how}in {count(folds, 'fold')}.{sizes}{seed}"


def _software(run: Run) -> str:
    versions = run.provenance.versions
    if not versions:
        return ""
    ours = versions.get("prognoscope", "")
    others = [f"{name} {version}" for name, version in sorted(versions.items()) if name != "prognoscope"]
    return f"Prognoscope {ours} was used, with {listed(others, 12)}."


def _recipe(name: str, card: ModelCard) -> tuple[str, ...]:
    recipe, options = card.recipe, ", ".join(f"{key} {value}" for key, value in card.options.items())
    if not recipe:
        return (name, "solved at once", *[DASH] * 6, options or DASH)
    return (
        name,
        str(recipe["optimizer"]),
        f"{recipe['learning_rate']:g}",
        f"{recipe['weight_decay']:g}",
        str(recipe["schedule"]),
        str(recipe["epochs"]),
        str(recipe["patients_per_step"]),
        CHOICES.get(card.choose or "", card.choose or DASH),
        options or DASH,
    )


PARTS = {"train": "training patients", "validation": "validation patients", "test": "test patients"}
SECTION = Section("paper", "For a paper", paper_content)
