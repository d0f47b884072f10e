"""The pages, pictures and answers of the viewer, and nothing else: a request names things that the run knows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from prognoscope.core.errors import InputError, PrognoscopeError, SlideError
from prognoscope.core.ids import FORMULAS
from prognoscope.viewer.facts import Facts, as_notes
from prognoscope.viewer.layers import Scale
from prognoscope.viewer.neighbours import Search
from prognoscope.viewer.tiles import KeptBytes, Opened, as_jpeg, region, tile

STATIC = Path(__file__).parent / "static"
PAGES = {each.name: each for each in sorted(STATIC.iterdir()) if each.suffix in (".html", ".js", ".css")}
AT_ONCE = 4  # threads that cut tiles
MOST_PATCH_PX = 640  # side of an enlarged patch
MOST_BODY = 32_768  # bytes of what is sent here
REPORT_MAY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:"


class Viewer:
    """The endpoints over the facts of one run.

    Args:
        facts: The run.
        leaflet: The folder of Leaflet as the nicegui wheel has it.
    """

    def __init__(self, facts: Facts, leaflet: Path):
        self.facts = facts
        self.leaflet = {"leaflet.js": leaflet / "index.js", "leaflet.css": leaflet / "leaflet" / "leaflet.css"}
        self.sent = KeptBytes()
        self.cutters = anyio.CapacityLimiter(AT_ONCE)
        self.searcher = anyio.CapacityLimiter(1)

    def app(self) -> Starlette:
        """All of it."""
        gets: dict[str, Callable[..., Any]] = {
            "/": self.page,
            "/static/{name}": self.static,
            "/report.html": self.report,
            "/patients/{page}": self.patient_page,
            "/explanations/{method}/{patient}/{name}": self.kept_file,
            "/api/run": lambda _: JSONResponse(self.facts.about_run()),
            "/api/originals": lambda _: JSONResponse(self.facts.about_originals()),
            "/api/patient": lambda r: JSONResponse(self.facts.about_patient(_text(r, "patient"))),
            "/api/slide": lambda r: JSONResponse(self.facts.about_slide(_text(r, "slide"))),
            "/api/layer": lambda r: JSONResponse(self.facts.about_layer(*_map_of(r), *_drawn_as(r))),
            "/api/patch": self.patch,
            "/api/neighbours": self.neighbours,
            "/api/notes": self.notes,
            "/layer.png": self.layer,
            "/curve.svg": self.curve,
            "/tiles/{z:int}/{x:int}/{y:int}.jpg": self.tile,
            "/patch.jpg": self.patch_picture,
            "/patches.csv": self.patch_table,
            "/map.geojson": self.geojson,
        }
        routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in gets.items()]
        routes += [
            Route("/api/notes", self.add_note, methods=["POST"]),
            Route("/api/notes", self.remove_note, methods=["DELETE"]),
        ]
        return Starlette(routes=routes, exception_handlers={PrognoscopeError: _refused})

    def page(self, _: Request) -> Response:
        """The one page."""
        return FileResponse(PAGES["index.html"], media_type="text/html", headers={"cache-control": "no-cache"})

    def static(self, request: Request) -> Response:
        """Scripts and styles, by name."""
        name = request.path_params["name"]
        path = PAGES.get(name) or self.leaflet.get(name)
        if path is None:
            return Response(status_code=404)
        return FileResponse(path, headers={"cache-control": "no-cache"})

    def report(self, _: Request) -> Response:
        """The run's own page, which holds all that it needs."""
        path = self.facts.run.files.report
        if not path.is_file():
            return Response("This run has no report yet: `prognoscope report` writes it.", 404)
        return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_MAY})

    def patient_page(self, request: Request) -> Response:
        """The page of a patient, to which the report links."""
        folder = self.facts.run.files.patient_pages
        path = {each.name: each for each in folder.glob("*.html")}.get(request.path_params["page"])
        if path is None:
            return Response("The run has no such page: `prognoscope report` writes them.", 404)
        return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_MAY})

    def kept_file(self, request: Request) -> Response:
        """A file of an explanation, to which a patient's page links."""
        path = self.facts.file_of(*(request.path_params[name] for name in ("method", "patient", "name")))
        return Response(status_code=404) if path is None else FileResponse(path)

    async def tile(self, request: Request) -> Response:
        """A tile of a slide, JPEG; 404 beyond it."""
        slide, at = _text(request, "slide"), request.path_params
        place = at["z"], at["x"], at["y"]

        def cut(path: Path, entry: Opened) -> bytes | None:
            return self.sent.get((path, entry.stamp, place), lambda: as_jpeg(tile(entry, *place)))

        try:
            if await request.is_disconnected():
                return Response(status_code=499)
        except ClientDisconnect:
            return Response(status_code=499)
        found = await anyio.to_thread.run_sync(self._seen, slide, cut, limiter=self.cutters)
        return Response(status_code=404) if found is None else _picture(found, "image/jpeg")

    async def patch_picture(self, request: Request) -> Response:
        """A square of a slide, enlarged or made smaller."""
        slide = _text(request, "slide")
        left, top, side = (_number(request, name) for name in ("x", "y", "side"))
        px = int(min(max(_number(request, "px"), 16), MOST_PATCH_PX))
        if not 1 <= side <= 2**20:
            raise InputError("A patch has no such side.")

        def cut(_: Path, entry: Opened) -> bytes | None:
            width, height = entry.slide.size_px
            if not (-side <= left <= width and -side <= top <= height):
                return None
            return as_jpeg(region(entry, left, top, side / px, px))

        found = await anyio.to_thread.run_sync(self._seen, slide, cut, limiter=self.cutters)
        return Response(status_code=404) if found is None else _picture(found, "image/jpeg")

    def layer(self, request: Request) -> Response:
        """A map of a slide, to be laid over it."""
        return _picture(self.facts.layer(*_map_of(request), *_drawn_as(request)).png(), "image/png")

    def curve(self, request: Request) -> Response:
        """The survival that is predicted for a patient."""
        figure = self.facts.patients.survival_figure(_text(request, "patient"))
        return Response(figure, media_type="image/svg+xml", headers={"cache-control": "private, max-age=3600"})

    def patch(self, request: Request) -> Response:
        """The patch under a place; null where there is none."""
        method, patient, slide = (_text(request, name) for name in ("method", "patient", "slide"))
        return JSONResponse(
            self.facts.about_patch(method, patient, slide, _number(request, "x"), _number(request, "y"))
        )

    async def neighbours(self, request: Request) -> Response:
        """The patches of the cohort that are most like one; given up as soon as nobody waits."""
        slide = _text(request, "slide")
        originals = await anyio.to_thread.run_sync(lambda: self.facts.originals)
        self.facts.need_slide(slide)
        search = Search(originals, slide, int(_number(request, "x")), int(_number(request, "y")))
        steps = search.steps()
        async with self.searcher:  # one search at a time, so that memory holds one slide's embeddings
            while await anyio.to_thread.run_sync(next, steps, None) is not None:
                if await request.is_disconnected():
                    return Response(status_code=499)
        found = [
            {name: getattr(each, name) for name in ("likeness", "patient", "slide", "x", "y", "side_px")}
            for each in search.found
        ]
        return JSONResponse({"found": found, "slides": search.seen, "passed": search.passed})

    def notes(self, request: Request) -> Response:
        """The notes on a patient."""
        patient = _text(request, "patient")
        self.facts.need_patient(patient)
        return JSONResponse(as_notes(self.facts.notes, patient))

    async def add_note(self, request: Request) -> Response:
        """Write a note down; the answer is all notes on the patient."""
        told = await _sent(request)
        patient, slide = _word(told, "patient"), _word(told, "slide")
        place = [told.get("x"), told.get("y")]
        if not all(each is None or (isinstance(each, int | float) and abs(each) < 2**31) for each in place):
            raise InputError("The place of a note is two numbers.")

        def add() -> list[dict[str, Any]]:
            self.facts.need_patient(patient)
            if slide and self.facts.need_slide(slide) != patient:
                raise InputError("The slide is of another patient.")
            x, y = (None if each is None else float(each) for each in place)
            self.facts.notes.add(patient, _word(told, "text"), by=_word(told, "by"), slide=slide, x=x, y=y)
            return as_notes(self.facts.notes, patient)

        return JSONResponse(await anyio.to_thread.run_sync(add), 201)

    async def remove_note(self, request: Request) -> Response:
        """Take a note away; the answer is what is left on the patient."""
        told = await _sent(request)
        patient = _word(told, "patient")
        self.facts.need_patient(patient)
        await anyio.to_thread.run_sync(self.facts.notes.remove, _word(told, "id"))
        return JSONResponse(as_notes(self.facts.notes, patient))

    def patch_table(self, request: Request) -> Response:
        """The patches of a slide with all their scores, CSV."""
        method, patient, slide = (_text(request, name) for name in ("method", "patient", "slide"))
        kept = self.facts.need_kept(method, patient)
        self.facts.need_slide(slide)
        rows = kept.patches[kept.patches["slide_id"] == slide]
        if slide.startswith(FORMULAS):  # a spreadsheet would run it
            rows = rows.assign(slide_id=f"'{slide}")
        return _download(rows.to_csv(index=False, lineterminator="\n").encode(), f"{slide}.{method}.csv", "text/csv")

    def geojson(self, request: Request) -> Response:
        """A map for QuPath, where the run keeps it."""
        path = self.facts.geojson(*_map_of(request))
        return (
            Response(status_code=404)
            if path is None
            else _download(path.read_bytes(), path.name, "application/geo+json")
        )

    def _seen(self, slide: str, look: Callable[[Path, Opened], bytes | None]) -> bytes | None:
        """What is seen of a slide while it is held open; None where there is nothing to see."""
        path = self._path_of(slide)
        if path is None:
            return None
        try:
            with self.facts.open.use(path, self.facts.originals.mpp.get(slide)) as entry:
                return look(path, entry)
        except (IndexError, SlideError):
            return None

    def _path_of(self, slide: str) -> Path | None:
        try:
            self.facts.need_slide(slide)
        except InputError:
            return None
        return self.facts.originals.paths.get(slide)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422 if isinstance(error, InputError) else 500)


