"""What is kept of an explanation in the run folder, and reading it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from prognoscope.core.errors import InputError
from prognoscope.core.files import read_json, write_json, written_whole
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import ExplanationFiles, RunFiles
from prognoscope.runs.manifest import checked, read_manifest, seal
from prognoscope.runs.tables import FAITHFULNESS, GENE_GROUPS, GENE_SCORES, MODALITIES, PATCHES, Table

log = logging.getLogger(__name__)
CURE = "Start `prognoscope explain` again, which makes it."
TABLES: Mapping[str, Table] = {
    "patches": PATCHES,
    "gene_groups": GENE_GROUPS,
    "genes": GENE_SCORES,
    "modalities": MODALITIES,
    "faithfulness": FAITHFULNESS,
}


@dataclass(frozen=True, slots=True)
class ToldMap:
    """What a map of patches, or a score of gene groups, means."""

    name: str
    meaning: str
    unit: str
    source: str = ""  # "model" for what the method itself gives; else how it was computed
    is_signed: bool = False  # about zero: above, it raises the risk


@dataclass(frozen=True, slots=True)
class ToldSlide:
    """A slide whose patches are in the table, and their geometry as far as it is known."""

    slide: str
    patches: int
    side_px: float | None = None  # of a patch, in level-0 pixels
    mpp: float | None = None  # um per level-0 pixel
    size_px: tuple[int, int] | None = None  # width and height of level 0
    origin_px: tuple[int, int] | None = None  # corner of what was scanned; None where no slide file told
    is_in_um: bool = False  # places are um, at 1 um a pixel, because no resolution was known


@dataclass(frozen=True, slots=True)
class About:
    """Whose explanation it is, by which models, and what its numbers mean."""

    patient: str
    method: str
    folds: tuple[int, ...]  # whose models explain; none of them learned from the patient
    log_risk: float
    maps: tuple[ToldMap, ...] = ()
    slides: tuple[ToldSlide, ...] = ()
    group_scores: tuple[ToldMap, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptExplanation:
    """An explanation in a run; each table is read when first asked for. Tables are shared: copy to change them."""

    files: ExplanationFiles

    @cached_property
    def about(self) -> About:
        """What stands beside the tables.

        Raises:
            InputError: The file cannot be used.
        """
        told = read_json(checked(self.files.about), "The explanation", CURE)
        try:
            return _about(dict(told) if isinstance(told, dict) else {})
        except (TypeError, KeyError, ValueError, AttributeError) as cause:
            raise InputError(f"{self.files.about} is not an explanation ({cause!r:.80}). Remove it. {CURE}") from cause

    @cached_property
    def patches(self) -> pd.DataFrame:
        """slide_id, x, y (level-0 pixels of the top left corner, NaN where unknown), and a column a map."""
        return self._table("patches")

    @cached_property
    def gene_groups(self) -> pd.DataFrame:
        """group, and a column a score; no rows without genes."""
        return self._table("gene_groups")

    @cached_property
    def genes(self) -> pd.DataFrame:
        """group, gene, value (as the model sees it), integrated_gradients; no rows without genes."""
        return self._table("genes")

    @cached_property
    def modalities(self) -> pd.DataFrame:
        """modality, shapley, without."""
        return self._table("modalities")

    @cached_property
    def faithfulness(self) -> pd.DataFrame:
        """map, measure, value."""
        return self._table("faithfulness")

    def picture(self, slide: str, patch_map: str, ending: str) -> Path | None:
        """The picture of a map of a slide with this ending, such as ".png"; None where there is none."""
        path = self.files.picture(slide, patch_map, ending)
        return path if path.is_file() else None

    def _table(self, name: str) -> pd.DataFrame:
        path = getattr(self.files, name).with_suffix(".parquet")  # read faster than the CSV, and equal to it
        if not path.is_file():
            return TABLES[name].empty()
        try:
            return pd.read_parquet(checked(path))
        except OSError as cause:  # pyarrow's, too, where it is no Parquet
            raise InputError(f"{path} cannot be read ({cause}). Remove its folder. {CURE}") from cause


def keep(
    files: ExplanationFiles,
    about: About,
    tables: Mapping[str, pd.DataFrame],
    pictures: Sequence[Path],
    made_of: Fingerprint,
) -> None:
    """Write an explanation beside its pictures; the manifest last, so that it says whole."""
    written = [files.about, *pictures]
    for name, table in tables.items():
        if len(table.columns):
            path = getattr(files, name)
            TABLES[name].write(path, table)
            with written_whole(path.with_suffix(".parquet")) as beside:
                table.to_parquet(beside, index=False)
            written += [path, path.with_suffix(".parquet")]
    write_json(files.about, asdict(about))
    seal(files.folder, written, made_of)


def is_kept(files: ExplanationFiles, made_of: Fingerprint) -> bool:
    """Whether an explanation of just this is there and whole."""
    try:
        manifest = read_manifest(files.folder)
    except InputError:
        return False
    return (
        manifest is not None
        and manifest.made_of == made_of
        and all((files.folder / name).is_file() for name in manifest.files)
    )


def kept_explanations(run: RunFiles) -> dict[str, dict[str, KeptExplanation]]:
    """Method -> patient -> explanation, of all that are finished, in alphabetical order; a damaged one is told."""
    found: dict[str, dict[str, KeptExplanation]] = {}
    for manifest in sorted(run.explanations.glob("*/*/manifest.json")):
        kept = KeptExplanation(ExplanationFiles(manifest.parent))
        try:
            found.setdefault(kept.about.method, {})[kept.about.patient] = kept
        except InputError as cause:
            log.warning("an explanation is left out: %s", cause)
    return {method: patients for method, patients in found.items() if patients}


def _about(told: dict[str, Any]) -> About:
    maps, scores = (tuple(ToldMap(**each) for each in told[name]) for name in ("maps", "group_scores"))
    slides = tuple(
        ToldSlide(**{**each, **{name: tuple(each[name]) for name in ("size_px", "origin_px") if each.get(name)}})
        for each in told["slides"]
    )
    return About(
        str(told["patient"]),
        str(told["method"]),
        tuple(int(fold) for fold in told["folds"]),
        float(told["log_risk"]),
        maps,
        slides,
        scores,
        tuple(str(note) for note in told["notes"]),
    )
