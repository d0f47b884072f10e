"""Whole groups of patients into folds that are as alike as can be."""

from collections.abc import Callable, Hashable, Mapping

import numpy as np

ROUNDS = 50  # of improvement; a handful suffices
WEIGHTS = 4.0, 2.0, 0.5  # patients, events (first label), strata


def balanced_groups(
    group_of: Mapping[str, str],
    labels: Mapping[str, tuple[Hashable, ...]],
    folds: int,
    *,
    order: Callable[[str], bytes],
) -> dict[str, int]:
    """The fold of each patient, no group in two folds: the largest groups first, each to where it unbalances least,
    then single groups are moved and pairs exchanged for as long as that helps.

    Args:
        labels: The stratum of each patient; its first entry alone is balanced besides, and more.
        order: A key that breaks ties between groups, from the seed.
    """
    names = sorted(set(group_of.values()), key=order)
    counts = _counts(names, group_of, labels)  # (groups, features), weighted
    names_by_size = sorted(range(len(names)), key=lambda i: -counts[i, 0])
    ideal = counts.sum(axis=0) / folds
    fold = np.full(len(names), -1)
    load = np.zeros((folds, counts.shape[1]))
    for i in names_by_size:
        empty = [f for f in range(folds) if not (fold == f).any()]
        left = (fold < 0).sum()
        allowed = empty if len(empty) >= left else range(folds)  # nobody's fold may stay empty
        fold[i] = min(allowed, key=lambda f: _cost(load[f] + counts[i], ideal) - _cost(load[f], ideal))
        load[fold[i]] += counts[i]
    for _ in range(ROUNDS):
        if not (_move(fold, load, counts, ideal) | _exchange(fold, load, counts, ideal)):
            break
    chosen = dict(zip(names, fold.tolist(), strict=True))
    return {patient: chosen[group] for patient, group in group_of.items()}


def _counts(names: list[str], group_of: Mapping[str, str], labels: Mapping[str, tuple[Hashable, ...]]) -> np.ndarray:
    row = {name: i for i, name in enumerate(names)}
    firsts = sorted({label[0] for label in labels.values()}, key=str)
    strata = sorted(set(labels.values()), key=str)
    counts = np.zeros((len(names), 1 + len(firsts) + len(strata)))
    first_at = {label: 1 + i for i, label in enumerate(firsts)}
    stratum_at = {label: 1 + len(firsts) + i for i, label in enumerate(strata)}
    for patient, group in group_of.items():
        counts[row[group], [0, first_at[labels[patient][0]], stratum_at[labels[patient]]]] += 1
    weights = [WEIGHTS[0], *[WEIGHTS[1]] * len(firsts), *[WEIGHTS[2] / len(strata) ** 0.5] * len(strata)]
    return counts * np.array(weights) / counts.sum(axis=0)


def _cost(load: np.ndarray, ideal: np.ndarray) -> float:
    return float(((load - ideal) ** 2).sum())


def _move(fold: np.ndarray, load: np.ndarray, counts: np.ndarray, ideal: np.ndarray) -> bool:
    moved = False
    for i in range(len(fold)):
        here = fold[i]
        if (fold == here).sum() == 1:
            continue
        gain = _cost(load[here], ideal) - _cost(load[here] - counts[i], ideal)
        prices = [_cost(load[f] + counts[i], ideal) - _cost(load[f], ideal) for f in range(len(load))]
        prices[here] = np.inf
        there = int(np.argmin(prices))
        if gain - prices[there] > 1e-12:
            load[here] -= counts[i]
            load[there] += counts[i]
            fold[i], moved = there, True
    return moved


def _exchange(fold: np.ndarray, load: np.ndarray, counts: np.ndarray, ideal: np.ndarray) -> bool:
    moved = False
    for i in range(len(fold)):
        here = fold[i]
        shifted = load[here] - counts[i] + counts  # (groups, features): this fold with another group instead
        others = load[fold] - counts + counts[i]
        before = _cost(load[here], ideal) + ((load[fold] - ideal) ** 2).sum(axis=1)
        gain = before - ((shifted - ideal) ** 2).sum(axis=1) - ((others - ideal) ** 2).sum(axis=1)
        gain[fold == here] = -np.inf
        j = int(np.argmax(gain))
        if gain[j] > 1e-12:
            difference = counts[j] - counts[i]
            load[here] += difference
            load[fold[j]] -= difference
            fold[i], fold[j], moved = fold[j], here, True
    return moved
