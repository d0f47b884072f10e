"""The explanations that a run keeps, as the viewer takes them: by method and patient, each file read when asked for."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.core.errors import InputError
from prognoscope.runs.manifest import checked
from prognoscope.runs.read import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class KeptExplanation:
    """What a run keeps of one patient and one method."""

    folder: Path
    told: Mapping[str, Any] = field(repr=False)  # explanation.json

    @property
    def maps(self) -> list[dict[str, Any]]:
        """name, meaning, unit, is_signed, source of each."""
        return self.told.get("maps", [])

    @property
    def slides(self) -> list[dict[str, Any]]:
        """slide, side_px, mpp, size_px, patches of each."""
        return self.told.get("slides", [])

    @property
    def notes(self) -> list[str]:
        """Sentences that belong beside the maps."""
        return self.told.get("notes", [])

    @cached_property
    def patches(self) -> pd.DataFrame:
        """slide_id, x, y, then a column a map."""
        table = self._table("patches")
        return table.assign(slide_id=table["slide_id"].astype(str)) if len(table) else table

    @cached_property
    def gene_groups(self) -> pd.DataFrame:
        """group, then a column a score."""
        return self._table("gene_groups")

    @cached_property
    def genes(self) -> pd.DataFrame:
        """group, gene, value, then a column a score."""
        return self._table("genes")

    @cached_property
    def modalities(self) -> pd.DataFrame:
        """modality, shapley, without."""
        return self._table("modalities")

    @cached_property
    def faithfulness(self) -> pd.DataFrame:
        """map, measure, value."""
        path = self.folder / "faithfulness.csv"
        return pd.read_csv(checked(path)) if path.is_file() else pd.DataFrame()

    def picture(self, slide: str, map_: str, suffix: str) -> Path | None:
        """A file that was drawn of a map of a slide, if there is one."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", slide) or not re.fullmatch(r"\w+", map_):
            return None
        path = self.folder / f"{slide}.{map_}{suffix}"
        return path if path.is_file() else None

    def _table(self, name: str) -> pd.DataFrame:
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            return pd.DataFrame()
        try:
            return pd.read_parquet(checked(path))
        except (OSError, ValueError) as cause:
            if isinstance(cause, InputError):
                raise
            raise InputError(
                f"{path} cannot be read ({cause}). Remove its folder and explain the patient again."
            ) from cause


Kept = Mapping[str, Mapping[str, KeptExplanation]]  # method -> patient -> what is kept


def kept_explanations(run: Run) -> Kept:
    """What is there of a run's explanations; a folder that cannot be used is told in the log and left out."""
    found: dict[str, dict[str, KeptExplanation]] = {}
    for path in sorted((run.folder / "explanations").glob("*/*/explanation.json")):
        try:
            told = json.loads(checked(path).read_text(encoding="utf-8"))
            method, patient = str(told["method"]), str(told["patient"])
        except (OSError, ValueError, KeyError, TypeError) as cause:
            log.warning("The explanation in %s is left out: %s", path.parent, cause)
            continue
        found.setdefault(method, {})[patient] = KeptExplanation(path.parent, told)
    return found
