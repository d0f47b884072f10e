"""What a slide is called, wherever it is named: as a file, as an embedding file, as an entry of a table.

A name is the file's without folders and without suffixes, however many there are: `x`, `x.svs`, `x.svs.h5`,
`x.ome.tif` and `C:\\scans\\x.svs.tif` are all x. Where several slides share a name, the folders around them tell them
apart: `P001/HE` and `P002/HE`.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prognoscope.core.file_names import need_utf8

SUFFIXES = (
    *(".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".czi", ".vms", ".vmu", ".zvi", ".dcm", ".dicom"),
    *(
        ".tif",
        ".tiff",
        ".ptif",
        ".ptiff",
        ".otif",
        ".qptiff",
        ".btf",
        ".tf2",
        ".tf8",
        ".ome",
        ".zarr",
        ".png",
        ".jpg",
        ".jpeg",
    ),
    *(".vsi", ".isyntax", ".i2syntax", ".sdpc", ".jp2", ".j2k", ".jpx", ".kfb", ".mds", ".tmap", ".mdsx"),
    *(".h5", ".hdf5", ".hdf", ".pt", ".pth"),
)
Parts = tuple[str, ...]  # folders from the outside, then the slide's name


def slide_name(text: str) -> str:
    """The slide's name: that of its file, composed (NFC), without folders, blanks around it and suffixes of slides.

    Naming the name again changes nothing.
    """
    return name_parts(text)[-1]


def name_parts(text: str) -> Parts:
    """The folders that a path names, and the slide's name last.

    Raises:
        InputError: The path is no text.
    """
    need_utf8(text)
    parts = [each.strip() for each in unicodedata.normalize("NFC", text).replace("\\", "/").split("/")]
    *folders, name = [each for each in parts if each not in ("", ".")] or [text.strip()]
    while (shorter := _without_suffix(name)) != name:
        name = shorter
    return *folders, name


def _without_suffix(name: str) -> str:
    low = name.lower()
    suffix = next((each for each in SUFFIXES if low.endswith(each) and len(low) == len(name)), "")
    return name.removesuffix(name[len(name) - len(suffix) :]).strip() or name if suffix else name


def distinct_names(places: Iterable[Parts]) -> dict[Parts, str]:
    """Where a slide lies -> its id: its name, or the shortest end of its path that no other slide has."""
    left, ids = set(places), {}
    length = 1
    while left:
        ends = Counter(place[-length:] for place in left)
        alone = {place for place in left if ends[place[-length:]] == 1 or length > len(place)}
        ids |= {place: "/".join(place[-length:]) for place in alone}
        left -= alone
        length += 1
    return ids


@dataclass(frozen=True, slots=True)
class Matches:
    """Which entries of a table are which slides."""

    slides: dict[str, str]  # entry -> slide id
    absent: tuple[str, ...]  # entries that no slide is there for
    unclear: dict[str, tuple[str, ...]]  # entries that may be any of several slides


def match_entries(entries: Iterable[str], places: Mapping[str, Parts]) -> Matches:
    """Find the slides that a table names, by as much of their paths as both sides tell.

    An entry is the slide with whose path its own agrees furthest from the end. Where folders differ, as in a table from
    another machine, the name decides only if one entry and one slide have it, so that `P001/HE` is never taken for
    `P002/HE`. An entry may also name a file in the folder of a slide of many files, such as DICOM.

    Args:
        places: Slide id -> folders and name.
    """
    named, beside = defaultdict(list), defaultdict(list)
    for slide, place in places.items():
        named[place[-1]].append(slide)
        beside[place[-2:]].append(slide)
    asked = {entry: _parts_known(name_parts(entry), named) for entry in dict.fromkeys(entries)}
    alike = Counter(parts[-1] for parts in set(asked.values()))
    found, absent, unclear = {}, [], {}
    for entry, parts in asked.items():
        same_name = named.get(parts[-1], [])
        agreed = {slide: _agreed(parts, places[slide]) for slide in beside.get(parts[-2:]) or same_name}
        most = max(agreed.values(), default=0)
        best = [slide for slide in agreed if agreed[slide] == most]
        fits = [slide for slide in best if most == min(len(parts), len(places[slide]))]  # nothing speaks against it
        best = [slide for slide in fits if places[slide] == parts] or fits or best
        if fits and len(best) > 1:
            unclear[entry] = tuple(best)
        elif len(best) == 1 and (fits or most > 1 or alike[parts[-1]] == len(same_name) == 1):
            found[entry] = best[0]
        else:
            absent.append(entry)
    return Matches(found, tuple(absent), unclear)


def _parts_known(parts: Parts, named: Mapping[str, object]) -> Parts:
    """Without the file's own name, where only its folder is a slide's."""
    return parts[:-1] if parts[-1] not in named and len(parts) > 1 and parts[-2] in named else parts


def _agreed(entry: Parts, place: Parts) -> int:
    """How many parts two paths share from the end."""
    shared = 0
    for one, other in zip(reversed(entry), reversed(place), strict=False):
        if one != other:
            break
        shared += 1
    return shared
