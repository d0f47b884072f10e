"""What a study's methods need, and whether the cohort has it."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from prognoscope.cohort.cohort import WORDS, Cohort
from prognoscope.core.errors import ModelError, OmicsError, some
from prognoscope.models.base import Sizes, SurvivalModel
from prognoscope.models.registry import create_model, list_models, model_class
from prognoscope.omics.differential import need_rule
from prognoscope.study.spec import MethodSection, StudySpec
from prognoscope.training.optimizer import make_optimizer

CURES = {
    "bag": "Give cohort.slides or cohort.features in the study file",
    "omics": "Give cohort.omics in the study file",
    "clinical": "Name columns in cohort.clinical.covariates",
}
EXAMPLE = Sizes(n_bins=4, embedding_dim=1024, group_sizes=(80, 320, 500, 450, 1500, 450), n_clinical=2, n_subtypes=2)


def needs_of(spec: StudySpec, cohort: Cohort, sizes: Sizes) -> frozenset[str]:
    """All that any of the study's methods needs, after each was made once: a wrong option costs no time.

    Raises:
        ModelError: A method needs what the cohort lacks, or has no such option; says what to do.
    """
    needs: set[str] = set()
    has = {what for what in CURES if cohort.having(what)}
    for method in spec.methods:
        kind = model_class(method.name)
        if missing := sorted((kind.needs | (kind.learns_from & set(CURES))) - has):
            only = " to learn from, though not to predict" if not set(missing) & kind.needs else ""
            raise ModelError(
                f"{method.title} needs {' and '.join(WORDS[what] for what in missing)}{only}, and "
                f"{_lack(missing[0], cohort)}, or take {method.title} off the list of methods."
            )
        try:
            model = create_model(method.name, sizes=sizes, **method.options)
        except ModelError as cause:
            raise ModelError(
                str(cause) if str(cause).startswith(method.name) else f"{method.title}: {cause}"
            ) from cause
        except (TypeError, ValueError, RuntimeError) as cause:  # whatever a constructor of torch makes of a wrong value
            options = ", ".join(f"{name}: {value!r}" for name, value in method.options.items())
            raise ModelError(
                f"{method.title} cannot be made with {{{options}}}: {str(cause).splitlines()[0].rstrip('.')}. "
                "Correct the option in methods."
            ) from cause
        selection = kind.gene_selection(method.options)
        if selection is not None and cohort.omics is not None:
            try:
                need_rule(cohort.omics.values, selection)
            except OmicsError as cause:
                raise OmicsError(f"{method.title}: {cause}") from cause
        if not model.fits_at_once:
            _try_recipe(model, method)
        needs |= model.needs | (model.learns_from & set(CURES))
    return frozenset(needs)


def _try_recipe(model: SurvivalModel, method: MethodSection) -> None:
    try:
        make_optimizer(model, replace(model.recipe, **method.training.recipe))
    except ModelError as cause:
        raise ModelError(f"{method.title}: {cause}") from cause


def _lack(what: str, cohort: Cohort) -> str:
    """Why no patient has what is needed, and the cure: nothing was given, or what was given is of others."""
    if what == "omics" and cohort.omics is not None:
        ours, theirs = some(cohort.patients, 2), some(cohort.omics.values.index, 2)
        return f"the gene tables tell of {theirs}, the outcomes of {ours}. Write the ids of patients alike"
    if what == "clinical" and cohort.covariates is not None:
        return f"every value of {some(cohort.covariates)} is missing. Fill them in"
    return f"no patient has {'any' if what == 'clinical' else 'them'}. {CURES[what]}"


def count_parameters(model: SurvivalModel) -> int:
    """Numbers that are learned."""
    return sum(value.numel() for value in model.parameters())


def methods_table(names: Iterable[str] = ()) -> pd.DataFrame:
    """A row a method: what it needs, what it learns from besides, its size, its paper.

    The size is for 1024-d embeddings and six gene groups of 3300 genes together.
    """
    rows = []
    for name in names or list_models():
        kind = model_class(name)
        model = create_model(name, sizes=EXAMPLE)
        learns = sorted(kind.learns_from - kind.needs)
        needs = " + ".join(WORDS[what] for what in sorted(kind.needs))
        rows.append(
            {
                "method": name,
                "needs": "covariates or genes" if kind.fits_at_once else needs,
                "learns from besides": " + ".join(WORDS.get(what, what) for what in learns),
                "parameters": f"{count_parameters(model):,}" if not kind.fits_at_once else "one each",
                "paper": kind.paper,
            }
        )
    return pd.DataFrame(rows)