def _text(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise InputError(f"The request names no {name}.")
    return value


def _number(request: Request, name: str) -> float:
    try:
        value = float(_text(request, name))
    except ValueError as cause:
        if isinstance(cause, InputError):
            raise
        raise InputError(f"{name} is no number.") from cause
    if not abs(value) < 2**31:  # NaN too
        raise InputError(f"{name} is beyond any slide.")
    return value


def _map_of(request: Request) -> tuple[str, str, str, str]:
    return _text(request, "method"), _text(request, "patient"), _text(request, "slide"), _text(request, "map")


def _drawn_as(request: Request) -> tuple[Scale, float]:
    scale: Scale = "value" if request.query_params.get("scale") == "value" else "rank"
    least = _number(request, "least") if "least" in request.query_params else 0.0
    return scale, min(max(round(least), 0), 100)


def _word(told: dict[str, Any], name: str) -> str:
    value = told.get(name) or ""
    if not isinstance(value, str):
        raise InputError(f"{name} is no text.")
    return value


async def _sent(request: Request) -> dict[str, Any]:
    """What a page of ours sent: JSON, which no page of others may send without being asked first."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InputError("Notes are sent as JSON.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise InputError("That is too long for a note.")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as cause:
        raise InputError("Notes are sent as JSON.") from cause
    if not isinstance(told, dict):
        raise InputError("Notes are sent as a JSON object.")
    return told


def _picture(content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind, headers={"cache-control": "private, max-age=3600"})


def _download(content: bytes, name: str, kind: str) -> Response:
    told = f"attachment; filename*=UTF-8''{quote(name.replace('/', '_'), safe='')}"
    return Response(content, media_type=kind, headers={"content-disposition": told})
