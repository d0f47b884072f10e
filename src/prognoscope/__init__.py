"""Prognoscope: how long cancer patients live, predicted from slides, genes and follow-up, under one honest protocol.

The dozen names most people need, each loaded on first use.
"""

import logging
from importlib import import_module
from importlib.metadata import version

__version__ = version("prognoscope")
logging.getLogger("prognoscope").addHandler(logging.NullHandler())  # silent, unless whoever imports it listens

_HOME = {
    "Cohort": "prognoscope.cohort.cohort",
    "Outcome": "prognoscope.core.outcome",
    "PrognoscopeError": "prognoscope.core.errors",
    "PrognoscopeSurvival": "prognoscope.study.estimator",
    "Run": "prognoscope.runs.read",
    "Study": "prognoscope.study.study",
    "SurvivalModel": "prognoscope.models.base",
    "compare": "prognoscope.evaluation.paired",
    "concordance": "prognoscope.evaluation.concordance",
    "create_model": "prognoscope.models.creation",
    "evaluate": "prognoscope.evaluation.summary",
    "explain": "prognoscope.explanation.explain",
    "fit": "prognoscope.training.loop",
    "list_models": "prognoscope.models.registry",
    "open_slide": "prognoscope.slides.readers",
    "predict": "prognoscope.training.predict",
    "predict_patients": "prognoscope.study.apply.predict",
    "simulate_cohort": "prognoscope.simulation.cohort",
    "write_report": "prognoscope.report.page",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'prognoscope' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
