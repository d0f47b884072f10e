"""By which rule a study's table is made: our own, each method's authors', or that of one paper for all rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag

from prognoscope.models.balanced.profile import OPTION, RECIPES
from prognoscope.models.recipe import EarlyStop, Recipe
from prognoscope.models.registry import MODELS, card_of, profile_of
from prognoscope.study.sections import TrainingSettings

PUBLISHED_CHOICE = {
    "last": "last",
    "best_on_test": "test_c_index",
    "last_best_on_test": "latest_test_c_index",
    "best_on_validation": "validation_c_index",
}
ON_FOLD = "the epoch of the greatest C-index on the very patients who are reported"
CHOSEN = {  # by name in training.progress.RULES
    "last": "the last epoch",
    "validation_loss": "the epoch of the least loss on a validation part",
    "validation_c_index": "the epoch of the greatest C-index on a validation part",
    "test_c_index": f"{ON_FOLD}, the first of equals",
    "latest_test_c_index": f"{ON_FOLD}, the last of equals",
}
WORD, KEYS = "{word}", "{keys}"  # how pydantic's errors name the two forms, which `wording` leaves out
ENTRY_KEYS = frozenset({"name", "label", "training", "ablations", "ablation_of", "row", "of"})  # that are no options


@dataclass(frozen=True, slots=True)
class TableRule:
    """How the table of a paper was made, whatever the row; its epoch and its early stop are its method's own."""

    method: str  # whose paper it is
    paper: str  # as it is called
    folds: int
    ddof: int  # of the SD over folds
    validation: float = 0.0  # share of a fold's training part that chooses

    @property
    def recipe(self) -> Recipe:
        """How the paper's own method was trained and its epoch chosen."""
        return profile_of(self.method).recipe or Recipe()

    @property
    def choose(self) -> str:
        """The rule that all rows are chosen by, by name in training.progress.RULES."""
        return PUBLISHED_CHOICE[self.recipe.published_epoch]

    @property
    def stop(self) -> EarlyStop | None:
        """When a training ends before its last epoch."""
        return self.recipe.published_stop

    @property
    def sentence(self) -> str:
        """What the rule means."""
        chosen, stop = CHOSEN[self.choose], self.stop
        if self.validation:
            chosen += f" of {100 * self.validation:.0f} % of the training part"
        if stop is not None:
            chosen += (
                f", none of the first {stop.warm_up}, and a training ends after {stop.patience} epochs without a "
                f"better one, but not before epoch {stop.earliest}"
            )
        return (
            f"All rows by the rule of the {self.paper} table: {chosen}; {self.folds} folds; time bins from all "
            f"patients; the SD over folds with ddof {self.ddof}."
        )


# The papers state folds and, MCTI alone, how the epoch is chosen; the rest is what their released codes do.
RULES = {
    rule.method: rule
    for rule in (
        TableRule("ghanet", "G-HANet", folds=5, ddof=0),
        TableRule("cmta", "CMTA", folds=5, ddof=0),
        TableRule("ccl", "CCL", folds=5, ddof=0),
        TableRule("mcti", "MCTI", folds=4, ddof=1, validation=0.2),
    )
}


@dataclass(frozen=True, slots=True)
class LikePaper:
    """One rule for all rows of a table: that of a paper."""

    like: Literal["ghanet", "cmta", "ccl", "mcti"]  # whose table


def _form(value: object) -> str:
    return KEYS if isinstance(value, LikePaper | Mapping) else WORD


def _is_no_paper(value: object) -> object:
    if isinstance(value, str) and value in RULES:
        raise ValueError(f"{value!r} is a paper; write {{like: {value}}} for the rule of its table")
    return value


Protocol = Annotated[
    Annotated[Literal["honest", "paper"], Tag(WORD)] | Annotated[LikePaper, Tag(KEYS)],
    Discriminator(_form),
    BeforeValidator(_is_no_paper),
]


