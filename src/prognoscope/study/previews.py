"""The previews of slides that a run keeps: those left out, and some of the others."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from prognoscope.runs.layout import RunFiles
from prognoscope.runs.tables import PREVIEWS
from prognoscope.slides.preview import preview_path

MOST, MOST_LEFT_OUT = 12, 6  # pictures that a page holds


def keep_previews(
    files: RunFiles, extracted: Path, slides: Mapping[str, Sequence[str]], failed: Mapping[str, str]
) -> None:
    """Copy previews into a run, so that its page needs nothing else.

    Args:
        extracted: The folder of embeddings that the previews lie beside.
        slides: Patient -> slides that gave patches.
        failed: Slide -> why it gave none.
    """
    owner = {slide: patient for patient, each in slides.items() for slide in each}
    there = {slide: path for slide in (*failed, *owner) if (path := preview_path(extracted, slide)).is_file()}
    left_out = [slide for slide in failed if slide in there][:MOST_LEFT_OUT]
    used = [slide for slide in owner if slide in there and slide not in failed]
    chosen = np.unique(np.linspace(0, len(used) - 1, min(len(used), MOST - len(left_out))).round().astype(int))
    shutil.rmtree(files.previews, ignore_errors=True)
    rows = []
    for slide in (*left_out, *(used[i] for i in chosen)):
        name = f"{len(rows) + 1:02d}.jpg"
        files.previews.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(there[slide], files.previews / name)
        rows.append(
            {"slide": slide, "patient_id": owner.get(slide, ""), "file": name, "left_out": failed.get(slide, "")}
        )
    if rows:
        PREVIEWS.write(files.previews / "previews.csv", pd.DataFrame(rows))
