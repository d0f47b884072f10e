"""The study file that `prognoscope init` writes."""

from pathlib import Path

from prognoscope.core.errors import StudyError
from prognoscope.core.files import write_text
from prognoscope.study.schema import write_schema

TEMPLATE = """\
# yaml-language-server: $schema=study.schema.json
# A study. All paths are relative to this file. `prognoscope check study.yaml` says what is missing or wrong.
name: my-study

cohort:
  # One row a patient (or MCAT's table, one row a slide). Give event (1 = observed) or censored (1 = censored).
  clinical:
    table: clinical.csv
    patient: patient_id
    time: survival_months
    time_unit: months            # months | days | years
    event: event                 # or   censored: censorship
    # Several endpoints instead, each in a run of its own on the same folds, compared side by side:
    # endpoints: {OS: {time: OS.time, event: OS}, PFI: {time: PFI.time, event: PFI}}
    # event_values: [Dead]       # what means "observed", if it is not 1 or true
    # competing_values: [2]      # what means that another event came first, which this one cannot follow
    # covariates: [age, is_female]   # for coxph, coxnet, late and gpcox
    # site: site                 # the hospital; for splits.group: site
    # bad_time: drop             # leave out patients without usable follow-up, instead of stopping

  # Whole-slide images. The table has patient_id and slide_id (and, where slides do not say it, mpp).
  slides: {folder: slides, table: slides.csv}
  # ... or embeddings that you have already: TRIDENT, CLAM or STAMP files, found out by themselves.
  # features: {folder: features, layout: auto}

  # Genes: patients x genes, or MCAT's wide table; several tables in [brackets] become one.
  # omics: {table: genes.csv, groups: groups.csv}
  # A class that mcti learns beside survival.
  # subtype: {table: subtypes.csv, column: subtype}

features: {encoder: stain, patch_px: 256, mpp: 0.5}     # stain needs no weights; resnet50_trunc does

splits:
  folds: 5
  seed: 0
  # group: site                  # no hospital in two folds
  # files: splits/splits_{fold}.csv    # MCAT's folds instead of drawn ones

protocol: honest                 # paper: epochs as each method's authors chose them; {like: ghanet}: one rule for all
methods: [meanmil, abmil]        # or all, all:slides, all:genes, all:both; `prognoscope methods` lists them
training: {device: auto}         # epochs, learning_rate ... replace the methods' own recipes
# Settings searched in each fold, on inner folds of its training part; needs prognoscope[search]:
# training: {search: {trials: 30, space: {learning_rate: {low: 1e-5, high: 1e-3, log: true}, epochs: [10, 20, 30]}}}
"""


def write_start(folder: Path | str, text: str = TEMPLATE) -> Path:
    """Write a study.yaml into the folder, and the schema by which editors complete it.

    Raises:
        StudyError: There is one already.
    """
    path = need_no_study(folder)
    write_schema(folder)
    write_text(path, text)
    return path


def need_no_study(folder: Path | str) -> Path:
    """Where the study file of a folder is to be, which has none yet.

    Raises:
        StudyError: It has one.
    """
    path = Path(folder) / "study.yaml"
    if path.exists():
        raise StudyError(f"{path} is there already. Move it away first.")
    return path
