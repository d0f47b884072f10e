"""What the numbers of a run say, in plain words."""

from typing import Any

import numpy as np

from prognoscope.analysis.optimism_table import choice_table
from prognoscope.analysis.standings import (
    MAIN,
    best_method,
    is_better,
    is_flattered,
    is_unequal,
    paired,
    ranking,
    summaries,
)
from prognoscope.core.words import count, listed
from prognoscope.report.gaps import gaps_of
from prognoscope.report.learning_words import learning_sentences
from prognoscope.report.number_words import interval, is_number, number
from prognoscope.report.page_section import Section
from prognoscope.runs.read import Run

PROTOCOLS = {
    "honest": (
        "Honest protocol: every patient is predicted once, by a model that never saw them. Time bins, scaling and "
        "everything else that is fitted come from the training part of each fold."
    ),
    "paper": (
        "Paper protocol: the epoch of each method is chosen as its authors chose theirs, and time bins are fitted to "
        "all patients. What is not as in the papers is listed method by method. Where a choice means looking at the "
        "held-out fold, the numbers are optimistic and say so."
    ),
}
CHOSEN = {  # of the honest protocol
    "validation_loss": " The epoch is chosen by its likelihood on an inner validation part.",
    "last": " No epoch is chosen: the last one counts, and models learn from the validation part too.",
}


def verdict_content(run: Run) -> dict[str, Any]:
    """What stands above all other sections: the verdict, and what must be known before the numbers are read."""
    return {
        "verdict": verdict(run),
        "protocol": protocol_sentence(run),
        "optimistic": warnings_of(run),
        "gaps": gaps_of(run),
        "learning": learning_sentences(run)[:1],
    }


def protocol_sentence(run: Run) -> str:
    """What the run's protocol means."""
    unknown = f"Protocol: {run.protocol}." if run.protocol else "The run does not say which protocol it followed."
    chosen = CHOSEN.get(run.provenance.choose or "", "") if run.protocol == "honest" else ""
    return run.provenance.rule or PROTOCOLS.get(run.protocol, unknown) + chosen


def warnings_of(run: Run) -> list[tuple[str, str]]:
    """The methods whose numbers flatter them, by reason: names, and the reason as a sentence."""
    methods: dict[str, list[str]] = {}
    for name in run.methods:
        if name in run.optimistic:
            methods.setdefault(run.optimistic[name], []).append(name)
    return [(listed(names, most=100), _sentence(reason)) for reason, names in methods.items()]


def verdict(run: Run) -> list[str]:
    """The sentences of the paragraph that opens a report."""
    ranked = ranking(run, MAIN)
    if not ranked:
        return ["No method has a C-index over all folds, so nothing can be said about which predicts survival."]
    if len(ranked) == 1:
        return [_alone(run, ranked[0]), *_chance(run, ranked), *_oracle(run, ranked[0]), *_optimism(run)]
    return [*_leader(run, ranked), *_chance(run, ranked), *_oracle(run, ranked[0]), *_optimism(run)]


def _alone(run: Run, method: str) -> str:
    reached = f"{method} reaches a C-index of {_value(run, method)} on {_patients(run)}"
    return f"{reached}; there is no other method to set it against."


def _leader(run: Run, ranked: list[str]) -> list[str]:
    leader, second, *rest = ranked
    measured = summaries(run, MAIN)
    lead = measured[leader]["value"] - measured[second]["value"]
    said = [f"Of {len(ranked)} methods on {_patients(run)}, {leader} has the highest C-index, {_value(run, leader)}."]
    row = paired(run, MAIN, leader, second)
    gap = f"It leads {second}, the next, by {number(lead)}"
    if row is None or not is_number(row["low"]):
        said.append(f"{gap}; no paired interval was computed, so this lead may be chance.")
    elif is_better(row) and is_flattered(run, leader, second):
        said.append(
            f"{gap} (paired 95 % interval {_spread(row)}), but its number is optimistic and that of {second} is not: "
            "this is no fair lead."
        )
    elif is_better(row):
        said.append(f"{gap}, and the paired 95 % interval, {_spread(row)}, leaves 0 out: the data support the lead.")
    else:
        said.append(
            f"{gap}, but the paired 95 % interval, {_spread(row)}, includes 0: the data do not tell the two apart."
        )
    if rest and best_method(run, MAIN) is None:
        beaten = [
            name for name in rest if is_better(paired(run, MAIN, leader, name)) and not is_flattered(run, leader, name)
        ]
        level = [name for name in rest if name not in beaten]
        if beaten:
            but = f", and is not over {listed(level)}" if level else ""
            said.append(f"Its lead is supported over {listed(beaten)}{but}.")
        else:
            said.append(f"Its lead over {listed(level)} is not supported.")
    elif rest:
        others = rest[0] if len(rest) == 1 else f"each of the other {len(rest)}"
        said.append(f"Its lead over {others} is supported too.")
    return said


def _chance(run: Run, ranked: list[str]) -> list[str]:
    measured = summaries(run, MAIN)
    by_chance = [name for name in ranked if is_number(low := measured[name]["low"]) and low <= 0.5]
    if not by_chance:
        return []
    if len(by_chance) == len(ranked) > 1:
        return ["No method is shown to be better than chance: every interval reaches 0.5."]
    verb = "is" if len(by_chance) == 1 else "are"
    reach = "its interval reaches" if len(by_chance) == 1 else "their intervals reach"
    return [f"{listed(by_chance)} {verb} not shown to be better than chance: {reach} 0.5."]


def _oracle(run: Run, leader: str) -> list[str]:
    ceiling = run.summary("oracle", MAIN, common=True)
    if ceiling is None or ceiling["value"] <= 0.5:
        return []
    most = float(ceiling["value"])
    share = (summaries(run, MAIN)[leader]["value"] - 0.5) / (most - 0.5)
    return [
        f"The cohort is simulated: the best possible C-index, that of the true risk, is {number(most)}, "
        f"and {leader} goes {number(100 * share, 0)} % of the way there from 0.5."
    ]


def _optimism(run: Run) -> list[str]:
    flattered = [name for name in run.methods if name in run.optimistic]
    said = []
    if flattered:
        said.append(f"The numbers of {listed(flattered)} are optimistic and are not to be set beside honest ones.")
    choices = choice_table(run, run.optimism)
    if not flattered and len(choices):
        top = choices.sort_values("added", ascending=False, kind="stable").to_dict("records")[0]
        said.append(
            f"Reporting the best epoch on the held-out folds instead would have added up to {number(top['added'])} "
            f"({top['method']}), which is selection, not skill: to risks that know nothing it adds "
            f"{number(top['noise_added'])}."
        )
    return said


def _value(run: Run, method: str) -> str:
    row = summaries(run, MAIN)[method]
    spread = interval(row["low"], row["high"])
    return f"{number(row['value'])} (95 % interval {spread})" if spread else number(row["value"])


def _patients(run: Run) -> str:
    outcome = run.held_out
    common = np.array([patient in run.common for patient in outcome.patients])
    whom = " whom all of them can predict" if is_unequal(run) else ""
    return f"{count(int(common.sum()), 'patient')}{whom} with {count(int(outcome.event[common].sum()), 'event')}"


def _spread(row) -> str:
    return interval(row["low"], row["high"], sign=True)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


SECTION = Section("verdict", "Verdict", verdict_content)
