"""Finished runs -> the table a paper prints: methods by cohorts, and what paired intervals say of their order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.analysis.comparison import (
    CELL_COLUMNS,
    OVERALL,
    PAIR_COLUMNS,
    RISK_GROUP_METRICS,
    RUN_COLUMNS,
    Comparison,
)
from prognoscope.analysis.epoch_values import check_epoch
from prognoscope.analysis.epoch_words import At
from prognoscope.analysis.late_fusion import beside_late
from prognoscope.analysis.part_rows import is_no_point
from prognoscope.analysis.published import CHOSEN_LIKE_IT, as_cells, check_metric, published_of
from prognoscope.analysis.risk_group_values import risk_group_values
from prognoscope.analysis.run_columns import GROUPS, Column, Entry, Uses, columns_of, read_entries, row_titles
from prognoscope.core.errors import InputError, MetricError, nearest, some
from prognoscope.core.words import WITH_FOLLOW_UP, count
from prognoscope.evaluation import METRICS
from prognoscope.evaluation.paired import Measured, difference, measure
from prognoscope.evaluation.ranking import marks, mean_over_cohorts, ranked
from prognoscope.runs.card import ModelCard
from prognoscope.runs.read import Run, open_finished
from prognoscope.runs.tables import ALL_FOLDS, ORACLES

ByColumn = Mapping[str, Mapping[str, Measured]]  # column -> row -> what was measured


def set_side_by_side(
    runs: Sequence[Path | str],
    uses_of: Callable[[ModelCard], Uses],
    *,
    metric: str = "c_index",
    at: At | None = None,
    ddof: int | None = None,
    draws: int | None = None,
    mixed: bool = False,
    published: bool = False,
    cohort: str | None = None,
    wanted: Callable[[Path, str], bool] = is_no_point,
) -> Comparison:
    """The methods of the runs, by cohort, with what paired intervals over the same patients say of their order.

    A study's name is its cohort. Runs of a cohort that differ in their training seed are combined, fold by fold; where
    the same method has other settings, or the same seed twice, its rows carry the runs' names.

    Args:
        uses_of: What the method of a card takes.
        metric: One of the metrics of folds, or of `RISK_GROUP_METRICS`: then a cell is of all held-out patients of a
            run, cut as its own Kaplan-Meier curves are, and neither means nor pairs exist.
        at: The choice of the epoch, from what runs kept of every epoch: "honest" (by no reported patient), "last", or
            "best_on_test"; None is what each run reports.
        ddof: Of the standard deviation over folds; None is that of the runs' protocol, 0 where they differ.
        draws: Of the bootstrap; None is the most that any of the runs had.
        mixed: Let protocols, and folds of a cohort, differ; each combination then has a column of its own.
        published: Set the papers' values beside ours.
        cohort: Which cohort the published values are of, where the study's name does not tell.
        wanted: Whether a method of a run is a row; by default all but points of sweeps, which have their own table.

    Raises:
        MetricError: The metric is unknown, or has no mean over folds.
        InputError: A folder is not a finished run, is named twice, or runs cannot be set beside each other.
    """
    runs = [Path(run) for run in runs]
    if twice := [str(run) for run in runs if [r.resolve() for r in runs].count(run.resolve()) > 1]:
        raise InputError(f"The run {twice[0]} is named twice. Name each run once.")
    if metric not in (known := [*METRICS, *RISK_GROUP_METRICS]):
        raise MetricError(f"There is no metric {metric!r}; {nearest(metric, known)}")
    if published:
        check_metric(metric)
    if at is not None:
        check_epoch(at)
        if metric != "c_index":
            raise InputError(f"Runs keep the C-index of every epoch, not {metric}. Leave out --at or --metric.")
    notes: list[str] = []
    entries = [entry for run in runs for entry in read_entries(run, uses_of, notes, at)]
    entries = [entry for entry in entries if wanted(entry.run, entry.method)]
    if draws is None:
        draws = max((entry.draws for entry in entries), default=0)
    if ddof is None:
        of_runs = {entry.ddof for entry in entries}
        ddof = of_runs.pop() if len(of_runs) == 1 else 0
        notes += ["The SD is with ddof 0 everywhere, as the protocols of these runs differ in it."] * bool(of_runs)
    columns = columns_of(entries, mixed=mixed)
    titles = row_titles(columns)
    cells, measured = [], {}
    for number, column in enumerate(columns):
        trainings: dict[str, list[Entry]] = {}
        for entry in column.entries:
            trainings.setdefault(titles[entry.run, entry.method], []).append(entry)
        if metric in RISK_GROUP_METRICS:
            cells += _cells(column, trainings, risk_group_values(column, trainings, metric, notes), {}, metric)
        else:
            of_column = {
                title: _measured(title, column, each, metric, draws, number, notes) for title, each in trainings.items()
            }
            measured[column.title] = {title: each for title, each in of_column.items() if each is not None}
            cells += _measured_cells(column, trainings, measured[column.title], metric, ddof)
            cells += _oracle_cells(column, metric, ddof)
        notes += _seed_notes(column, trainings)
        notes += _endpoint_notes(column)
    if metric == "c_index" and at is None:
        notes += [note for column in columns for note in _late_notes(column)]
    table = pd.DataFrame(cells, columns=CELL_COLUMNS)
    if published:
        table = pd.concat([table, *_published_cells(columns, cohort, metric)], ignore_index=True)
        notes.append(CHOSEN_LIKE_IT)
    overall = _overall(columns, measured) if measured else {}
    table = _in_order(_with_overall(table, columns, overall, metric), columns)
    everything = {**measured, **overall}
    return Comparison(
        metric=metric,
        ddof=ddof,
        table=table,
        pairs=_pairs(everything, metric, only_with_best=len(columns) > 1),
        figures=_figures(everything, table, metric, columns),
        notes=tuple(dict.fromkeys(notes)),
        at=at or "",
        runs=_runs_table(columns),
        titles=titles,
        measured=everything,
    )


def _late_notes(column: Column) -> Iterator[str]:
    for run in column.runs:
        of = column.title if len(column.runs) == 1 else f"{column.title}, {run.name}"
        yield from (f"{of}: {each.sentence}" for each in beside_late(Run(run)))


def _measured(
    title: str, column: Column, entries: list[Entry], metric: str, draws: int, number: int, notes: list[str]
) -> Measured | None:
    if any(entry.values for entry in entries):
        return _of_values(entries, draws)
    try:
        return measure([entry.folds for entry in entries], metric=metric, draws=draws, seed=number)
    except MetricError as cause:
        if metric == "c_index" or not str(cause).startswith("Fold "):
            raise
        notes.append(f"{metric} of {title} in {column.title} is not defined. {cause}")
        return None


def _of_values(entries: Sequence[Entry], draws: int) -> Measured:
    """The C-index by fold, mean over trainings, where patients cannot be drawn because their risks were not kept."""
    values = [entry.values or _values(entry) for entry in entries]
    ratios = [len(fold) / len(fold.train) for entry in entries for fold in entry.folds]
    return Measured(np.mean(values, axis=0), np.full(draws, np.nan), float(np.mean(ratios)))


def _values(entry: Entry) -> tuple[float, ...]:
    return tuple(measure([entry.folds], metric="c_index", draws=1).values)


def _measured_cells(
    column: Column, trainings: Mapping[str, list[Entry]], measured: Mapping[str, Measured], metric: str, ddof: int
) -> list[dict]:
    flattered = frozenset(title for title, each in trainings.items() if each[0].optimistic)
    marked = marks(measured, metric=metric, flattered=flattered)
    numbers = {title: _numbers(each, ddof) for title, each in measured.items()}
    return _cells(column, trainings, numbers, marked, metric)


def _cells(
    column: Column,
    trainings: Mapping[str, list[Entry]],
    numbers: Mapping[str, dict[str, float]],
    marked: Mapping[str, str],
    metric: str,
) -> list[dict]:
    return [
        {
            "group": trainings[title][0].group,
            "row": title,
            "kind": "method",
            "method": trainings[title][0].name,
            "column": column.title,
            "cohort": column.cohort,
            "protocol": column.protocol,
            "optimistic": trainings[title][0].optimistic,
            "metric": metric,
            **of_title,
            "seeds": " ".join(str(entry.seed) for entry in trainings[title]),
            "mark": marked.get(title, ""),
        }
        for title, of_title in numbers.items()
    ]


def _numbers(measured: Measured, ddof: int) -> dict[str, float]:
    low, high = measured.interval
    sd = {"sd": measured.sd(ddof), "sd_seeds": measured.sd_of_trainings(ddof), "ddof": ddof}
    return {"mean": measured.mean, **sd, "low": low, "high": high, "folds": len(measured.values)}


def _oracle_cells(column: Column, metric: str, ddof: int) -> list[dict]:
    about = {"group": "oracle", "kind": "oracle", "column": column.title, "cohort": column.cohort, "optimistic": ""}
    rows = []
    for name, label in ORACLES.items():
        table = column.oracles[(column.oracles["method"] == name) & (column.oracles["metric"] == metric)]
        values, all_ = table.loc[table["fold"] != ALL_FOLDS, "value"], table[table["fold"] == ALL_FOLDS]
        if len(values) and len(all_):
            numbers = {"mean": values.mean(), "sd": values.std(ddof=ddof), "ddof": ddof, "folds": len(values)}
            numbers |= {"low": all_["low"].iloc[0], "high": all_["high"].iloc[0]}
            rows.append({**about, "row": label, "method": name, "metric": metric, **numbers, "seeds": "", "mark": ""})
    return rows


def _published_cells(columns: Sequence[Column], cohort: str | None, metric: str) -> list[pd.DataFrame]:
    parts = []
    names = list(dict.fromkeys(column.cohort for column in columns))
    for name, values in published_of(names, cohort, metric=metric).items():
        for column in columns:
            if column.cohort == name:
                rows = values["method"] + ", published by " + values["source"]
                parts.append(as_cells(values).assign(row=rows, column=column.title, cohort=name))
    return [part.reindex(columns=CELL_COLUMNS) for part in parts]


def _overall(columns: Sequence[Column], measured: ByColumn) -> dict[str, dict[str, Measured]]:
    """The mean over cohorts of each protocol and endpoint, of methods that have all."""
    found = {}
    for title, of_mean in _averaged(columns).items():
        everywhere = set.intersection(*(set(measured[column.title]) for column in of_mean))
        names = [name for name in measured[of_mean[0].title] if name in everywhere]
        found[title] = {n: mean_over_cohorts([measured[c.title][n] for c in of_mean]) for n in names}
    return found


def _averaged(columns: Sequence[Column]) -> dict[str, list[Column]]:
    """Title of a mean over cohorts -> the columns that it is of; none with one cohort or doubled ones."""
    alike: dict[tuple[str, str], list[Column]] = {}
    for column in columns:
        alike.setdefault((column.protocol, column.endpoint), []).append(column)
    protocols, endpoints = ({key[i] for key in alike} for i in (0, 1))
    found = {}
    for (protocol, endpoint), of_mean in alike.items():
        if len(of_mean) > 1 and len({column.cohort for column in of_mean}) == len(of_mean):
            said = [f"{protocol} protocol"] * (len(protocols) > 1) + [endpoint or "one endpoint"] * (len(endpoints) > 1)
            found[OVERALL + (f" ({', '.join(said)})" if said else "")] = of_mean
    return found


def _with_overall(table: pd.DataFrame, columns: Sequence[Column], overall: ByColumn, metric: str) -> pd.DataFrame:
    parts = [table]
    averaged = _averaged(columns)
    for title, measured in overall.items():
        of_mean = [column.title for column in averaged[title]]
        inside = table[table["column"].isin(of_mean)]
        whole = inside.groupby("row")["column"].nunique() == len(of_mean)
        inside = inside[inside["row"].isin(whole.index[whole])]
        means = inside.groupby("row")["mean"].mean()
        rows = inside.drop_duplicates("row").copy()
        why = inside.groupby("row")["optimistic"].max()
        rows = rows.assign(mean=rows["row"].map(means), optimistic=rows["row"].map(why), column=title, cohort=title)
        flattered = frozenset(rows.loc[(rows["kind"] == "method") & (rows["optimistic"] != ""), "row"])
        marked = marks(measured, metric=metric, flattered=flattered)
        ends = [measured[name].interval if name in measured else (np.nan, np.nan) for name in rows["row"]]
        rows[["low", "high"]] = np.array(ends).reshape(-1, 2)
        parts.append(
            rows.assign(sd=np.nan, sd_seeds=np.nan, folds=np.nan, seeds="", mark=rows["row"].map(marked).fillna(""))
        )
    return pd.concat(parts, ignore_index=True)


def _in_order(table: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Groups as the papers have them, in each our methods as the runs have them, and published rows below their own."""
    groups = {group: i for i, group in enumerate((*GROUPS, "oracle"))}
    base = table["method"].str.split(":").str[0]
    place = {name: i for i, name in enumerate(dict.fromkeys(base))}
    keys = pd.DataFrame({"group": table["group"].map(groups), "method": base.map(place)})
    keys = keys.assign(published=table["kind"] == "published", at=range(len(table)))
    return table.loc[keys.sort_values(keys.columns.tolist()).index].reset_index(drop=True)


