"""The slides of a folder: which files are slides, what they are called, and what was passed over."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prognoscope.core.errors import MissingFileError, SlideError, some
from prognoscope.core.files import why_not_there
from prognoscope.core.slide_names import Parts, distinct_names, name_parts
from prognoscope.core.walk import files_below
from prognoscope.core.words import count, listed
from prognoscope.slides.readers.dicom import series_of
from prognoscope.slides.readers.zarr_folder import is_image

SUFFIXES = frozenset(  # of slides; any other file is one if its content begins like one
    {
        *(
            ".svs",
            ".ndpi",
            ".mrxs",
            ".scn",
            ".bif",
            ".svslide",
            ".czi",
            ".dcm",
            ".vms",
            ".vmu",
            ".png",
            ".jpg",
            ".jpeg",
        ),
        *(".tif", ".tiff", ".ptif", ".ptiff", ".otif", ".qptiff", ".btf", ".tf2", ".tf8", ".zarr"),
    }
)
CONVERTED_BY = {  # what is a slide, but of a format that no free reader here knows -> what turns it into a TIFF
    **dict.fromkeys([".vsi", ".zvi", ".lif"], "QuPath or bfconvert"),
    **dict.fromkeys([".isyntax", ".i2syntax"], "isyntax2raw and raw2ometiff"),
    **dict.fromkeys([".jp2", ".j2k", ".jpx"], "`vips tiffsave --tile --pyramid`"),
    **dict.fromkeys([".sdpc", ".kfb", ".mds", ".mdsx", ".tmap", ".tron"], "the scanner's own software"),
}
UNFINISHED = frozenset({".part", ".partial", ".tmp", ".crdownload", ".download", ".filepart", ".aria2", ".bak"})
BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG", b"\xff\xd8\xff", b"ZISRAWFILE")  # TIFF ... CZI
LOOKED_AT = 4096  # bytes of a file whose suffix says nothing
PICTURES, PATCHES, EXPLANATIONS = "previews", "patches", "explanations"  # folders of pictures that are made here
MADE = {PICTURES: (".jpg",), PATCHES: (".png",), EXPLANATIONS: (".png", ".ome.tiff")}  # how these end
EMBEDDINGS = "*.h5", "*/*.h5", ".*.claim", "*/.*.claim"  # beside them, of one encoder or of several, done or begun
CLUTTER = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class SlideFolder:
    """The slides of a folder, and what was passed over."""

    slides: dict[str, Path]  # sorted by id
    notes: tuple[str, ...]


def find_slides(folder: Path | str) -> dict[str, Path]:
    """Slide id -> path of every slide in a folder and below, sorted by id; see `look_for_slides`."""
    return look_for_slides(folder).slides


def look_for_slides(folder: Path | str) -> SlideFolder:
    """Every slide in a folder and below by its id, and sentences on files that are none.

    A slide's id is its name without suffixes; where several share it, the folders around them tell them apart. Hidden
    files are passed over, and so are pictures that an extraction, a run or an explanation made; links are followed. The
    companion folder of an MRXS slide belongs to it. A folder of OME-Zarr called .zarr is one slide. A DICOM series of
    several files is one slide, named after the folder that it has to itself, or else after the first of its files.

    Raises:
        MissingFileError: There is no such folder.
        SlideError: Slides in one folder have one name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(
            f"The folder of slides {folder} does not exist. {why_not_there(folder)}Correct `cohort.slides.folder`."
        )
    places: dict[Parts, list[Path]] = defaultdict(list)
    passed: dict[str, list[str]] = defaultdict(list)
    series: set[str] = set()
    made: dict[Path, tuple[str, ...]] = {}  # how pictures end that were made, in each folder
    for place, names in _without_companions(folder):
        made[place] = made.get(place.parent) or (_made_in(place) if place != folder else ())
        own: list[tuple[Path, str | None]] = []
        for path in (place / name for name in names):
            kind = "pictures that were made of slides" if path.name.endswith(made[place]) else _kind(path)
            if kind == "slide":
                own.append((path, series_of(path) if path.suffix.lower() not in SUFFIXES - {".dcm"} else None))
            elif kind:
                passed[kind].append(path.name)
        uids = {uid for _, uid in own}
        named_by_folder = place != folder and len(own) > 1 and len(uids) == 1 and None not in uids
        for path, uid in own:
            if uid is None or uid not in series:
                at = path.relative_to(folder)
                places[name_parts(str(at.parent if named_by_folder else at))].append(path)
            series |= {uid} if uid else set()
    _need_one_each(places)
    ids = distinct_names(places)
    return SlideFolder(dict(sorted((ids[at], paths[0]) for at, paths in places.items())), tuple(_notes(folder, passed)))


