"""What the page asks for, put together: of the run, of a patient, of a slide, of a map, of a patch."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prognoscope.core.errors import InputError, PrognoscopeError, SlideError
from prognoscope.core.words import typed
from prognoscope.runs.explanations import KeptExplanation, ToldMap, ToldSlide
from prognoscope.runs.manifest import read_manifest
from prognoscope.runs.read import Run
from prognoscope.viewer.layers import Layer, Scale, bar_colours, draw_layer
from prognoscope.viewer.notes import Notes
from prognoscope.viewer.originals import Originals, find_originals
from prognoscope.viewer.patients import Patients
from prognoscope.viewer.tiles import OpenSlides, stamp_of, top_of

MOST_LAYERS = 16  # kept as they were drawn
MOST_READ = 12  # explanations whose tables are kept in memory
MOST_GROUPS = 40
EXPLAIN = "prognoscope explain {run} --patient {patient}"


class Facts:
    """A run, opened for looking at: what is asked for is read then; ids that the run does not know are refused.

    Args:
        run: A run whose numbers are there.
        slides: Where the slides lie now, if not where the run's study says.
    """

    def __init__(self, run: Run, slides: Path | None = None):
        self.run = run
        self.patients = Patients(run)
        self.notes = Notes(run.files.notes)
        self.open = OpenSlides()
        self._slides_at = slides
        self._layers: OrderedDict[tuple, Layer] = OrderedDict()
        self._read: OrderedDict[tuple[str, str], KeptExplanation] = OrderedDict()
        self._lock = threading.Lock()
        self._looking = threading.Lock()

    @cached_property
    def kept(self) -> Mapping[str, Mapping[str, KeptExplanation]]:
        """Method -> patient -> explanation."""
        return self.run.explanations

    @cached_property
    def _found(self) -> Originals:
        return find_originals(self.run, self._slides_at)

    @property
    def originals(self) -> Originals:
        """Slides, embeddings and subtypes; waits until they were looked for."""
        with self._looking:
            return self._found

    def about_run(self) -> dict[str, Any]:
        """What the first page shows, before slides are looked for."""
        explained = {patient: [] for patient in self.patients.known}
        for method, by_patient in self.kept.items():
            for patient in by_patient:
                explained.setdefault(patient, []).append(method)
        methods = [
            {"title": title, "optimistic": self.run.optimistic.get(title, "")} for title in self.patients.predictions
        ]
        noted = self._noted()
        rows = [
            row | {"explained": explained.get(row["patient"], []), "notes": noted.get(row["patient"], 0)}
            for row in self.patients.rows
        ]
        has_report = self.run.files.report.is_file()
        return {
            "name": self.run.title,
            "folder": str(self.run.folder),
            "protocol": self.run.protocol,
            "methods": methods,
            "patients": rows,
            "report": has_report,
        }

    def _noted(self) -> Mapping[str, int]:
        try:
            return Counter(note.patient for note in self.notes.read())
        except InputError:  # the notes' own request says so
            return {}

    def about_originals(self) -> dict[str, Any]:
        """Subtypes, how many slides each patient has, and sentences on what was not found."""
        found = self.originals
        slides = {patient: len(self._slides_of(patient)) for patient in self.patients.known}
        return {"subtypes": dict(found.subtypes), "slides": slides, "troubles": list(found.troubles)}

    def about_patient(self, patient: str) -> dict[str, Any]:
        """A patient's slides, and what each method's explanation says of the patient as a whole."""
        self.need_patient(patient)
        methods = {name: _told(self.need_kept(name, patient)) for name, kept in self.kept.items() if patient in kept}
        return {
            "patient": patient,
            "slides": self._slides_of(patient),
            "methods": methods,
            "cure": "" if methods else EXPLAIN.format(run=typed(self.run.folder), patient=typed(patient)),
        }

    def about_slide(self, slide: str) -> dict[str, Any]:
        """Size, resolution and whether there is a picture; without one, the room that its patches take."""
        owner = self.need_slide(slide)
        told = [self._told_of(kept[owner], slide) for kept in self.kept.values() if owner in kept]
        told = [each for each in told if each is not None]
        size_told = next((each.size_px for each in told if each.size_px), None)
        trouble = self.originals.trouble(slide)
        answer: dict[str, Any] = {"slide": slide, "patient": owner, "picture": False, "mpp": None, "version": ""}
        path = self.originals.paths.get(slide)
        if path is not None and path.exists():
            try:
                with self.open.use(path, self.originals.mpp.get(slide)) as entry:
                    size = entry.slide.size_px
                    answer |= {"picture": True, "size_px": size, "mpp": entry.slide.mpp}
                    answer["version"] = "-".join(map(str, stamp_of(path)))
                if not trouble and size_told and size_told != size:
                    trouble = (
                        f"The slide {path} has {size[0]} x {size[1]} pixels, and the one that was explained had "
                        f"{size_told[0]} x {size_told[1]}: it was replaced, and the maps are of another picture."
                    )
            except SlideError as cause:
                trouble = str(cause)
        if not answer["picture"]:
            answer["size_px"] = size_told or self._extent(owner, slide)
        if answer["mpp"] is None:
            answer["mpp"] = next((each.mpp for each in told if each.mpp), None)
        answer["top"] = top_of(answer["size_px"]) if answer["size_px"] else 0
        return answer | {"trouble": trouble}

    def layer(self, method: str, patient: str, slide: str, map_: str, scale: Scale, least: float) -> Layer:
        """A map as it is laid over a slide; the last ones are kept."""
        kept = self.need_kept(method, patient)
        about = self._need_map(kept, map_)
        key = (method, patient, slide, map_, scale, least)
        with self._lock:
            if key in self._layers:
                self._layers.move_to_end(key)
                return self._layers[key]
        rows, side = self._patches(kept, slide)
        coords = rows[["x", "y"]].to_numpy(float)
        values = rows[map_].to_numpy(float) if map_ in rows else np.full(len(rows), np.nan)
        layer = draw_layer(values, coords, side, is_signed=about.is_signed, scale=scale, least=least)
        with self._lock:
            self._layers[key] = layer
            while len(self._layers) > MOST_LAYERS:
                self._layers.popitem(last=False)
        return layer

    def about_layer(self, method: str, patient: str, slide: str, map_: str, scale: Scale, least: float) -> dict:
        """Where a map lies, and what its colours mean."""
        layer = self.layer(method, patient, slide, map_, scale, least)
        kept = self.need_kept(method, patient)
        about = self._need_map(kept, map_)
        table = kept.faithfulness
        measures = {}
        if len(table):
            mine = table[table["map"].astype(str) == map_]
            measures = {str(row.measure): _plain(row.value) for row in mine.itertuples()}
        return {
            "box_px": layer.box_px,
            "low": layer.low,
            "high": layer.high,
            "shown": layer.shown,
            "patches": layer.patches,
            "colours": bar_colours(about.is_signed),
            "about": asdict(about),
            "faithfulness": measures,
            "geojson": self.geojson(method, patient, slide, map_) is not None,
        }

    def about_patch(self, method: str, patient: str, slide: str, x: float, y: float) -> dict[str, Any] | None:
        """The patch under a place of level 0, the nearest where several overlap, with its value in every map."""
        kept = self.need_kept(method, patient)
        rows, side = self._patches(kept, slide)
        middle = rows[["x", "y"]].to_numpy(float) + side / 2 - (x, y)
        inside = np.flatnonzero((np.abs(middle) <= side / 2).all(axis=1))
        if not len(inside):
            return None
        row = int(inside[np.argmin((middle[inside] ** 2).sum(axis=1))])
        scores = []
        for about in kept.about.maps:
            name = about.name
            if name in rows and np.isfinite(value := float(rows[name].iloc[row])):
                values = rows[name].to_numpy(float)
                below = float((values[np.isfinite(values)] <= value).mean() * 100)
                scores.append({"map": name, "value": value, "percentile": below, "unit": about.unit})
        left, top = int(rows["x"].iloc[row]), int(rows["y"].iloc[row])
        return {"slide": slide, "x": left, "y": top, "side_px": side, "scores": scores, "patches": len(rows)}

    def geojson(self, method: str, patient: str, slide: str, map_: str) -> Path | None:
        """The file for QuPath that was kept with the map, if there is one."""
        return self.need_kept(method, patient).picture(slide, map_, ".geojson")

    def file_of(self, method: str, folder: str, name: str) -> Path | None:
        """A file of an explanation by the names of its folders, if its manifest tells of it."""
        found = (each.files.folder for each in self.kept.get(method, {}).values() if each.files.folder.name == folder)
        manifest = None if (place := next(found, None)) is None else read_manifest(place)
        return place / name if place is not None and manifest is not None and name in manifest.files else None

    def need_patient(self, patient: str) -> None:
        """Refuse an id that is not of the run.

        Raises:
            InputError: It is not.
        """
        if patient not in self.patients.known:
            raise InputError("The run has no such patient.")

    def need_slide(self, slide: str) -> str:
        """Whose slide it is.

        Raises:
            InputError: The run has no such slide.
        """
        owner = self._owners.get(slide)
        if owner is None:
            raise InputError("The run has no such slide.")
        return owner

    def need_kept(self, method: str, patient: str) -> KeptExplanation:
        """What is kept of a patient and a method.

        Raises:
            InputError: Nothing is.
        """
        if patient not in self.kept.get(method, {}):
            raise InputError("The run keeps no such explanation.")
        with self._lock:
            key = (method, patient)
            self._read[key] = self._read.get(key) or replace(self.kept[method][patient])  # its own tables, not for ever
            self._read.move_to_end(key)
            while len(self._read) > MOST_READ:
                self._read.popitem(last=False)
            return self._read[key]

    @cached_property
    def _owners(self) -> Mapping[str, str]:
        known = self.patients.known
        return {slide: patient for patient in known for slide in self._slides_of(patient)}

    def _slides_of(self, patient: str) -> list[str]:
        told = [each.slide for kept in self.kept.values() if patient in kept for each in kept[patient].about.slides]
        return list(dict.fromkeys([*self.originals.slides.get(patient, ()), *told]))

    @staticmethod
    def _told_of(kept: KeptExplanation, slide: str) -> ToldSlide | None:
        return next((each for each in kept.about.slides if each.slide == slide), None)

    def _patches(self, kept: KeptExplanation, slide: str) -> tuple[pd.DataFrame, float]:
        """The rows of a slide that have a place, and the side of a patch."""
        about = self._told_of(kept, slide)
        if about is None:
            raise InputError("The explanation has no such slide.")
        table = kept.patches
        rows = table[(table["slide_id"] == slide) & table["x"].notna() & table["y"].notna()]
        return rows, about.side_px or 1.0

    def _need_map(self, kept: KeptExplanation, map_: str) -> ToldMap:
        about = next((each for each in kept.about.maps if each.name == map_), None)
        if about is None:
            raise InputError("The explanation has no such map.")
        return about

    def _extent(self, patient: str, slide: str) -> tuple[int, int] | None:
        """What the patches of a slide cover, where nobody tells its size."""
        for method, by_patient in self.kept.items():
            if patient in by_patient and self._told_of(by_patient[patient], slide) is not None:
                rows, side = self._patches(self.need_kept(method, patient), slide)
                if len(rows):
                    return int(rows["x"].max() + side), int(rows["y"].max() + side)
        return None

    def warm(self) -> None:
        """Look for slides before anybody asks; faults are told to whoever does."""
        try:
            _ = self.originals
        except PrognoscopeError:
            return


def _told(kept: KeptExplanation) -> dict[str, Any]:
    groups, modalities = kept.gene_groups, kept.modalities
    return {
        "maps": [asdict(each) for each in kept.about.maps],
        "slides": [each.slide for each in kept.about.slides],
        "notes": kept.about.notes,
        "folds": kept.about.folds,
        "gene_groups": _records(groups.head(MOST_GROUPS)),
        "genes": _records(_strongest(kept.genes)),
        "modalities": _records(modalities),
    }


def _strongest(genes: pd.DataFrame) -> pd.DataFrame:
    """The genes whose first score is largest by size."""
    scores = [name for name in genes if name not in ("group", "gene", "value")]
    if not scores:
        return genes.head(0)
    order = genes[scores[0]].astype(float).abs().sort_values(ascending=False, kind="stable").index
    return genes.loc[order].head(15)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    """As JSON can hold it: NaN and infinity are null."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_notes(notes: Notes, patient: str) -> list[dict[str, Any]]:
    """The notes on a patient, the newest first."""
    return [asdict(note) for note in reversed(notes.read()) if note.patient == patient]
