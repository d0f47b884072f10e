"""What a folder of Zarr says of itself, read without zarr."""

import json
from pathlib import Path
from typing import Any

from prognoscope.core.errors import SlideError


def is_zarr(path: Path) -> bool:
    """Whether a folder is one of Zarr, of version 2 or 3."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zattrs"))


def is_image(path: Path) -> bool:
    """Whether a folder of Zarr is meant as an image: not those that other tools keep embeddings in."""
    try:
        told = zarr_attributes(path)
    except SlideError:
        return True  # opening says what is wrong
    return "multiscales" in told or "bioformats2raw.layout" in told


def zarr_attributes(folder: Path) -> dict[str, Any]:
    """What a group says of itself, with the `version` of NGFF.

    Raises:
        SlideError: It is no JSON.
    """
    if (folder / "zarr.json").is_file():
        attributes = read_object(folder / "zarr.json").get("attributes")
        ome = attributes.get("ome") if isinstance(attributes, dict) else None
        return {"version": "0.5", **ome} if isinstance(ome, dict) else {}
    told = read_object(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}
    scales = told.get("multiscales")
    first = scales[0] if isinstance(scales, list) and scales and isinstance(scales[0], dict) else {}
    return {**told, "version": str(first.get("version", "0.4"))}


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; empty where it holds something else.

    Raises:
        SlideError: It is no JSON.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as cause:
        raise SlideError(
            f"{path} cannot be read as JSON. Copy the slide's whole folder again, or leave it out of the cohort."
        ) from cause
    return held if isinstance(held, dict) else {}