def _without_companions(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders with their files, but for those of MRXS slides and pictures that VMS slides are made of."""
    companions: set[Path] = set()
    for place, names in files_below(folder):
        companions |= {place / Path(name).stem for name in names if name.lower().endswith(".mrxs")}
        if not companions.isdisjoint((place, *place.parents)):
            continue
        lists = tuple(Path(name).stem for name in names if name.lower().endswith((".vms", ".vmu")))
        is_part = [
            bool(lists) and name.startswith(lists) and name[-4:].lower() not in (".vms", ".vmu") for name in names
        ]
        yield place, [name for name, part in zip(names, is_part, strict=True) if not part]


def _made_in(place: Path) -> tuple[str, ...]:
    """How pictures end that were made here, if this is a folder of them, beside embeddings or in a run."""
    beside = place.parent
    if place.name == EXPLANATIONS:
        return MADE[EXPLANATIONS] if (beside / "provenance.json").is_file() else ()
    pictures = beside / PICTURES
    if place.name not in (PICTURES, PATCHES) or not pictures.is_dir():
        return ()
    names = {each.name for each in beside.iterdir() if not each.name.startswith(".")}
    is_alone = {name for name in names if name.lower() not in CLUTTER} <= {PICTURES, PATCHES}  # each slide failed
    is_ours = is_alone or (pictures / "previews.csv").is_file() or any(any(beside.glob(each)) for each in EMBEDDINGS)
    return MADE[place.name] if is_ours else ()


def _kind(path: Path) -> str:
    """The word slide; why a file that might have been meant as one is passed over; nothing of other files."""
    suffix = path.suffix.lower()
    if path.is_dir():  # of Zarr, as all other folders are walked through
        return "slide" if is_image(path) else "folders of Zarr without an image"
    if not path.is_file():
        return "links that lead nowhere" if path.is_symlink() else "pipes, sockets or devices"
    if suffix in SUFFIXES:
        return "slide"
    if suffix in CONVERTED_BY:
        return suffix
    if suffix in UNFINISHED:
        return "unfinished copies"
    if path.name.lower() in CLUTTER:
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(LOOKED_AT)
    except OSError:
        return "files that cannot be opened"
    if head.startswith(BEGINNINGS) or head[128:132] == b"DICM":
        return "slide"
    return "" if b"\0" not in head else "files of other contents"


def _need_one_each(places: dict[Parts, list[Path]]) -> None:
    twice = {at: paths for at, paths in places.items() if len(paths) > 1}
    if twice:
        named = some(f"{'/'.join(at)} ({listed([path.name for path in paths])})" for at, paths in sorted(twice.items()))
        raise SlideError(
            f"{len(twice)} slides are there as more than one file of a name: {named}. Leave one of each, or rename."
        )


def _notes(folder: Path, passed: dict[str, list[str]]) -> Iterator[str]:
    if not passed:
        return
    kinds = [f"{kind} {len(names)} ({some(sorted(names))})" for kind, names in sorted(passed.items())]
    tools = Counter(CONVERTED_BY[kind] for kind in passed if kind in CONVERTED_BY)
    by_tool = {tool: sorted(kind for kind in passed if CONVERTED_BY.get(kind) == tool) for tool in sorted(tools)}
    cures = [f" Convert {listed(suffixes)} to tiled TIFF with {tool}." for tool, suffixes in by_tool.items()]
    total = count(sum(map(len, passed.values())), "file")
    yield f"{total} in {folder.name} not read as slides: {'; '.join(kinds)}.{''.join(cures)}"