def _pairs(measured: ByColumn, metric: str, *, only_with_best: bool) -> pd.DataFrame:
    rows = []
    for column, methods in measured.items():
        pairs = list(combinations(methods, 2))
        if only_with_best and methods:
            best, *others = ranked(methods, metric=metric)
            pairs = [(best, other) for other in others]
        for a, b in pairs:
            found = difference(methods[a], methods[b])
            rows.append((column, a, b, found.difference, found.low, found.high, found.p_bootstrap, found.p_t))
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _figures(
    measured: ByColumn, table: pd.DataFrame, metric: str, columns: Sequence[Column]
) -> dict[str, pd.DataFrame]:
    """Column -> how far each method is from the best; the means over cohorts where there are any, else the columns."""
    overall = [title for title in measured if title not in {column.title for column in columns}]
    wanted = [title for title in overall if len(measured[title]) > 1] or [t for t in measured if len(measured[t]) > 1]
    figures = {}
    for title in wanted:
        methods = measured[title]
        best, *others = ranked(methods, metric=metric)
        why = table[table["column"] == title].drop_duplicates("row").set_index("row")["optimistic"]
        rows = []
        for name in (best, *others):
            found = difference(methods[name], methods[best])
            row = {"column": title, "metric": metric, "method": name, "optimistic": bool(why[name])}
            row |= {"value": methods[name].mean, "difference": found.difference, "low": found.low, "high": found.high}
            apart = methods[name].values - methods[best].values
            rows.append(row | {f"part_{i}": value for i, value in enumerate(apart)})
        figures[title] = pd.DataFrame(rows)
    return figures