def name_of(protocol: str | LikePaper) -> str:
    """The protocol in one word, for tables and files: honest, paper, or like-ghanet."""
    return f"like-{protocol.like}" if isinstance(protocol, LikePaper) else protocol


def rule_of(protocol: str | LikePaper) -> TableRule | None:
    """The rule that holds for all rows; None where there is no paper's."""
    return RULES[protocol.like] if isinstance(protocol, LikePaper) else None


def settled_by_protocol(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A study's values with what its protocol says of bins, epochs, folds and options that they leave open.

    What they do say is never replaced: where the protocol leaves no choice, it is refused.

    Raises:
        ValueError: They set what the protocol settles.
    """
    asked = values.get("protocol")
    like = asked.get("like") if isinstance(asked, Mapping) else getattr(asked, "like", None)
    rule = RULES.get(like) if isinstance(like, str) else None
    if asked != "paper" and rule is None:
        return values
    _need_published(values.get("methods"), rule)
    settled = {**values, "training": _training(values.get("training"), rule)}
    if rule is not None:
        settled["splits"] = _filled(values.get("splits"), {"folds": rule.folds, "validation": rule.validation})
    if asked == "paper":
        settled["methods"] = [_as_published(entry) for entry in values.get("methods") or ()]
    return settled


def _need_published(methods: Any, rule: TableRule | None) -> None:
    """Refuse recipes of our own in the table of a paper."""
    for entry in methods if isinstance(methods, Sequence) and not isinstance(methods, str) else ():
        given = entry if isinstance(entry, Mapping) else {**(getattr(entry, "model_extra", None) or {})}
        if given.get(OPTION, RECIPES[0]) != RECIPES[0]:
            name = given.get("label") or given.get("name") or getattr(entry, "title", "a method")
            named = "protocol: paper" if rule is None else f"protocol: {{like: {rule.method}}}"
            raise ValueError(
                f"methods, {name}: recipe: {given[OPTION]} is ours, and {named} trains each method as its authors did; "
                "take recipe out of the entry, or set protocol: honest"
            )


def _training(given: Any, rule: TableRule | None) -> Any:
    """The general training section: bins from everybody, and no rule for epochs of its own."""
    if isinstance(given, TrainingSettings):  # of which what is not as by default was wanted
        default, made = TrainingSettings(), given
        names = TrainingSettings.__dataclass_fields__
        given = {name: getattr(made, name) for name in names if getattr(made, name) != getattr(default, name)}
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        return given
    named = "protocol: paper" if rule is None else f"protocol: {{like: {rule.method}}}"
    cure = "take it out (--set training.{0}=null), or set protocol: honest"
    if (chosen := given.get("choose")) is not None:
        whose = "each method's epoch as its authors did"
        if rule is not None:
            whose = f"the epoch of every row by one rule: {CHOSEN[rule.choose]}"
        raise ValueError(f"training.choose is {chosen}, but {named} chooses {whose}; {cure.format('choose')}")
    if given.get("bins_from") not in (None, "cohort"):
        raise ValueError(
            f"training.bins_from is {given['bins_from']}, but {named} fits time bins to all patients, as the published "
            f"codes do; {cure.format('bins_from')}"
        )
    return {**given, "bins_from": "cohort", "choose": None}


def _filled(given: Any, defaults: Mapping[str, Any]) -> Any:
    """A section with values for the keys that have none; a section that is made already is as somebody wanted it."""
    if given is not None and not isinstance(given, Mapping):
        return given
    return {**defaults, **{key: value for key, value in (given or {}).items() if value is not None}}


def _as_published(entry: Any) -> Any:
    """An entry of methods with the options of its paper, where it has none of its own."""
    name = str(entry.get("name")) if isinstance(entry, Mapping) else ""
    if name not in MODELS or set(entry) - ENTRY_KEYS or entry.get("ablation_of") is not None:
        return entry
    return {**entry, **card_of(name).as_published}
