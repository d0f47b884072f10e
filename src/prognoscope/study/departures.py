"""What a study's methods are that their papers' are not, setting by setting; and what a general section replaces."""

from collections.abc import Mapping
from typing import Any

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.words import listed
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import card_of, parameters_of, profile_of
from prognoscope.study.protocols import RULES, rule_of
from prognoscope.study.search import search_of
from prognoscope.study.sections import CHANGED, changes
from prognoscope.study.spec import MethodSection, StudySpec
from prognoscope.training.method import Method

N_BINS = 4  # of every published table
AS_AUTHORS = "trained and chosen as its authors did it"


def other_settings(spec: StudySpec, section: MethodSection, *, folds: int, precision: str) -> tuple[str, ...]:
    """Every setting of a method that is not its paper's, each as "ours instead of theirs".

    What makes an ablation one is none. What the network itself does otherwise is told by `Card.departures_with`.

    Args:
        folds: How many there are; told where methods' own authors are followed.
        precision: Of products.
    """
    whole = spec.whole_of(section)
    published = profile_of(section.name, card_of(section.name).as_published).recipe
    told = [*_options(whole, section), *_recipe(spec, section, published)]
    if search := search_of(spec, section):
        told.append(f"{listed([*search.recipe, *search.options])} searched in each fold")
    if spec.training.n_bins != N_BINS:
        told.append(f"{spec.training.n_bins} time bins instead of {N_BINS}")
    omics = spec.cohort.omics
    if omics is not None and "omics" in profile_of(section.name, section.options).uses:
        told += ["genes as they are instead of standardised"] * (omics.scale != "zscore")
        told += [] if omics.clip is None else [f"genes cut at {omics.clip:g} instead of not at all"]
    if spec.protocol == "paper":
        told += _choice(spec, section, published, folds)
    if precision != "float32" and published is not None:
        told.append(f"{precision} instead of float32")
    return tuple(told)


def departures(section: MethodSection) -> tuple[str, ...]:
    """What the network of a method does otherwise than its paper or released code, as its card has it."""
    return card_of(section.name).departures_with(section.options)


def departure_notes(spec: StudySpec, *, folds: int, precision: str) -> list[str]:
    """A sentence for each method, where methods are to be as their papers have them."""
    if spec.protocol != "paper":
        return []
    notes = []
    for section in spec.methods:
        told, of_network = other_settings(spec, section, folds=folds, precision=precision), departures(section)
        if told:
            notes.append(f"{section.title} differs from its paper in: {'; '.join(told)}.")
        elif not of_network:
            notes.append(f"{section.title} is {AS_AUTHORS}.")
    return notes


def rule_notes(spec: StudySpec, folds: int) -> list[str]:
    """What the rule of a paper's table means, and where the study's folds are not its."""
    rule = rule_of(spec.protocol)
    if rule is None:
        return []
    other = f"This study has {folds} folds, the {rule.paper} table {rule.folds}: its spread over folds is another."
    return [rule.sentence, *[other] * (folds != rule.folds)]


def competing_notes(cohort: Cohort) -> list[str]:
    """What numbers mean where other events compete."""
    if cohort.outcome.competing is None:
        return []
    return [
        "Other events compete: survival is one minus the cumulative incidence of the event of interest, networks learn "
        "hazards of it and of the others, the C-index takes those with another event for free of it ever after "
        "(Wolbers), and the Brier score weighs them as such."
    ]


def general_notes(spec: StudySpec) -> list[str]:
    """A sentence on what the general training section puts in the place of methods' own recipes.

    Where methods are to be as their papers have them, `departure_notes` say it.
    """
    if spec.protocol == "paper":
        return []
    replaced: dict[str, dict[str, list[str]]] = {}  # "epochs 3" -> "20" -> titles
    for section in spec.methods:
        own, entry = profile_of(section.name, section.options).recipe, changes(section.training)
        for name, value in changes(spec.training).items():
            theirs = getattr(own, name, value)
            if own is not None and theirs != value and entry.get(name, value) == value:
                of = replaced.setdefault(f"{name} {_shown(value)}", {}).setdefault(_shown(theirs), [])
                of.append(section.title)
    if not replaced:
        return []
    told = [
        f"{ours} instead of {listed([f'{theirs} ({listed(who, 4)})' for theirs, who in of.items()], 6)}"
        for ours, of in replaced.items()
    ]
    return [f"The general training section replaces what methods have of their own: {'; '.join(told)}."]


def _recipe(spec: StudySpec, section: MethodSection, published: Recipe | None) -> list[str]:
    changed = {**changes(spec.training), **changes(section.training)}
    used = Method(section.name, section.title, section.options, changed).changed_recipe
    if used is None or published is None:
        return []
    return [told for name in CHANGED if (told := _instead(name, getattr(used, name), getattr(published, name)))]


def _choice(spec: StudySpec, section: MethodSection, published: Recipe | None, folds: int) -> list[str]:
    told, stop, patience = [], None if published is None else published.published_stop, spec.training.patience
    if published is not None and patience not in (None, None if stop is None else stop.patience):
        told.append(f"patience {patience} instead of {'none' if stop is None else stop.patience}")
    if (rule := RULES.get(spec.whole_of(section).name)) is not None:
        told += [f"{folds} folds instead of {rule.folds}"] * (folds != rule.folds)
        is_drawn, share = not spec.splits.files and spec.splits.table is None, spec.splits.validation
        if is_drawn and rule.validation and share != rule.validation:
            told.append(f"{100 * share:.0f} % of the training part to choose instead of {100 * rule.validation:.0f} %")
    return told


def _options(whole: MethodSection, section: MethodSection) -> list[str]:
    card = card_of(whole.name)
    ablation = next((each for each in card.ablations if each.row == section.row), None)
    if ablation is not None and ablation.method is not None:
        return []
    meant = {} if ablation is None else ablation.options
    theirs = _defaults(section.name, section.options) | dict(card.as_published)
    ours = {**_defaults(section.name, section.options), **section.options}
    names = [name for name in dict.fromkeys([*card.as_published, *section.options]) if name not in meant]
    told = [_instead(name, ours.get(name), theirs.get(name), none="its own") for name in names]
    return [each for each in told if each]


def _defaults(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {each: parameter.default for each, parameter in parameters_of(name, options).items()}


def _instead(name: str, ours: object, theirs: object, none: str = "none") -> str:
    if ours == theirs or (isinstance(ours, list | tuple) and isinstance(theirs, list | tuple) and [*ours] == [*theirs]):
        return ""
    shown = [none if value is None else _shown(value) for value in (ours, theirs)]
    return f"{name} {shown[0]} instead of {shown[1]}"


def _shown(value: object) -> str:
    if value is None or value == {}:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name or 'all'} {_shown(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
