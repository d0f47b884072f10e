"""The page of methods: what each is, needs and costs, where our defaults depart from the published ones, and why."""

import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields

from prognoscope.models.base import SurvivalModel
from prognoscope.models.checkpoints.loading import has_published_names
from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import card_of, list_models, model_class, profile_of, variants_of
from prognoscope.models.sizes import EXAMPLE
from prognoscope.study.methods_table import count_parameters, methods_table

INTRODUCTION = """# Methods

Every method of Prognoscope: its paper, what it needs, its size and recipe, where our default departs from the paper or
the released code and why, and what we found wrong in the published code or tables. `prognoscope methods --out FILE`
writes this page from the methods themselves.

Sizes are for embeddings of 1024 numbers and six gene groups of 3300 genes together. Recipes are defaults; a study
changes them under `training`, or under a method's own `training`.
"""
CHOSEN = {
    "last": "the last epoch",
    "best_on_test": "the best epoch on the fold that is reported, the first of equals (optimistic)",
    "last_best_on_test": "the best epoch on the fold that is reported, the last of equals (optimistic)",
    "best_on_validation": "the best epoch on a validation part",
}
SHARED = Recipe()


def methods_page(names: Iterable[str] = ()) -> str:
    """The page in Markdown."""
    names = list(names) or list_models()
    parts = [INTRODUCTION, _overview(names), *map(_section, names)]
    return "\n".join(parts)


def recipe_sentence(recipe: Recipe) -> str:
    """A recipe in words."""
    optimizer = {"adam": "Adam", "adamw": "AdamW", "radam": "RAdam with decoupled decay", "sgd": "SGD"}
    words = [f"{optimizer[recipe.optimizer]}, rate {recipe.learning_rate:g}, weight decay {recipe.weight_decay:g}"]
    if recipe.optimizer == "sgd" and recipe.momentum:
        words.append(f"momentum {recipe.momentum:g}")
    if recipe.optimizer != "sgd" and recipe.betas != SHARED.betas:
        words.append(f"betas {recipe.betas[0]:g} and {recipe.betas[1]:g}")
    words.append(
        f"{recipe.epochs} epochs, {recipe.patients_per_step} patient{'s' * (recipe.patients_per_step > 1)} a step"
    )
    if recipe.schedule == "step":
        words.append(f"rate divided by ten after {recipe.step_epochs} epochs")
    elif recipe.schedule != "constant":
        words.append(f"{recipe.schedule} schedule")
    if recipe.warm_up_epochs:
        words.append(f"{recipe.warm_up_epochs} epoch{'s' * (recipe.warm_up_epochs > 1)} of warm-up")
    if recipe.clip_norm:
        words.append("gradients clipped part by part")
    if recipe.l1:
        words.append(f"L1 {recipe.l1:g}")
    if isinstance(recipe.patch_draw, int):
        words.append(f"at most {recipe.patch_draw} patches of a training bag")
    elif recipe.patch_draw is not None:
        low, high = recipe.patch_draw
        words.append(f"training bags of {low:.0%} to {high:.0%} of the patches, drawn with replacement")
    balanced = "drawn with replacement so that bins and events are balanced"
    words.append(f"patients {balanced if recipe.sampler == 'balanced' else 'shuffled'}")
    if recipe.nll_alpha:
        words.append(f"censored patients weigh {1 - recipe.nll_alpha:g}")
    return ", ".join(words)


def _overview(names: Sequence[str]) -> str:
    table = methods_table(names).drop(columns="paper")
    header = [str(column) for column in table.columns]
    rows = [[f"[`{row[0]}`](#{row[0].replace('_', '-')})", *row[1:]] for row in table.astype(str).to_numpy().tolist()]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _section(name: str) -> str:
    card, recipe = card_of(name), profile_of(name).recipe
    kind, *others = [model_class(name, {"variant": variant}) for variant in variants_of(name)] or [model_class(name)]
    summary, rest = _docstring(kind)
    facts = [("Paper", card.paper), ("Size", _size(name))]
    if recipe is not None:
        facts.append(("Recipe", f"{recipe_sentence(recipe)}."))
        facts.append(("Its authors reported", f"{CHOSEN[recipe.published_epoch]}."))
    if has_published_names(name):
        facts.append(("Published checkpoints", f'`create_model("{name}", weights="their.pt")`.'))
    if card.ablations:
        facts.append(("Ablations", ", ".join(f"`{each.label}`" for each in card.ablations) + "."))
    if card.sweeps:
        told = (f"`{e.label}` ({e.where}: `{e.setting}` {', '.join(map(repr, e.values))})" for e in card.sweeps)
        facts.append(("Sweeps of the paper", "; ".join(told) + "."))
    lines = [f"## {name}", "", summary, "", *([rest, ""] if rest else [])]
    lines += [f"* **{word}:** {text}" for word, text in facts]
    options = _options(kind)
    if variants := variants_of(name):
        which = " or ".join(f'"{variant}"' for variant in variants)
        options = [(f"`variant` ({variants[0]!r})", f"{which}; each has options of its own."), *options]
    if options:
        lines += ["", "Options:", "", *(f"* {names}: {text}" for names, text in options)]
    for title, sentences in (
        ("Where our default departs, and why", card.departures_with({})),
        ("Found wrong in the published code or tables", card.found_wrong),
    ):
        if sentences:
            lines += ["", f"{title}:", "", *(f"* {sentence}" for sentence in sentences)]
    for variant, other in zip(variants[1:], others, strict=True):
        parts = [part for part in _docstring(other) if part]
        its = [f"* {names}: {text}" for names, text in _options(other)]
        lines += ["", f"### {name}, variant: {variant}", "", "\n\n".join(parts), "", "Options:", "", *its]
    return "\n".join(lines) + "\n"


def _size(name: str) -> str:
    if profile_of(name).is_solved:
        return "a coefficient for each covariate or component."
    return f"{count_parameters(name):,} parameters."


def _docstring(kind: type[SurvivalModel]) -> tuple[str, str]:
    """First line, and what stands between it and the arguments, each paragraph on one line."""
    text = inspect.cleandoc(kind.__doc__ or "")
    body = re.split(r"\n\n(?:Args|Raises|Source):", text)[0]
    first, *rest = body.split("\n\n")
    return " ".join(first.split()), "\n\n".join(" ".join(part.split()) for part in rest)


def _options(kind: type[SurvivalModel]) -> list[tuple[str, str]]:
    """Options that are described together, with their defaults, and what they are; no sizes that the data decide."""
    told = inspect.cleandoc(kind.__doc__ or "").partition("\nArgs:\n")[2]
    told = re.split(r"\n\n(?=\S)", told)[0]
    entries = re.split(r"\n(?=    \S)", "\n" + told)
    sizes = {each.name for each in fields(type(EXAMPLE))}
    defaults = {
        each.name: each.default
        for each in inspect.signature(kind).parameters.values()
        if each.default is not inspect.Parameter.empty
    }
    found = []
    for entry in entries:
        names, _, text = " ".join(entry.split()).partition(": ")
        options = [name for name in names.split(", ") if name in defaults and name not in sizes]
        if options:
            found.append((", ".join(f"`{name}` ({defaults[name]!r})" for name in options), text))
    return found
