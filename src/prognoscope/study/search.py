"""Searches for settings: what each method's may choose from, checked before any work, and what was chosen."""

import inspect
from dataclasses import fields, replace

from pydantic import TypeAdapter, ValidationError

from prognoscope.core.errors import StudyError, nearest
from prognoscope.models.creation import create_model
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import parameters_of, profile_of
from prognoscope.models.sizes import Sizes
from prognoscope.study.sections import CHANGED, MethodTraining, SearchSettings, changes
from prognoscope.study.spec import MethodSection, StudySpec
from prognoscope.study.truths import truths_for_numbers
from prognoscope.study.wording import in_sentences
from prognoscope.training.search import need_optuna
from prognoscope.training.space import Range, SearchSpec, Values

RECIPE = frozenset(CHANGED)


def search_of(spec: StudySpec, method: MethodSection) -> SearchSpec | None:
    """The search for a method's settings; None if the study asks for none, or for none that the method has.

    A search in the method's own entry takes the place of the general one. What that entry fixes is not searched.

    Raises:
        StudyError: A setting is no one's, or a value cannot be its value.
    """
    section, where = _section(spec, method)
    if section is None:
        return None
    recipe, options = {}, {}
    for name in _searched(spec, method, section, where):
        if name in _recipe_names(method):
            recipe[name] = _recipe_values(name, section.space[name], f"{where}.{name}")
        else:
            options[name] = _option_values(name, section.space[name], f"{where}.{name}", method)
    if not recipe and not options:
        return None
    return SearchSpec(section.trials, recipe, options, section.folds, spec.splits.group)


def search_notes(spec: StudySpec) -> list[str]:
    """A sentence for every method that a search passes over, wholly or in part, and why."""
    notes = []
    for method in spec.methods:
        section, where = _section(spec, method)
        if section is None:
            continue
        left = set(section.space) - set(_searched(spec, method, section, where))
        fixed = sorted(left & _fixed(method))
        lacking = sorted(left - _fixed(method))
        if fixed:
            notes.append(f"The search leaves {', '.join(fixed)} of {method.title} as its entry says.")
        if lacking:
            notes.append(f"The search is without {', '.join(lacking)} for {method.title}, which has no such setting.")
    return notes


def check_searches(spec: StudySpec, sizes: Sizes) -> None:
    """Try every value of every option once, so that a wrong one costs no time.

    Raises:
        InputError: Optuna is not installed.
        StudyError: A setting or a value cannot be.
    """
    for method in spec.methods:
        search = search_of(spec, method)
        if search is None:
            continue
        need_optuna()
        _, where = _section(spec, method)
        _check_steps(spec, method, search, where)
        for name, values in search.options.items():
            ends = (values.low, values.high) if isinstance(values, Range) else values
            whole = isinstance(values, Range) and values.whole
            for value in map(int, ends) if whole else ends:
                try:
                    create_model(method.name, sizes=sizes, **{**method.options, name: value})
                except (TypeError, ValueError, RuntimeError) as cause:  # whatever a constructor makes of a wrong value
                    why = (str(cause).splitlines() or [type(cause).__name__])[0].rstrip(".")
                    raise StudyError(f"{where}.{name}: {method.title} cannot be made with {value!r}: {why}.") from cause


def _check_steps(spec: StudySpec, method: MethodSection, search: SearchSpec, where: str) -> None:
    """Refuse one patient a step where any options that may be drawn make a loss of it that compares patients."""
    asked = search.recipe.get("patients_per_step")
    if asked is None:
        fixed = {**changes(spec.training), **changes(method.training)}.get("patients_per_step")
        fewest = fixed or 2
    else:
        fewest = asked.low if isinstance(asked, Range) else min(asked)
    drawn = [{}, *({name: v} for name, vs in search.options.items() if not isinstance(vs, Range) for v in vs)]
    compares = [options for options in drawn if profile_of(method.name, method.options | options).compares_patients]
    if fewest < 2 and compares:
        raise StudyError(
            f"{where}: {method.title} may be drawn with patients_per_step: 1, but its loss, Cox's, compares patients "
            "of a step and would always be 0. Let patients_per_step begin with 2 or more."
        )


def _section(spec: StudySpec, method: MethodSection) -> tuple[SearchSettings | None, str]:
    """The search that holds for a method, if it has trials, and where it stands."""
    own = method.training.search
    section = own if own is not None else spec.training.search
    where = "training.search.space" if own is None else f"methods, {method.title}: training.search.space"
    return (section if section is not None and section.trials else None), where


def _searched(spec: StudySpec, method: MethodSection, section: SearchSettings, where: str) -> list[str]:
    """Settings of the section that the method has and that its entry leaves open."""
    known = _recipe_names(method) | set(_options(method))
    is_own = method.training.search is not None
    anyone = known if is_own else set().union(*(_recipe_names(m) | set(_options(m)) for m in spec.methods))
    for name in section.space:
        if name not in anyone:
            has = f"{method.title} does not have" if is_own else "no method of the study has"
            raise StudyError(f"{where} names {name!r}, which {has}; {nearest(name, anyone)}")
    return [name for name in section.space if name in known - _fixed(method)]


def _fixed(method: MethodSection) -> set[str]:
    return {*method.options, *changes(method.training)}


def _recipe_names(method: MethodSection) -> frozenset[str]:
    return frozenset() if profile_of(method.name, method.options).recipe is None else RECIPE


def _options(method: MethodSection) -> dict[str, inspect.Parameter]:
    sizes = {each.name for each in fields(Sizes)}
    parameters = parameters_of(method.name, method.options)
    return {name: each for name, each in parameters.items() if name not in sizes}


def _recipe_values(name: str, asked: Values, where: str) -> Values:
    def checked(value: object) -> object:
        if found := next(truths_for_numbers({name: value}, MethodTraining), None):
            raise StudyError(f"{where}: {found}.")
        try:
            return changes(TypeAdapter(MethodTraining).validate_python({name: value}))[name]
        except ValidationError as cause:
            raise StudyError(f"{where}: {in_sentences(cause.errors(), MethodTraining)}") from cause

    if not isinstance(asked, Range):
        return tuple(map(checked, asked))
    values = _range(asked, getattr(Recipe(), name), where)
    for end in (values.low, values.high):
        checked(int(end) if values.whole else end)
    return values


def _option_values(name: str, asked: Values, where: str, method: MethodSection) -> Values:
    return _range(asked, _options(method)[name].default, where) if isinstance(asked, Range) else asked


def _range(asked: Range, default: object, where: str) -> Range:
    """The range, of whole numbers where the setting is one."""
    ends = (asked.low, asked.high)
    if default is not None and (isinstance(default, bool) or not isinstance(default, int | float)):
        raise StudyError(f"{where} is {default!r} by default, so it takes no range; give a [list] of values.")
    are_whole = all(end.is_integer() for end in ends)
    if (isinstance(default, int) or asked.whole) and not are_whole:
        raise StudyError(f"{where} must be from one whole number to another, not {ends[0]:g} to {ends[1]:g}.")
    return replace(asked, whole=are_whole and (asked.whole or not isinstance(default, float)))
