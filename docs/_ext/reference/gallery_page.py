"""The page that shows each figure of a report, drawn from a small simulated run, with how to read it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.study.study import Study

SETTINGS = [
    "methods=[coxph, snn, {name: abmil, vary: {hidden_dim: [16, 64]}}]",
    "training={epochs: 6, patients_per_step: 8, learning_rate: 0.001}",
    "splits.folds=3",
    "evaluation={draws: 100, surgery: false}",
]
OF_METHOD = "coxph"  # whose figure is shown where each method has one
OF_NETWORK = "snn"
FIGURES = {  # figure -> how it is called, and how it is read
    "c_index": (
        "C-index",
        "A diamond is a method's mean over folds, its line the 95 % interval, a ring each fold. Hollow "
        "diamonds know the truth of the simulation.\n"
        "An interval that crosses 0.5 has shown nothing. Compare methods in the next figure, not by whether "
        "their intervals overlap.",
    ),
    "differences": (
        "Paired differences",
        "The best method minus each other one, on the same patients. Filled where the interval leaves zero "
        "out.\n"
        "This is the figure that says whether one method is better than another.",
    ),
    "survival": (
        "Survival by risk group",
        "Kaplan-Meier curves of the patients above and below the cut that training patients gave, with bands, "
        "marks of censoring and numbers at risk.\n"
        "Curves far apart are two groups; read them only as far as enough patients are at risk.",
    ),
    "incidence": (
        "Cumulative incidence by risk group",
        "The same where other events compete: how many had the event by then, and how many another one.\n"
        "Drawn only for cohorts with competing events.",
    ),
    "calibration": (
        "Calibration",
        "Patients in groups of similar prediction: what was predicted to the right, what came upwards.\n"
        "On the diagonal, probabilities can be taken at their word. Below it, too many were said to live.",
    ),
    "auc_over_time": (
        "AUC over time",
        "How well risk tells who has had the event by a month from who has not.\n"
        "A line that falls says that a method knows the near future better than the far one.",
    ),
    "brier_over_time": (
        "Brier score over time",
        "The squared distance between predicted survival and what came; lower is better.\n"
        "A method above the line of Kaplan and Meier predicts worse than giving everybody the same curve.",
    ),
    "decision_curve": (
        "Net benefit",
        "What treating by the model's word is worth at each threshold, beside treating everybody and nobody.\n"
        "A model is of use only at thresholds where its line is the highest.",
    ),
    "hazard_ratios": (
        "Hazard ratios",
        "How many times higher the hazard is for one standard deviation more of a method's risk, covariates "
        "being equal.\n"
        "An interval that holds one has shown nothing.",
    ),
    "added_value": (
        "Added value",
        "The C-index of covariates and a method's risk together, minus that of the covariates alone.\n"
        "A method may have a good C-index and add nothing that age and stage had not said.",
    ),
    "subgroups": (
        "Subgroups",
        "The hazard ratio of the method's risk within groups of patients.\n"
        "Groups are small: look for what contradicts, not for the largest.",
    ),
    "loss": (
        "Loss by epoch",
        "A thin line for each fold, a thick one for their mean, a ring where the epoch was chosen.\n"
        "Validation that rises while training falls is learning by heart.",
    ),
    "epoch_c_index": (
        "C-index by epoch",
        "On validation patients, who choose, and on held-out ones, who do not.\n"
        "A held-out line that jumps about shows what picking its best epoch would have bought.",
    ),
    "optimism": (
        "Optimism",
        "From `prognoscope optimism`: what the best epoch on the reported fold adds to methods, and to noise.\n"
        "It is what to take off a published number that was chosen so.",
    ),
    "sweep": (
        "A sweep",
        "A method at several values of one setting, each minus its own value of it, paired.\n"
        "Intervals that hold zero say that the setting does not matter here.",
    ),
    "group_means": (
        "Means of groups",
        "Months of patients at high and at low risk, and risks of those below and above the median of months.\n"
        "Plainer than curves, and blind to censoring: the curves count.",
    ),
    "reconstruction": (
        "Genes told from slides",
        "For methods that learn to tell genes: how well each group was told on test patients.\n"
        "Near zero, the slide said nothing of that group.",
    ),
    "components": (
        "Components",
        "What a method that splits its input made of the test patients, in two dimensions.\n"
        "Colours that part say that a component has a meaning of its own.",
    ),
    "comparison": (
        "Methods over cohorts",
        "From `prognoscope compare`: how far each method is from the best one, a ring for each cohort.\n"
        "Read it as paired differences, with zero the best method.",
    ),
    "patient_survival": (
        "One patient's survival",
        "On the page of a patient who was explained: the curve of each fold and their mean.\n"
        "Folds that disagree say how sure the method is.",
    ),
    "contributions": (
        "What a prediction rests on",
        "Beside it: what each gene group, covariate or modality added to the risk.\n"
        "To the right, it raised the risk. How far that can be believed is measured next to it.",
    ),
}


def gallery_page() -> tuple[str, dict[str, str]]:
    """The page, and the pictures it shows, by name: the text of SVG files."""
    pictures = _pictures()
    lines = [
        "# Gallery",
        "",
        "The figures of a report, drawn here from a small simulated cohort (three methods, few epochs: the forms "
        "count, not the numbers). Beside each in a run's `figures` lies a CSV file of what it shows, and "
        "`prognoscope.plot` draws it from that again.",
    ]
    for name, (title, words) in FIGURES.items():
        lines += ["", f"## {title}", ""]
        if name in pictures:
            lines += [f"![{title}](gallery/{name}.svg)", ""]
        lines += words.split("\n")
    return "\n".join(lines) + "\n", pictures


def _pictures() -> dict[str, str]:
    with TemporaryDirectory() as folder, _quiet():
        study = simulate_cohort(Path(folder) / "cohort", patients=80, seed=2, features_only=True, bag_sizes=(5, 20))
        run = Study.load(study, SETTINGS).run()
        return {name: text for name in FIGURES if (text := _drawn(run.run.files.figures, name)) is not None}


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of what the run tells goes into the log of the build."""
    ours = logging.getLogger("prognoscope")
    before, ours.propagate = ours.propagate, False
    try:
        yield
    finally:
        ours.propagate = before


def _drawn(figures: Path, name: str) -> str | None:
    for path in [figures / f"{name}{which}.svg" for which in ("", f"_{OF_METHOD}", f"_{OF_NETWORK}")]:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return next((path.read_text(encoding="utf-8") for path in sorted(figures.glob(f"{name}_*.svg"))), None)
