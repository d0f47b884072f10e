"""What lies in a folder that a study could be made of: every file is known by its content, none by its name."""

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from prognoscope.cohort.columns import PATIENT_NAMES, SLIDE_NAMES
from prognoscope.cohort.split_files import FOLD_COLUMN, read_fold_table, read_split_files
from prognoscope.core.column_names import is_unnamed, plain_name
from prognoscope.core.errors import InputError, some
from prognoscope.core.file_names import need_utf8
from prognoscope.core.genes import KIND, gene_of
from prognoscope.core.slide_names import slide_name
from prognoscope.core.tables import as_text, read_table
from prognoscope.core.walk import files_below
from prognoscope.features.store import Look, look_at
from prognoscope.omics.columns import is_metadata
from prognoscope.omics.group_files import read_groups
from prognoscope.omics.orientation import GENE_COLUMNS
from prognoscope.runs.layout import RunFiles
from prognoscope.slides.readers import look_for_slides
from prognoscope.slides.readers.folder import BEGINNINGS, SUFFIXES
from prognoscope.slides.readers.zarr_folder import is_image
from prognoscope.study.start.endpoints import Endpoint, find_endpoints

IDS = tuple(
    dict.fromkeys((*map(plain_name, PATIENT_NAMES), "case_submitter_id", "patient_barcode", "sample_id", "sample"))
)
SLIDES = frozenset(map(plain_name, SLIDE_NAMES))
SUBTYPES = ("subtype", "cls_label", "molecular_subtype", "histological_subtype")
SITES = ("site", "tissue_source_site", "hospital", "center", "centre", "institution")
FEWEST_GENES = 10  # columns of numbers; a table with fewer is of something else
OURS = (".yaml", ".yml", ".schema.json", ".bags", ".shard", ".log", ".md", ".py", ".html", ".svg")
HDF5, PT = b"\x89HDF", (".pt", ".pth")
OF_CLAM = ("h5_files", "pt_files")  # two folders of the same slides
MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class ClinicalFile:
    """A table with times and statuses."""

    path: Path
    table: pd.DataFrame = field(repr=False)
    ids: tuple[str, ...]  # columns that may name the patient
    endpoints: tuple[Endpoint, ...]
    slide: str | None  # the column of slides, where a row is one
    subtype: str | None
    site: str | None


@dataclass(slots=True)
class Content:
    """What was found; each list in the order of the names."""

    slides: Path | None = None  # the folder of all of them
    n_slides: int = 0
    embeddings: dict[Path, Look] = field(default_factory=dict)  # folder -> what one of its files says
    clinical: list[ClinicalFile] = field(default_factory=list)
    genes: list[Path] = field(default_factory=list)
    vectors: dict[Path, str] = field(default_factory=dict)  # table that may be of embeddings, a row a patient -> ids
    groups: list[Path] = field(default_factory=list)
    slide_tables: list[Path] = field(default_factory=list)
    subtypes: dict[Path, str] = field(default_factory=dict)  # table -> column
    splits: list[str] = field(default_factory=list)  # patterns with {fold}
    fold_tables: list[Path] = field(default_factory=list)
    truths: list[Path] = field(default_factory=list)  # oracle risks of a simulated cohort
    names: set[str] = field(default_factory=set)  # of patients, slides and whatever begins with a patient's id
    passed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # why -> files
    notes: list[str] = field(default_factory=list)


