"""What a study's methods need, and whether the cohort has it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from prognoscope.cohort.cohort import WORDS, Cohort
from prognoscope.core.errors import InputError, ModelError, OmicsError, StudyError, some
from prognoscope.models.base import Sizes, SurvivalModel
from prognoscope.models.registry import create_model, list_models, model_class
from prognoscope.omics.differential import need_rule
from prognoscope.omics.groups import assign_columns
from prognoscope.study.method_groups import GROUPS
from prognoscope.study.search import check_searches
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
    needs = frozenset().union(*(_needs_of(method, cohort, sizes) for method in spec.methods))
    check_searches(spec, sizes)
    return needs


def choose_methods(
    methods: Sequence[MethodSection], cohort: Cohort, sizes: Sizes
) -> tuple[tuple[MethodSection, ...], tuple[str, ...]]:
    """The methods to run; of those that `all` and its groups stand for, the ones that the cohort allows.

    Methods that are named are all kept, whether the cohort allows them or not.

    Returns:
        The methods, and for each reason to leave some out, a sentence of which and one of why.

    Raises:
        StudyError: Nothing is left of a group, or the cohort has not what the group is named after.
    """
    for group in dict.fromkeys(method.of for method in methods if method.of is not None):
        if missing := [what for what in GROUPS[group] if not cohort.having(what)]:
            raise StudyError(
                f"methods: {group} stands for methods that learn from "
                f"{' and '.join(WORDS[what] for what in GROUPS[group])}, and {_lack(missing[0], cohort)}, "
                "or take other methods."
            )
    chosen, left_out = [], []
    for method in methods:
        try:
            if method.of is not None:
                _needs_of(method, cohort, sizes)
            chosen.append(method.model_copy(update={"of": None}))
        except InputError as cause:
            left_out.append((method, _why(method, cohort) or str(cause)))
    if not chosen:
        first, why = left_out[0]
        raise StudyError(f"methods: {first.of} stands for no method that this cohort allows; of {first.title}: {why}")
    for_reason: dict[tuple[str, str], list[str]] = {}
    for method, why in left_out:
        for_reason.setdefault((method.of, why), []).append(method.title)
    told = (f"Left out of methods: {of}: {', '.join(titles)}. {why}" for (of, why), titles in for_reason.items())
    return tuple(chosen), tuple(told)


def _why(method: MethodSection, cohort: Cohort) -> str:
    """What the cohort lacks for a method, as a sentence; "" if it is something else."""
    missing = _missing(method, cohort)
    if not missing:
        return ""
    kind = model_class(method.name)
    use = "predict" if set(missing) & kind.needs else "learn"
    return f"No patient has {' and '.join(WORDS[what] for what in missing)} to {use} from."


def _missing(method: MethodSection, cohort: Cohort) -> list[str]:
    kind = model_class(method.name)
    return sorted(what for what in (kind.needs | kind.learns_from) & set(CURES) if not cohort.having(what))


def _needs_of(method: MethodSection, cohort: Cohort, sizes: Sizes) -> frozenset[str]:
    kind = model_class(method.name)
    if missing := _missing(method, cohort):
        only = " to learn from, though not to predict" if not set(missing) & kind.needs else ""
        raise ModelError(
            f"{method.title} needs {' and '.join(WORDS[what] for what in missing)}{only}, and "
            f"{_lack(missing[0], cohort)}, or take {method.title} off the list of methods."
        )
    try:
        model = create_model(method.name, sizes=sizes, **method.options)
    except ModelError as cause:
        raise ModelError(str(cause) if str(cause).startswith(method.name) else f"{method.title}: {cause}") from cause
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
    return frozenset(model.needs | (model.learns_from & set(CURES)))


def sizes_to_come(cohort: Cohort) -> Sizes:
    """Lengths as the tables announce them, to try every method's options before any work."""
    groups: dict[str, Sequence[str]] = {}
    if cohort.omics is not None:
        groups = assign_columns(list(cohort.omics.values.columns), cohort.groups, source=cohort.omics.source)
    return Sizes(
        n_bins=4,
        embedding_dim=16 if cohort.slides else 0,
        group_sizes=tuple(len(columns) for columns in groups.values()),
        gene_names=tuple(tuple(columns) for columns in groups.values()),
        n_clinical=0 if cohort.covariates is None else len(cohort.covariates.columns),
        n_subtypes=len(set(cohort.subtype.values())),
    )


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
