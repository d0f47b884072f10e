"""What a study's methods need, and whether the cohort has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from prognoscope.cohort.cohort import WORDS, Cohort
from prognoscope.core.errors import InputError, ModelError, OmicsError, StudyError, some
from prognoscope.models.base import SurvivalModel
from prognoscope.models.creation import create_model
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import profile_of
from prognoscope.models.sizes import Sizes
from prognoscope.omics.differential import need_rule
from prognoscope.omics.groups import assign_columns
from prognoscope.study.method_groups import GROUPS
from prognoscope.study.sections import changes
from prognoscope.study.spec import MethodSection
from prognoscope.training.optimizer import check_parts
from prognoscope.training.step import check_recipe

CURES = {
    "bag": "Give cohort.slides or cohort.features in the study file",
    "omics": "Give cohort.omics in the study file",
    "clinical": "Name columns in cohort.clinical.covariates",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The methods that a cohort allows."""

    methods: tuple[MethodSection, ...]
    needs: frozenset[str]  # all that any of them needs of a patient: "bag", "omics", "clinical"
    left_out: tuple[str, ...]  # for each reason to leave some out, a sentence of which and one of why


def choose_methods(
    methods: Sequence[MethodSection], cohort: Cohort, sizes: Sizes, changed: dict[str, object] | None = None
) -> Chosen:
    """The methods to run, each made once, so that a wrong option costs no time.

    Of the methods that `all` and its groups stand for, those that the cohort allows; one that is named must be allowed.

    Args:
        changed: What the study changes of every recipe.

    Raises:
        StudyError: Nothing is left of a group, or the cohort has not what the group is named after.
        ModelError: A method needs what the cohort lacks, or has no such option; says what to do.
    """
    for group in dict.fromkeys(method.of for method in methods if method.of is not None):
        if missing := [what for what in GROUPS[group] if not cohort.having(what)]:
            raise StudyError(
                f"methods: {group} stands for methods that learn from "
                f"{' and '.join(WORDS[what] for what in GROUPS[group])}, and {_lack(missing[0], cohort)}, "
                "or take other methods."
            )
    chosen, left_out, needs = [], [], frozenset()
    for method in methods:
        try:
            needs |= _needs_of(method, cohort, sizes, changed or {})
        except InputError as cause:
            if method.of is None:
                raise
            left_out.append((method, _why(method, cohort) or str(cause)))
        else:
            chosen.append(method.model_copy(update={"of": None}))
    if not chosen:
        first, why = left_out[0]
        raise StudyError(f"methods: {first.of} stands for no method that this cohort allows; of {first.title}: {why}")
    for_reason: dict[tuple[str, str], list[str]] = {}
    for method, why in left_out:
        for_reason.setdefault((method.of, why), []).append(method.title)
    told = (f"Left out of methods: {of}: {', '.join(titles)}. {why}" for (of, why), titles in for_reason.items())
    return Chosen(tuple(chosen), needs, tuple(told))


def _why(method: MethodSection, cohort: Cohort) -> str:
    """What the cohort lacks for a method, as a sentence; "" if it is something else."""
    missing = _missing(method, cohort)
    if not missing:
        return ""
    use = "predict" if set(missing) & profile_of(method.name, method.options).needs else "learn"
    return f"No patient has {' and '.join(WORDS[what] for what in missing)} to {use} from."


def _missing(method: MethodSection, cohort: Cohort) -> list[str]:
    profile = profile_of(method.name, method.options)
    return sorted(what for what in (profile.needs | profile.learns_from) & set(CURES) if not cohort.having(what))


def _needs_of(method: MethodSection, cohort: Cohort, sizes: Sizes, changed: dict[str, object]) -> frozenset[str]:
    if missing := _missing(method, cohort):
        is_told = set(missing) & profile_of(method.name, method.options).needs
        only = "" if is_told else " to learn from, though not to predict"
        raise ModelError(
            f"{method.title} needs {' and '.join(WORDS[what] for what in missing)}{only}, and "
            f"{_lack(missing[0], cohort)}, or take {method.title} off the list of methods."
        )
    model = _made(method, sizes)
    selection = model.profile.gene_selection
    if selection is not None and cohort.omics is not None:
        try:
            need_rule(cohort.omics.values, selection)
        except OmicsError as cause:
            raise OmicsError(f"{method.title}: {cause}") from cause
    profile = model.profile
    if cohort.outcome.competing is not None and (why := model.why_one_cause()):
        raise ModelError(
            f"{method.title} cannot learn where other events compete (cohort.clinical.competing_values): {why}. "
            f"{'Or take' if ';' in why else 'Take'} {method.title} off the list of methods."
        )
    asked = {**changed, **changes(method.training)}
    if profile.recipe is not None:
        _try_recipe(model, method, profile.recipe, asked)
    of_members = {name: value for name, value in asked.items() if name != "learning_rate_factors"}
    for member in model.member_models:
        if member.profile.recipe is not None:
            _try_recipe(member, method, member.profile.recipe, of_members)
    return frozenset(profile.needs | (profile.learns_from & set(CURES)))


def _made(method: MethodSection, sizes: Sizes) -> SurvivalModel:
    try:
        return create_model(method.name, sizes=sizes, **method.options)
    except ModelError as cause:
        raise ModelError(str(cause) if str(cause).startswith(method.name) else f"{method.title}: {cause}") from cause
    except (TypeError, ValueError, RuntimeError) as cause:  # whatever a constructor of torch makes of a wrong value
        options = ", ".join(f"{name}: {value!r}" for name, value in method.options.items())
        raise ModelError(
            f"{method.title} cannot be made with {{{options}}}: {str(cause).splitlines()[0].rstrip('.')}. "
            "Correct the option in methods."
        ) from cause


def sizes_to_come(cohort: Cohort) -> Sizes:
    """Lengths as the tables announce them, to try every method's options before any work."""
    groups: Mapping[str, Sequence[str]] = {}
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


def _try_recipe(model: SurvivalModel, method: MethodSection, recipe: Recipe, changed: dict[str, object]) -> None:
    try:
        settled = replace(recipe, **changed)
        check_parts(model, settled)  # making the optimiser itself would load torch's compiler, for seconds
        check_recipe(model, settled)
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