def look_into(folder: Path) -> Content:
    """What a folder and the folders in it hold. Runs of ours and hidden files are passed over.

    Raises:
        InputError: There is no such folder, or the name of a file in it is no text.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to look into. Correct the path behind --from.")
    found, tables = Content(), []
    skipped: list[Path] = []
    pictures, stores = [], []
    for place, names in files_below(folder):
        if any(place.is_relative_to(each) for each in skipped):
            continue
        if RunFiles(place).manifest.is_file() or _is_our_store(place):
            skipped.append(place)
            continue
        paths = [place / name for name in names]
        for path in paths:
            need_utf8(str(path))
        kinds = {path: _kind(path) for path in paths}
        pictures += [path for path in paths if kinds[path] == "slide"]
        stores += [path for path in paths if kinds[path] == "embeddings"]
        tables += [path for path in paths if kinds[path] == "table"]
        found.genes += [path for path in paths if kinds[path] == "genes"]
        for path in [path for path in paths if kinds[path] == "closed"]:
            found.passed["cannot be opened"].append(path.name)
    _add_embeddings(found, stores)
    _add_slides(found, pictures)
    for path in tables:
        _add_table(found, path)
    for truth in found.truths:  # what is below it tells of the simulation
        found.groups = [path for path in found.groups if not path.is_relative_to(truth.parent)]
    _add_groups(found)
    return found


def _is_our_store(place: Path) -> bool:
    """Whether this is where embeddings of a study beside it are kept."""
    inside = place.name == "embeddings" and any(place.parent.glob("*.yaml"))
    return inside and any(re.search(r"-[0-9a-f]{8}$", each.name) for each in place.iterdir() if each.is_dir())


def _kind(path: Path) -> str:
    low = path.name.lower()
    if low.endswith(OURS) or low.startswith("readme"):
        return ""
    if path.is_dir():
        return "slide" if is_image(path) else ""
    try:
        with path.open("rb") as file:
            begin = file.read(8)
    except OSError:
        return "closed"
    if begin.startswith(HDF5):
        return "genes" if _is_anndata(path) else "embeddings"
    if low.endswith(PT):
        return "embeddings"
    if path.suffix.lower() in SUFFIXES or begin.startswith(BEGINNINGS):
        return "slide"
    return "table"


def _is_anndata(path: Path) -> bool:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return {"obs", "var", "X"} <= set(file)
    except OSError:
        return False


def _above(paths: Iterable[Path]) -> Path:
    """The one folder that holds all of these files."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def _add_slides(found: Content, paths: Sequence[Path]) -> None:
    if not paths:
        return
    folder = _above(paths)
    try:
        slides = look_for_slides(folder)
    except InputError as cause:
        found.notes.append(str(cause))
        found.slides, found.n_slides = folder, len(paths)
        return
    if slides.slides:
        found.slides, found.n_slides = folder, len(slides.slides)
        found.names.update(slides.slides)
        found.notes += slides.notes


def _add_embeddings(found: Content, paths: Sequence[Path]) -> None:
    """Folders of embeddings; those of one encoder that hold other slides each are one."""
    alike: dict[tuple[int, str | None], dict[Path, set[str]]] = defaultdict(dict)
    looks: dict[tuple[int, str | None], Look] = {}
    of_place: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        place = path.parent.parent if path.parent.name in OF_CLAM else path.parent
        if path.parent.name != "patches":  # where TRIDENT and CLAM keep coordinates alone
            of_place[place].append(path)
    for place, here in of_place.items():
        look = _first_look(found, here)
        if look is not None:
            key = (look.embedding_dim, look.encoder)
            looks.setdefault(key, look)
            alike[key][place] = {slide_name(path.name) for path in here}
    for key, places in alike.items():
        for folder, names in _joined(places).items():
            found.embeddings[folder] = looks[key]
            found.names |= names


def _first_look(found: Content, paths: Sequence[Path]) -> Look | None:
    """What the first of the files says that can be read."""
    for path in paths:
        try:
            return look_at(path)
        except (InputError, OSError) as cause:
            found.passed[f"no embeddings that can be read: {cause}"].append(path.name)
    return None


def _joined(places: dict[Path, set[str]]) -> dict[Path, set[str]]:
    """The same, with the folder around several in their place where they hold other slides each, or one slide each."""
    left = dict(places)
    for parent in sorted({place.parent for place in places}, key=lambda each: -len(each.parts)):
        inside = {place: names for place, names in left.items() if place.parent == parent}
        every = set().union(*inside.values()) if inside else set()
        single = all(len(names) == 1 for names in inside.values())
        if len(inside) > 1 and (single or len(every) == sum(map(len, inside.values()))):
            left = {place: names for place, names in left.items() if place not in inside}
            left[parent] = left.get(parent, set()) | every | ({place.name for place in inside} if single else set())
    return left


def _add_table(found: Content, path: Path) -> None:
    try:
        table = read_table(path, "The file")
    except InputError as cause:
        found.passed[f"no table: {cause}"].append(path.name)
        found.groups.append(path)  # which a GMT file is none of; `_add_groups` has the last word
        return
    columns = {plain_name(str(column)): str(column) for column in reversed(list(table.columns))}
    ids = tuple(columns[name] for name in IDS if name in columns)
    if "train" in columns and {"val", "test"} & set(columns):
        _add_splits(found, path)
    elif ids and ("fold" in columns or any(FOLD_COLUMN.fullmatch(name) for name in columns)) and len(columns) < 60:
        _try(found, path, found.fold_tables, read_fold_table)
    elif {"risk_oracle", "log_hazard"} & set(columns):
        found.truths.append(path)
    else:
        _add_by_values(found, path, table, columns, ids)


