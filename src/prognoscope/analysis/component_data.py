"""What a method split its held-out patients into: a map of one fold, and silhouettes of all; Zhou et al. (CCL), Fig. 8.

Components of two folds lie in spaces of two models, so no map holds more than one fold.
"""

from functools import lru_cache
from importlib.util import find_spec

import numpy as np
import pandas as pd
from jaxtyping import Float

from prognoscope.analysis.risk_cuts import high_risk
from prognoscope.core.errors import MetricError
from prognoscope.core.loading import load
from prognoscope.evaluation.silhouette import silhouettes
from prognoscope.runs.read import Run

EVERYBODY = "All patients"  # where there are no two risk groups
PERPLEXITY = 30.0  # at most; a third of the points less one where they are few
NO_TSNE = (
    "A map of components needs scikit-learn, which is not installed. Install prognoscope[tsne] -c constraints.txt and "
    "make the page again with `prognoscope report`."
)
COLUMNS = ["method", "fold", "component", "patients", "silhouette", "risk_silhouette"]


def component_map(run: Run, method: str, fold: int | None = None, *, seed: int = 0) -> pd.DataFrame:
    """The components of the held-out patients of one fold in a plane by t-SNE: a row a patient and component.

    Perplexity 30, or as much as the points allow; principal components as the start; no scaling.

    Args:
        fold: The first one that kept components, by default.

    Returns:
        method, optimistic, fold (text), patient_id, component, group (of risk, as the Kaplan-Meier curves have it), x,
        y, silhouette (of the component among the components, in its own space); no rows where there are no components.

    Raises:
        MetricError: There is no t-SNE, or there are too few patients for it.
    """
    found = run.methods[method].components
    if not found:
        return pd.DataFrame()
    fold = min(found) if fold is None else fold
    if find_spec("sklearn") is None:
        raise MetricError(NO_TSNE)
    components, patients = found[fold], run.methods[method].tested[fold]["patient_id"].tolist()
    points = np.concatenate(list(components.values()))
    names = np.repeat(list(components), len(patients))
    place = _plane(points.astype(np.float32).tobytes(), points.shape, seed)
    return pd.DataFrame(
        {
            "method": method,
            "optimistic": method in run.optimistic,
            "fold": str(fold),
            "patient_id": patients * len(components),
            "component": names,
            "group": _group_of(run, method).loc[patients].tolist() * len(components),
            "x": place[:, 0],
            "y": place[:, 1],
            "silhouette": silhouettes(points, names),
        }
    )


def component_silhouettes(run: Run, method: str) -> pd.DataFrame:
    """How far components keep apart, and within each of them the risk groups: a row a fold and component.

    Returns:
        COLUMNS; the mean silhouettes of P patients, risk_silhouette NaN where a fold has one risk group.
    """
    rows, group = [], _group_of(run, method)
    for fold, components in run.methods[method].components.items():
        patients = run.methods[method].tested[fold]["patient_id"].tolist()
        names = np.repeat(list(components), len(patients))
        apart = silhouettes(np.concatenate(list(components.values())), names)
        of_patients = group.loc[patients].to_numpy()
        for name, values in components.items():
            by_risk = np.nan if len(set(of_patients)) < 2 else float(silhouettes(values, of_patients).mean())
            rows.append((method, fold, name, len(patients), float(apart[names == name].mean()), by_risk))
    return pd.DataFrame(rows, columns=COLUMNS)


@lru_cache(maxsize=8)  # a page is made again and again while its run goes on
def _plane(points: bytes, shape: tuple[int, int], seed: int) -> Float[np.ndarray, "n 2"]:
    perplexity = min(PERPLEXITY, (shape[0] - 1) / 3)
    if perplexity < 1:
        raise MetricError(f"{shape[0]} points are too few for a map.")
    # by name, so that a checker of types need not read all of scikit-learn
    plane = load("sklearn.manifold:TSNE")(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    return plane.fit_transform(np.frombuffer(points, dtype=np.float32).reshape(shape)).astype(np.float64)


def _group_of(run: Run, method: str) -> pd.Series:
    """The risk group of each held-out patient."""
    patients = run.methods[method].predictions["patient_id"].tolist()
    try:
        is_high = high_risk(run, method)
    except MetricError:  # nobody is at higher risk than another
        return pd.Series(EVERYBODY, index=patients)
    return pd.Series(np.where(is_high, "High risk", "Low risk"), index=patients)
