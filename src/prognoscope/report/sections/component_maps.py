"""What methods that split their input made of held-out patients: a map of one fold, and silhouettes of all."""

from typing import Any

import pandas as pd

from prognoscope.analysis.component_data import component_map, component_silhouettes
from prognoscope.core.errors import MetricError
from prognoscope.report.group_figures import COMPONENTS
from prognoscope.report.number_words import DASH, is_number, number
from prognoscope.report.page_section import Absence, Plate, Section
from prognoscope.report.style import stems_of
from prognoscope.runs.read import Run


def component_content(run: Run) -> dict[str, Any]:
    """The silhouettes as text; nothing where no method has components."""
    parts = [component_silhouettes(run, name) for name, method in run.methods.items() if method.components]
    return {"rows": _rows(pd.concat(parts))} if parts else {}


def component_plates(run: Run) -> list[Plate | Absence]:
    """A map a method that has components."""
    return [_map(run, name, stem) for name, stem in stems_of(run.methods).items() if run.methods[name].components]


def _map(run: Run, name: str, stem: str) -> Plate | Absence:
    try:
        data = component_map(run, name)
    except MetricError as cause:
        return Absence(f"{name}: no map. {cause}")
    means = data.groupby("component", sort=False)["silhouette"].mean()
    said = ", ".join(f"{_called(component)} {number(mean, 2)}" for component, mean in means.items())
    patients = data["patient_id"].nunique()
    caption = (
        f"Components of the {patients} held-out patients of fold {data['fold'].iloc[0]}, placed by t-SNE. Mean "
        f"silhouettes in their own space: {said}."
    )
    alt = f"{name}: a point for each of {patients} patients and component, coloured by component. {caption}"
    return Plate("components", f"components_{stem}", data, caption, alt)


def _called(component: object) -> str:
    return COMPONENTS.get(str(component), (str(component), ""))[0].lower()


def _rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    rows = []
    for (method, component), each in table.groupby(["method", "component"], sort=False):
        apart, by_risk = (each[name] for name in ("silhouette", "risk_silhouette"))
        cells = (_spread(apart), _spread(by_risk.dropna()))
        rows.append((f"{method}: {_called(component)}", str(len(each)), *cells))
    header = (
        "Component",
        "Folds",
        "Among components: mean (least to most)",
        "Risk groups within: mean (least to most)",
    )
    return [header, *rows]


def _spread(values: pd.Series) -> str:
    if not len(values) or not is_number(values.mean()):
        return DASH
    return f"{number(values.mean(), 2)} ({number(values.min(), 2)} to {number(values.max(), 2)})"


SECTION = Section("components", "Components", component_content, component_plates)