def _add_by_values(
    found: Content, path: Path, table: pd.DataFrame, columns: dict[str, str], ids: tuple[str, ...]
) -> None:
    endpoints = tuple(find_endpoints(table))
    slide = next((columns[name] for name in columns if name in SLIDES), None)
    subtype = next((columns[name] for name in SUBTYPES if name in columns), None)
    numbers = [
        str(name) for name in table.columns if pd.api.types.is_numeric_dtype(table[name]) and not is_metadata(str(name))
    ]
    is_turned = next((plain_name(str(c)) in GENE_COLUMNS for c in table.columns if not is_unnamed(str(c))), False)
    has_genes = sum(KIND.search(name) is not None for name in numbers) >= FEWEST_GENES
    if endpoints and ids:
        site = next((columns[name] for name in SITES if name in columns), None)
        found.clinical.append(ClinicalFile(path, table, ids, endpoints, slide, subtype, site))
        if has_genes:
            found.genes.append(path)
        return
    if has_genes or len(numbers) >= FEWEST_GENES:
        found.names.update(map(str, table.columns if is_turned else as_text(table[table.columns[0]]).dropna()))
        is_counted = sum(re.fullmatch(r"[A-Za-z_]*\d+", name) is not None for name in numbers) == len(numbers)
        stems = {re.sub(r"\d+$", "", name) for name in numbers}
        if is_counted and len(stems) == 1:
            found.vectors[path] = ids[0] if ids else str(table.columns[0])
        else:
            found.genes.append(path)
    elif slide is not None:
        found.slide_tables.append(path)
        found.names.update(slide_name(str(each)) for each in as_text(table[slide]).dropna())
    elif ids and subtype is not None:
        found.subtypes[path] = subtype
    else:
        found.groups.append(path)


def _add_splits(found: Content, path: Path) -> None:
    numbered = re.fullmatch(r"(.*?)(\d+)(\D*)", path.name)
    pattern = str(path) if numbered is None else str(path.with_name(f"{numbered[1]}{{fold}}{numbered[3]}"))
    if pattern in found.splits:
        return
    try:
        read_split_files([pattern])
        found.splits.append(pattern)
    except InputError as cause:
        found.passed[f"split files that cannot be used: {cause}"].append(path.name)


def _try(found: Content, path: Path, into: list[Path], read) -> None:
    try:
        read(path)
        into.append(path)
    except InputError as cause:
        found.passed[str(cause)].append(path.name)


def _add_groups(found: Content) -> None:
    """Of the files that are nothing else, those whose entries are genes of the tables."""
    genes = _genes_in(found.genes)
    candidates, found.groups = found.groups, []
    for path in candidates:
        try:
            groups = read_groups(path, genes).groups
        except InputError:
            groups = {}
        named = {gene for each in groups.values() for gene in each}
        if named & genes or (not genes and path.suffix.lower() in (".gmt", ".gmx") and named):
            found.groups.append(path)
            _forget(found, path.name)
        elif not any(path.name in files for files in found.passed.values()):
            found.passed["no file of a study"].append(path.name)


def _forget(found: Content, name: str) -> None:
    for why, files in list(found.passed.items()):
        if name in files:
            files.remove(name)
        if not files:
            del found.passed[why]


def _genes_in(paths: Collection[Path]) -> set[str]:
    """The names of the genes of these tables: of their columns, or of their rows where those are genes."""
    names: set[str] = set()
    for path in paths:
        if path.suffix == ".h5ad":
            continue
        table = read_table(path, "The gene table")
        plain = {plain_name(str(column)): str(column) for column in table.columns}
        if keys := [plain[name] for name in GENE_COLUMNS if name in plain]:
            names.update(text for key in keys for text in as_text(table[key]).dropna())
        else:
            names.update(gene_of(str(column)) for column in table.columns if not is_metadata(str(column)))
    return names


def told_passed(found: Content) -> list[str]:
    """A sentence for what is used by no study."""
    told = [f"{some(files)}: {why}" for why, files in list(found.passed.items())[:MOST_TOLD]]
    more = sum(len(files) for files in list(found.passed.values())[MOST_TOLD:])
    return [*told, *([f"{more} more files"] if more else [])]