def _seed_notes(column: Column, trainings: Mapping[str, list[Entry]]) -> list[str]:
    """How many training seeds a number is the mean of, where that is more than one for any."""
    by_seeds: dict[tuple[int, ...], list[str]] = {}
    for title, each in trainings.items():
        by_seeds.setdefault(tuple(entry.seed for entry in each), []).append(title)
    if max(map(len, by_seeds)) == 1:
        return []
    said = []
    for seeds, titles in by_seeds.items():
        who = "all methods" if len(by_seeds) == 1 else some(titles, 30)
        values = "values are means over them, fold by fold" if len(seeds) > 1 else "others have more"
        said.append(f"{column.title}, {count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}) of {who}: {values}.")
    return said


def _endpoint_notes(column: Column) -> list[str]:
    """Who lacks the endpoint of a column, of a study with several."""
    if not column.endpoint:
        return []
    account = open_finished(column.runs[0]).account
    lost = account.loc[account["step"] == WITH_FOLLOW_UP, "dropped"].fillna(0).sum()
    who = f"{count(int(lost), 'patient')} of the table {'has' if lost == 1 else 'have'} no usable follow-up of it"
    return [f"{column.title}: {who}, and are in no fold of it." if lost else f"{column.title}: everybody has it."]


def _runs_table(columns: Sequence[Column]) -> pd.DataFrame:
    rows = []
    for column in columns:
        for run in column.runs:
            first = next(entry for entry in column.entries if entry.run == run)
            patients = len({patient for fold in first.folds for patient in fold.outcome.patients})
            events = sum(int(fold.outcome.event.sum()) for fold in first.folds)
            about = (str(run), column.title, column.endpoint, first.protocol, first.seed)
            rows.append((*about, len(first.folds), patients, events))
    return pd.DataFrame(rows, columns=RUN_COLUMNS)
