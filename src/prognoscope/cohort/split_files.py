"""Folds that somebody else drew: MCAT's split files, Patho-Bench's table, a table of patients and folds."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import pandas as pd

from prognoscope.cohort.columns import PATIENT_NAMES, SLIDE_NAMES, guess_column, patient_ids
from prognoscope.cohort.slides import slide_name
from prognoscope.core.errors import CohortError, MissingFileError, some
from prognoscope.core.files import need_file, why_not_there
from prognoscope.core.tables import as_text, need_plain_ids, notes_of, read_table, row_of

Named = TypeVar("Named", str, Path)
FOLD_COLUMN = re.compile(r"fold_([0-9]{1,9})")
NUMBER = re.compile(r"[0-9]{1,9}")
TRUE, FALSE = frozenset({"true", "t", "1", "yes"}), frozenset({"false", "f", "0", "no"})
NAMES = (*PATIENT_NAMES, *SLIDE_NAMES)
NAMES_OF_PARTS = ("train", "val", "test", "")  # and of a first column without a name: ids, whose zeros count
PART_OF = {"train": 0, "training": 0, "val": 1, "validation": 1, "valid": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class FoldParts:
    """Train, validation and test patients of one fold, in the order of the file."""

    source: str
    parts: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    notes: tuple[str, ...] = ()  # how the file was read, where that was not plain

    def renamed(self, names: Mapping[str, str]) -> "FoldParts":
        """The same with other ids, each patient once in a part."""
        train, validation, test = (tuple(dict.fromkeys(names.get(p, p) for p in part)) for part in self.parts)
        return FoldParts(self.source, (train, validation, test))


def read_split_files(patterns: Sequence[str]) -> dict[int, FoldParts]:
    """Fold -> parts, from files such as `splits_{fold}.csv` with the columns train, val and perhaps test.

    Without a column test, val is what the fold is tested on, as MCAT has it. Shorter columns are filled with NaN. In
    CLAM's splits_0_bool.csv the columns hold true or false, and the first names who is meant.

    Args:
        patterns: Each with {fold} in it; several for a cohort of several tables, whose parts are put together.

    Raises:
        MissingFileError: A pattern fits no file, or a fold is missing.
        CohortError: A file lacks a column, or the patterns have different folds.
    """
    every = {pattern: _files(pattern) for pattern in patterns}
    first = patterns[0]
    for pattern, files in every.items():
        if set(files) != set(every[first]):
            raise CohortError(
                f"{first} has the folds {some(every[first])}, but {pattern} has {some(files)}. "
                "Give the same folds of both."
            )
    folds = {}
    for fold in every[first]:
        read = [_read_split_file(every[pattern][fold]) for pattern in patterns]
        train, validation, test = (tuple(p for one in read for p in one.parts[i]) for i in range(3))
        notes = tuple(note for one in read for note in one.notes)
        folds[fold] = FoldParts(some(one.source for one in read), (train, validation, test), notes)
    return folds


def read_fold_table(path: Path | str) -> dict[int, FoldParts]:
    """Fold -> parts, from one table: a column `fold` says where a patient is tested, or the columns fold_0, fold_1 ...
    say train, val or test (Patho-Bench's k=all.tsv, one row a slide).

    Raises:
        MissingFileError: The table is not there.
        CohortError: A column is missing, or a patient is in two folds, or in two parts of one.
    """
    table, source = read_table(path, "The table of folds"), str(path)
    patients = patient_ids(table, guess_column(table, PATIENT_NAMES, source, "patient"), source)
    of_folds = [(int(m[1]), str(name)) for name in table.columns if (m := FOLD_COLUMN.fullmatch(str(name).strip()))]
    numbered = _once_each(of_folds, f"{source} has columns")
    if numbered:
        return {k: _read_fold_column(table, patients, numbered[k], source) for k in sorted(numbered)}
    fold = as_text(table[guess_column(table, ("fold",), source, "fold")])
    tested: dict[str, str | None] = {}
    for patient, name in zip(patients, fold, strict=True):
        if tested.setdefault(patient, name) != name:
            raise CohortError(f"{source} has {patient} in the folds {tested[patient]} and {name}. Leave one.")
    names = sorted({name for name in tested.values() if name is not None}, key=lambda n: (len(n), n))
    if len(names) < 2:
        raise CohortError(f"{source} has the folds {some(names)}; at least two are needed.")
    number = {n: i for i, n in enumerate(names)}
    if all(map(NUMBER.fullmatch, names)):
        number = {n: k for k, n in _once_each([(int(n), n) for n in names], f"{source} has folds").items()}
    return {
        number[name]: FoldParts(
            source,
            (
                tuple(p for p, n in tested.items() if n is not None and n != name),
                (),
                tuple(p for p, n in tested.items() if n == name),
            ),
            notes_of(table),
        )
        for name in names
    }


def _files(pattern: str) -> dict[int, Path]:
    path = Path(pattern)
    if "{fold}" not in path.name:
        return {0: _only_split(path)}
    before, after = path.name.split("{fold}", 1)
    name = re.compile(re.escape(before) + r"([0-9]{1,9})" + re.escape(after))
    there = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    numbered = [(int(match[1]), each) for each in there if (match := name.fullmatch(each.name))]
    files = _once_each(numbered, f"{path.parent} has split files")
    if not files:
        raise MissingFileError(f"There is no split file {pattern}. {why_not_there(pattern)}Correct the path.")
    if lacking := max(files) - min(files) + 1 - len(files):
        first = next(fold for fold in range(min(files), max(files)) if fold not in files)
        others = f" and {lacking - 1} more" if lacking > 1 else ""
        raise MissingFileError(f"Of the split files {pattern}, fold {first}{others} is missing. Add it.")
    return dict(sorted(files.items()))


def _once_each(numbered: Sequence[tuple[int, Named]], told: str) -> dict[int, Named]:
    """Number -> what has it; 1 and 01 are one number, of which none may be lost.

    Raises:
        CohortError: Two have one number.
    """
    often = Counter(number for number, _ in numbered)
    if twice := [str(name) for number, name in numbered if often[number] > 1]:
        raise CohortError(f"{told} of one number: {some(twice)}. Leave one of each.")
    return dict(numbered)


def _only_split(path: Path) -> Path:
    """The file of a study of one split, if it is not one of several folds."""
    need_file(path, "The split file", "Name the files of all folds with {fold}, such as splits_{fold}.csv.")
    # every name fits the pattern, which pyright cannot know
    begin, digits, end = re.fullmatch(r"(.*?)(\d*)(\D*)", path.name).groups()  # pyright: ignore[reportOptionalMemberAccess]
    pattern = re.compile(re.escape(begin) + r"\d+" + re.escape(end))
    alike = [each.name for each in sorted(path.parent.iterdir()) if pattern.fullmatch(each.name)]
    if digits and len(alike) > 1:
        raise CohortError(
            f"{path} is one of {len(alike)} split files: {some(alike)}. Name them as {begin}{{fold}}{end}; or, to "
            "use this one alone, copy it to a folder of its own. One table of all folds is named as splits.table."
        )
    return path


def _read_split_file(path: Path) -> FoldParts:
    source = str(path)
    table = read_table(need_file(path, "The split file"), "The split file", text=NAMES_OF_PARTS, keep_unnamed=True)
    columns = {str(name).strip().lower(): name for name in table.columns}
    if "train" not in columns or not {"val", "test"} & set(columns):
        raise CohortError(f"{source} has the columns {some(table.columns)}; it needs train and val, or train and test.")
    parts = {name: _whole(as_text(table[columns[name]])) for name in ("train", "val", "test") if name in columns}
    if set().union(*(each.dropna().str.lower() for each in parts.values())) <= {*TRUE, *FALSE}:
        parts = _marked(table, parts, source)
    else:
        parts = {name: tuple(part.dropna()) for name, part in parts.items()}
    if not parts.get("test"):
        parts = {"train": parts["train"], "val": (), "test": parts.get("val", ())}
    for name, part in parts.items():
        if len(set(part)) < len(part):
            twice = sorted({p for p in part if part.count(p) > 1})
            raise CohortError(f"{source} names patients twice in {name}: {some(twice)}. Leave one of each.")
    return FoldParts(source, (parts["train"], parts.get("val", ()), parts["test"]), notes_of(table))


def _marked(table: pd.DataFrame, parts: Mapping[str, pd.Series], source: str) -> dict[str, tuple[str, ...]]:
    """Who is marked in each part: the columns hold true or false, and the first other column the ids."""
    known = guess_column(table, NAMES, source, "patients or slides") if _has(table, NAMES) else None
    ids = as_text(table[known if known is not None else table.columns[0]])
    need_plain_ids(ids, source, str(ids.name), table)
    if str(ids.name).strip().lower() in parts or ids.isna().any():
        raise CohortError(f"{source} marks rows as true or false, but does not say whose they are. Name them first.")
    return {
        name: tuple(ids[[word is not None and word.lower() in TRUE for word in part]]) for name, part in parts.items()
    }


def _whole(names: pd.Series) -> pd.Series:
    """The same, where programs wrote ids that are numbers, or marks, as 7.0 because a column was shorter."""
    if not all(re.fullmatch(r"\d+\.0", name) for name in names.dropna()):
        return names
    return names.map(lambda name: name and name.removesuffix(".0"))


def _has(table: pd.DataFrame, names: Sequence[str]) -> bool:
    return any(str(column).lower() in names for column in table.columns)


def to_patients(parts: FoldParts, known: Collection[str], slides: Mapping[str, Sequence[str]], fold: int) -> FoldParts:
    """The same parts by patients, where they name slides; a patient of several slides once in each part.

    Args:
        known: Patients of the cohort, also those who were left out.
        slides: Patient -> slides.

    Raises:
        CohortError: Slides of one patient are in two parts.
    """
    if all(name in known for part in parts.parts for name in part):
        return parts
    owner = {slide_name(slide): patient for patient, each in slides.items() for slide in each}
    people = [tuple(dict.fromkeys(_person(name, known, owner) for name in part)) for part in parts.parts]
    for one, other in combinations(people, 2):
        if both := sorted(set(one) & set(other)):
            raise CohortError(
                f"{parts.source} has slides of {len(both)} patients in two parts of fold {fold}: {some(both)}. A "
                "patient may be in one part only: put all slides of a patient into one."
            )
    train, validation, test = people
    return FoldParts(parts.source, (train, validation, test))


def _person(name: str, known: Collection[str], owner: Mapping[str, str]) -> str:
    """The patient whose slide this is, or whose id begins its name, as a TCGA barcode's; else the name itself."""
    if name in known:
        return name
    slide = slide_name(name)
    ends = (end for end in range(len(slide), 0, -1) if not slide[end : end + 1].isalnum())
    return owner.get(slide) or next((slide[:end] for end in ends if slide[:end] in known), name)


def _read_fold_column(table: pd.DataFrame, patients: pd.Series, column: str, source: str) -> FoldParts:
    where: dict[str, int] = {}
    for i, (patient, word) in enumerate(zip(patients, as_text(table[column]), strict=True)):
        if word is None:
            continue
        if word.lower() not in PART_OF:
            raise CohortError(
                f"{source}: {column} in row {row_of(table, i)} is {word!r}; it must be train, val or test."
            )
        part = PART_OF[word.lower()]
        if where.setdefault(patient, part) != part:
            raise CohortError(f"{source}: {column} has slides of {patient} in two parts. A patient may be in one only.")
    train, validation, test = (tuple(p for p, part in where.items() if part == i) for i in range(3))
    return FoldParts(source, (train, validation, test) if test else (train, (), validation), notes_of(table))
