"""Values that papers printed, each with its table and protocol; found by the name of a cohort."""

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
        table ("methods", "ablations" or "sweeps"), group (as the paper has it: genes, slides, both, distilled), method
        (our name; what follows a colon tells a form of it), row (of a table of ablations or a sweep, as our cards name
        it), cohort, metric, mean (of folds, or the value), sd (NaN where none is printed), source (the paper),
        protocol, optimistic (bool).
    """
    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False)
    return table.assign(
        mean=table["mean"].astype(float), sd=pd.to_numeric(table["sd"]), optimistic=table["optimistic"] == "yes"
    )


def known_cohort(name: str) -> str | None:
    """The cohort of published values that a study's name contains, in any case; None where it is none or several.

    >>> known_cohort("tcga_luad-seed1")
    'LUAD'
    """
    found = [cohort for cohort in _cohorts() if cohort in name.upper()]
    whole = [each for each in found if not any(each != other and each in other for other in found)]
    return whole[0] if len(whole) == 1 else None


def check_metric(metric: str, table: str = "methods") -> None:
    """Refuse a metric of which no paper here printed values in tables of one kind.

    Raises:
        InputError: It is such a metric.
    """
    values = published_values()
    if metric not in (known := list(dict.fromkeys(values.loc[values["table"] == table, "metric"]))):
        printed = " and ".join(known)
        raise InputError(
            f"Published values of {table} are {printed}, so they cannot stand beside {metric}. Leave out --metric."
        )


def published_of(
    names: Sequence[str], cohort: str | None = None, *, table: str = "methods", metric: str = "c_index"
) -> dict[str, pd.DataFrame]:
    """Study name -> its published values of a metric in tables of one kind, for those names that are known.

    Args:
        cohort: What the study is of, where its name does not tell; only with one name.

    Raises:
        InputError: No name is known, or the cohort is not, or it is said for several names.
    """
    values = published_values()
    values = values[(values["table"] == table) & (values["metric"] == metric)]
    if cohort is not None:
        if len(names) > 1:
            raise InputError(
                f"--cohort {cohort} is for runs of one cohort, but these are of {len(names)}: {', '.join(names)}. "
                "Leave it out, or name runs of one cohort."
            )
        if cohort.upper() not in _cohorts():
            raise InputError(f"No values of {cohort!r} were published; {nearest(cohort, map(str.lower, _cohorts()))}")
        return {names[0]: values[values["cohort"] == cohort.upper()]}
    found = {name: known_cohort(name) for name in names}
    if not any(found.values()):
        raise InputError(
            f"No published values are known of {' or '.join(names)}. Say with --cohort which of these it is: "
            f"{', '.join(_cohorts())}."
        )
    return {name: values[values["cohort"] == known] for name, known in found.items() if known is not None}


def as_cells(values: pd.DataFrame) -> pd.DataFrame:
    """Published values as cells of a comparison, which lack row, column and cohort."""
    why = values["optimistic"].map({True: "the paper's epoch was chosen on the reported fold", False: ""})
    named = values[["group", "method", "metric", "mean", "sd", "source", "protocol"]].assign(
        kind="published", optimistic=why, seeds="", mark=""
    )
    folds = values["protocol"].str.extract(r"^(\d+)", expand=False).astype(int)
    return named.assign(ddof=values["source"].map(lambda source: 1 if source == "MCTI" else 0), folds=folds)


def _cohorts() -> list[str]:
    return list(dict.fromkeys(published_values()["cohort"]))
