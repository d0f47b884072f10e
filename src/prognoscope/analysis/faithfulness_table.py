"""How far the maps of a run's methods say what the models do, over all patients who were explained."""

from collections.abc import Iterable

import pandas as pd

from prognoscope.runs.explanations import KeptExplanation

RATIOS = {"deletion": "deletion_area", "insertion": "insertion_area"}  # column -> measure, beside that of random orders
PLAIN = {
    "shuffled weights": "randomisation_correlation",
    "other folds": "fold_stability",
    "AUROC tumour": "auroc_tumour",
    "AUROC prognostic": "auroc_prognostic",
    "AUROC genes": "auroc_genes",
}
HANGS_LITTLE = 0.5  # correlation with the map of shuffled weights from which on a map hangs little on what was learned


def faithfulness_table(kept: Iterable[KeptExplanation]) -> pd.DataFrame:
    """A row a method and map, the mean over patients: `deletion` and `insertion` in log risk, each beside `random`, and
    what `PLAIN` names; the columns that nobody has are left out."""
    rows = [each.faithfulness.assign(method=each.about.method, patient=each.about.patient) for each in kept]
    if not any(len(each) for each in rows):
        return pd.DataFrame()
    together = pd.concat([each for each in rows if len(each)], ignore_index=True)
    means = together.pivot_table("value", ["method", "map"], "measure", sort=False)
    counts = together.groupby(["method", "map"], sort=False)["patient"].nunique()
    columns: dict[str, pd.Series] = {"patients": counts}
    for name, measure in RATIOS.items():
        if measure in means:
            columns |= {name: means[measure], f"random {name}": means[f"random_{measure}"]}
    columns |= {name: means[measure] for name, measure in PLAIN.items() if measure in means}
    return pd.DataFrame(columns).reset_index()


def judgement(faithfulness: pd.DataFrame, name: str) -> str:
    """What the measures say of one map of one patient, as a sentence or two; "" where nothing was measured."""
    rows = faithfulness[faithfulness["map"] == name]
    told = dict(zip(rows["measure"], rows["value"], strict=True))
    said = []
    deleted, by_chance = told.get("deletion_area"), told.get("random_deletion_area")
    if deleted is not None and by_chance is not None:
        moved = f"without its top patches the log risk moves by {deleted:.3f}, without random ones by {by_chance:.3f}"
        is_faithful = deleted > by_chance
        said.append(f"Faithful by deletion: {moved}." if is_faithful else f"Not faithful: {moved}.")
    unlearned = told.get("randomisation_correlation")
    if unlearned is not None and abs(unlearned) > HANGS_LITTLE:
        said.append(f"It hangs little on what was learned: shuffled weights give a like map (r = {_told(unlearned)}).")
    elif unlearned is not None:
        said.append(f"Shuffled weights give another map (r = {_told(unlearned)}).")
    if (stable := told.get("fold_stability")) is not None:
        said.append(f"Other folds' models agree by r = {_told(stable)}.")
    return " ".join(said)


def _told(correlation: float) -> str:
    return f"{round(correlation, 2) + 0.0:.2f}"  # never -0.00
