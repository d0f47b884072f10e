"""The checklist of TRIPOD+AI, filled in as far as a run tells; what it cannot tell is left to the authors.

Collins et al.: TRIPOD+AI statement. BMJ 2024. The items are in our words.
"""

from dataclasses import dataclass

from prognoscope.analysis.clinical_words import spoken
from prognoscope.analysis.risk_cuts import cut_from
from prognoscope.analysis.standings import MAIN, best_method, ranking
from prognoscope.core.words import count, listed
from prognoscope.report.learning_words import learning_sentences
from prognoscope.report.markdown_text import escaped
from prognoscope.report.number_words import interval, number
from prognoscope.report.sections.paper_words import (
    binned_by,
    cards_of,
    encoder_words,
    has_weights,
    keeps_genes,
    patch_words,
)
from prognoscope.runs.read import Run

NOT_TOLD = "Not told by the run."
ITEMS = (
    ("1", "Title", "Says that a prediction model is developed or evaluated, for whom, and of what"),
    ("2", "Abstract", "Follows TRIPOD+AI for abstracts"),
    ("3a", "Background", "The clinical setting, and why the model is needed"),
    ("3b", "Background", "Who is to use it, for whom, at which point of care"),
    ("3c", "Background", "Known inequalities in health between groups"),
    ("4", "Objectives", "Whether the study develops, evaluates, or both"),
    ("5a", "Data", "Where the data come from, for development and for evaluation"),
    ("5b", "Data", "From when to when patients were entered, and followed"),
    ("6a", "Participants", "The setting: how many centres, where"),
    ("6b", "Participants", "Who was eligible"),
    ("6c", "Participants", "Treatments received"),
    ("7", "Data preparation", "How data were prepared, checked and harmonised"),
    ("8a", "Outcome", "What is predicted, over which time, and how it was found out"),
    ("8b", "Outcome", "Who judged the outcome, where it takes judgement"),
    ("8c", "Outcome", "Whether the outcome was judged without knowing the predictors"),
    ("9a", "Predictors", "How the first predictors were chosen"),
    ("9b", "Predictors", "All predictors, and how they were measured"),
    ("9c", "Predictors", "Who judged predictors, where it takes judgement"),
    ("10", "Sample size", "How it was arrived at"),
    ("11", "Missing data", "What was done about it"),
    ("12a", "Analytical methods", "How data were used: partitions, and for what"),
    ("12b", "Analytical methods", "How predictors were handled: scaling, transformation"),
    ("12c", "Analytical methods", "Which models, why, how they were built, and how settings were chosen"),
    ("12d", "Analytical methods", "Differences between centres or clusters"),
    ("12e", "Analytical methods", "How performance was measured, and models compared"),
    ("12f", "Analytical methods", "Whether the model was updated after its evaluation"),
    ("12g", "Analytical methods", "How predictions are made when the model is evaluated"),
    ("13", "Class imbalance", "Whether and how it was handled"),
    ("14", "Fairness", "What was done about it, and why"),
    ("15", "Model output", "What the model gives, and how classes and thresholds were set"),
    ("16", "Training and evaluation", "How patients differ between development and evaluation"),
    ("17", "Ethical approval", "Who approved, and how patients consented"),
    ("18a", "Open science", "Who paid, and their part in the study"),
    ("18b", "Open science", "Conflicts of interest"),
    ("18c", "Open science", "Where the protocol is"),
    ("18d", "Open science", "Where the study is registered"),
    ("18e", "Open science", "Where the data are"),
    ("18f", "Open science", "Where the code is"),
    ("19", "Patients and public", "How they took part"),
    ("20a", "Participants", "Their flow through the study, with events and follow-up"),
    ("20b", "Participants", "Their characteristics, with what is missing"),
    ("20c", "Participants", "How those of the evaluation compare with those of development"),
    ("21", "Model development", "Patients and events in each analysis"),
    ("22", "Model specification", "The whole model, so that others can predict with it"),
    ("23a", "Model performance", "With intervals, also in subgroups"),
    ("23b", "Model performance", "How it differs between centres or clusters"),
    ("24", "Model updating", "Its results"),
    ("25", "Interpretation", "The main results, with fairness and earlier studies"),
    ("26", "Limitations", "Of the study, and what they may do to its results"),
    ("27a", "Usability", "What to do when input is poor or missing"),
    ("27b", "Usability", "Who must do what to use it, and with which expertise"),
    ("27c", "Usability", "What is to be studied next"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist."""

    number: str
    topic: str
    asks: str
    answer: str  # `NOT_TOLD` where the authors must say it


def tripod_items(run: Run) -> list[Item]:
    """The checklist of a run."""
    answers = _answers(run)
    return [Item(number, topic, asks, answers.get(number) or NOT_TOLD) for number, topic, asks in ITEMS]


def tripod_markdown(run: Run) -> str:
    """The checklist as a file for a submission's supplement."""
    items = tripod_items(run)
    told = sum(item.answer != NOT_TOLD for item in items)
    lines = [f"# TRIPOD+AI checklist: {escaped(run.title)}", ""]
    lines += [
        f"{told} of {len(items)} items are filled in from the run; the others are for the authors. The items are in "
        "our words; the statement is Collins et al., BMJ 2024;385:e078378.",
        "",
        "| Item | Topic | Asks for | Answer | Page |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {item.number} | {item.topic} | {item.asks} | {escaped(item.answer)} | |" for item in items]
    return "\n".join(lines) + "\n"


def _answers(run: Run) -> dict[str, str]:
    cards, known, outcome = cards_of(run), run.provenance, run.held_out
    events = int(outcome.event.sum())
    people = f"{count(len(outcome), 'patient')}, {events} with an event"
    people += "" if outcome.competing is None else f" and {outcome.competing.sum()} with another one first"
    sites = run.patients["site"][run.patients["site"] != ""].nunique()
    encoder, patches = encoder_words(run, cards), patch_words(cards)
    covariates = [spoken(str(name)) for name in run.covariates]
    seen = [f"slides in patches of {patches}, encoded by {encoder}"] * bool(encoder and patches)
    seen += [f"slides encoded by {encoder}"] * bool(encoder and not patches)
    genes = next((c.sizes.get("group_sizes") for c in cards.values() if c.preparation.get("omics")), None)
    seen += [f"{sum(genes)} genes in {count(len(genes), 'group')}"] if genes else []
    seen += [f"clinical covariates: {listed(covariates, 20)}"] if covariates else []
    scaled = ["numeric covariates"] * bool(covariates) + ["genes"] * bool(genes and not keeps_genes(cards))
    cuts = {cut_from(run, name) for name in run.methods}
    folds, searched = len(run.fold_numbers), not run.settings.empty
    grouped, kept = sites > 1 and not run.has_competing, has_weights(run)
    has_subgroups = grouped or bool(covariates and not run.has_competing)
    left = run.account[run.account["dropped"] > 0]
    dropped = [f"{row['dropped']:.0f} at \u201c{row['step']}\u201d" for row in left.to_dict("records")]
    gaps = [f"{row['covariate']} of {row['missing']}" for row in known.covariates if row.get("missing", "0") != "0"]
    settings = "chosen by a search on inner folds" if searched else "fixed beforehand, as each method's recipe has them"
    answers = {
        "4": f"Develops and evaluates internally {count(len(run.methods), 'method')}; there is no external evaluation.",
        "5a": f"The study {run.title}; input files and their SHA-256 are in the report's provenance."
        if known.inputs
        else "",
        "6a": f"{sites} sites, see table 1 of the report." if sites else "",
        "6b": f"Left out: {listed(dropped, 20)}." if dropped else "Nobody was left out." * bool(len(run.account)),
        "7": "; ".join([*seen, *known.warnings]) + "." if seen else "",
        "9b": f"{'; '.join(seen)}." if seen else "",
        "10": f"All patients there were: {people}. No calculation of the sample size is told.",
        "11": f"Missing were {listed(gaps, 20)}; filled with what the training patients of a fold have."
        if gaps
        else "No covariate was missing." * bool(covariates),
        "12a": f"{count(folds, 'fold')}, {run.protocol or 'unknown'} protocol: training, "
        + "an inner validation part, " * ("validation" in set(run.splits["part"]))
        + f"and a held-out part{' that is predicted once' * (run.protocol == 'honest')}.",
        "12b": f"{listed(scaled).capitalize()} were standardised and gaps filled by each fold's training part. "
        * bool(scaled)
        + f"Time bins were fitted to {binned_by(cards)}.",
        "12c": f"{listed(list(run.methods), 40)}; settings were {settings}. Recipes are in the report (For a paper).",
        "12d": "Performance by site is in the report's subgroups, which are exploratory." if grouped else "",
        "12e": "Wolbers' C-index, integrated Brier score, calibration, cumulative incidence of groups; paired "
        "bootstrap and corrected t-test."
        if run.has_competing
        else "Harrell's and Uno's C-index, time-dependent AUC, integrated Brier score, calibration, decision curves, "
        "what is added to covariates; paired bootstrap and corrected t-test.",
        "12f": "No.",
        "12g": f"By the model of the fold that did not see the patient{'; its weights lie in the run folder' * kept}.",
        "13": "The likelihood takes censoring into account; how patients were drawn is in each model's card.",
        "14": "Nothing was done in training"
        + ("; hazard ratios by each covariate and site are in the report's subgroups." if has_subgroups else "."),
        "15": ("One minus the cumulative incidence" if run.has_competing else "Survival")
        + " at the ends of time bins, and a risk, higher being worse. Groups of high and low risk are cut "
        + ("at the median of a fold's training part." if cuts == {"train"} else "at the median of predicted risks."),
        "16": "Both are parts of one cohort; the sizes of the parts of each fold are in the report (Patients).",
        "18f": f"Prognoscope {known.versions['prognoscope']}" if "prognoscope" in known.versions else "",
        "20a": f"{people}; the account of patients and median follow-up are in the report.",
        "20b": "Table 1 of the report.",
        "20c": "Patients and events of each part of each fold are in the report (Patients).",
        "21": f"{people}, of whom each fold trains on those that it does not hold out.",
        "22": "Weights and cards of every fold lie in the run folder; `prognoscope predict` applies them."
        if kept
        else "Cards of every fold lie in the run folder; weights were not kept.",
        "23a": _performance(run),
        "23b": "In the report's subgroups by site." if grouped else "",
        "24": "Not updated.",
        "26": " ".join(
            [
                "Internal evaluation only.",
                *(f"{name}: {why}." for name, why in run.optimistic.items()),
                *learning_sentences(run),
            ]
        ),
        "27a": "`prognoscope predict` refuses what it cannot use, and says which covariates were filled in.",
    }
    return {number: answer.strip() for number, answer in answers.items()}


def _performance(run: Run) -> str:
    ranked = ranking(run, MAIN)
    told = []
    for name in ranked:
        row = run.summary(name, MAIN, common=True)
        if row is not None:
            spread = interval(row["low"], row["high"])
            told.append(f"{name} {number(row['value'])}{f' ({spread})' if spread else ''}")
    if not told:
        return ""
    best = best_method(run, MAIN)
    stands = f"{best} stands above all others" if best else "no method stands above all others"
    return f"C-index (95 % interval): {listed(told, 40)}; {stands}. All other measures are in the report."
