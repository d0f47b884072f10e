"""C-indices that papers printed, each with its protocol; found by the name of a cohort."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from prognoscope.core.errors import InputError, nearest

TABLE = Path(__file__).with_name("published.csv")
CHOSEN_LIKE_IT = (
    "Published values are those papers' own: other features, and at times other genes, folds or patients. They are not "
    "paired with ours and carry no marks. Optimistic: the released code takes, in each fold, the epoch of the greatest "
    "C-index on the very patients who are reported; rivals in the same paper's table are taken to have been treated "
    "alike."
)


def published_values() -> pd.DataFrame:
    """Every published value known here.

    Returns:
        group (as the paper has it: genes, slides, both, distilled), method (our name; what follows a colon tells a
        form of it), cohort, mean, sd, source (the paper), protocol, optimistic (bool).
    """
    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False)
    return table.assign(
        mean=table["mean"].astype(float), sd=table["sd"].astype(float), optimistic=table["optimistic"] == "yes"
    )


def known_cohort(name: str) -> str | None:
    """The cohort of published values that a study's name contains, in any case; None where it is none or several.

    >>> known_cohort("tcga_luad-seed1")
    'LUAD'
    """
    found = [cohort for cohort in _cohorts() if cohort in name.upper()]
    whole = [each for each in found if not any(each != other and each in other for other in found)]
    return whole[0] if len(whole) == 1 else None


def published_of(names: Sequence[str], cohort: str | None = None) -> dict[str, pd.DataFrame]:
    """Study name -> its published values, for those names that are known.

    Args:
        cohort: What the study is of, where its name does not tell; only with one name.

    Raises:
        InputError: No name is known, or the cohort is not, or it is said for several names.
    """
    table = published_values()
    if cohort is not None:
        if len(names) > 1:
            raise InputError(
                f"--cohort {cohort} is for runs of one cohort, but these are of {len(names)}: {', '.join(names)}. "
                "Leave it out, or name runs of one cohort."
            )
        if cohort.upper() not in _cohorts():
            raise InputError(f"No values of {cohort!r} were published; {nearest(cohort, map(str.lower, _cohorts()))}")
        return {names[0]: table[table["cohort"] == cohort.upper()]}
    found = {name: known_cohort(name) for name in names}
    if not any(found.values()):
        raise InputError(
            f"No published values are known of {' or '.join(names)}. Say with --cohort which of these it is: "
            f"{', '.join(_cohorts())}."
        )
    return {name: table[table["cohort"] == known] for name, known in found.items() if known is not None}


def _cohorts() -> list[str]:
    return list(dict.fromkeys(published_values()["cohort"]))
