"""The table of methods: what each needs, learns from and costs."""

from collections.abc import Iterable

import pandas as pd

from prognoscope.cohort.cohort import WORDS
from prognoscope.models.creation import create_model
from prognoscope.models.profile import Profile
from prognoscope.models.registry import card_of, list_models, profile_of
from prognoscope.models.sizes import EXAMPLE


def count_parameters(name: str) -> int:
    """Numbers that a method learns at the sizes of `EXAMPLE`, as its card tells them; else the method is made."""
    told = card_of(name).parameters
    return told or sum(value.numel() for value in create_model(name, sizes=EXAMPLE).parameters())


def methods_table(names: Iterable[str] = ()) -> pd.DataFrame:
    """A row a method: what it needs, what it learns from besides, its size, its paper.

    The size is for 1024-d embeddings and six gene groups of 3300 genes together.
    """
    rows = []
    for name in names or list_models():
        profile = profile_of(name)
        learns = sorted(profile.learns_from - profile.needs)
        needs = _needs_of(profile)
        size = "one each" if profile.is_solved else f"{count_parameters(name):,}"
        rows.append(
            {
                "method": name,
                "needs": needs,
                "learns from besides": " + ".join(WORDS.get(what, what) for what in learns),
                "parameters": size,
                "paper": card_of(name).paper,
            }
        )
    return pd.DataFrame(rows)


def _needs_of(profile: Profile) -> str:
    """What it predicts from, short enough for a column."""
    if profile.members:
        return "what members need"
    if "bag" in profile.takes:
        return "what there is"
    there = " or ".join(WORDS[what] for what in sorted(profile.takes))  # whatever the cohort has
    return " + ".join([*(WORDS[what] for what in sorted(profile.needs)), *[there] * bool(there)])
