"""A finished run as one value: its folder, read lazily, each file at most once."""

import logging
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from prognoscope.core.errors import InputError, some
from prognoscope.core.files import need_file
from prognoscope.core.outcome import Outcome, Prediction
from prognoscope.core.yaml_text import parse_yaml
from prognoscope.evaluation.fold import Fold
from prognoscope.runs.card import need_own_card
from prognoscope.runs.explanations import KeptExplanation, kept_explanations
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.manifest import checked, is_there
from prognoscope.runs.method_run import MethodRun, outcome_in, read_predictions
from prognoscope.runs.provenance import Provenance, read_provenance
from prognoscope.runs.seeds import need_one_run
from prognoscope.runs.tables import (
    ABLATIONS,
    ACCOUNT,
    ALL_FOLDS,
    BY_MODALITY,
    COMPARISON,
    COSTS,
    COVARIATES,
    LACKING,
    METRICS,
    OPTIMISM,
    ORACLES,
    OUTCOMES,
    PATIENTS,
    PREVIEWS,
    SETTINGS,
    SPLITS,
    SURGERY,
    SWEEPS,
    UNFINISHED,
    Table,
    numbered_columns,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Run:
    """The folder of a run. Whatever is asked for is read then, and kept; tables are shared, so copy one to change it.

    A table that a run need not have is empty where its file is absent: all but the metrics and the outcomes.
    """

    folder: Path

    def __post_init__(self):
        object.__setattr__(self, "folder", Path(self.folder))
        if not self.folder.is_dir():
            raise InputError(f"There is no run folder {self.folder}. Name the folder that `prognoscope run` wrote.")

    @property
    def files(self) -> RunFiles:
        """Where everything is."""
        return RunFiles(self.folder)

    @cached_property
    def provenance(self) -> Provenance:
        """Where the numbers come from; empty where the file is absent."""
        path = self.files.provenance
        if path.is_file() and not self.files.manifest.is_file():
            log.warning(
                "%s was made by a version that kept no sums of its files, so it is not known whether they are as they "
                "were written.",
                self.folder,
            )
        return read_provenance(path) if is_there(path) else Provenance()

    @cached_property
    def study_text(self) -> str:
        """The study with every default; "" where the file is absent."""
        path = self.files.study
        return checked(path).read_text(encoding="utf-8") if path.is_file() else ""

    @cached_property
    def splits(self) -> pd.DataFrame:
        """Who was in which part of which fold."""
        return _optional(SPLITS, self.files.splits)

    @cached_property
    def outcomes(self) -> Outcome:
        """The follow-up of everybody in the run."""
        return outcome_in(OUTCOMES.read(self.files.outcomes))

    @cached_property
    def account(self) -> pd.DataFrame:
        """Who was left out at which step."""
        return _optional(ACCOUNT, self.files.account)

    @cached_property
    def patients(self) -> pd.DataFrame:
        """Site, subtype, slides and patches of everybody, by patient; without rows in a run of an older version."""
        return _optional(PATIENTS, self.files.patients).set_index("patient_id")

    @cached_property
    def lacking(self) -> pd.DataFrame:
        """Which patients lack what of which method; no rows where all have what every method uses."""
        return _optional(LACKING, self.files.lacking)

    @cached_property
    def covariates(self) -> pd.DataFrame:
        """The clinical covariates of everybody, by patient: numbers with NaN, categories with None; maybe no column."""
        table = _optional(COVARIATES, self.files.covariates).set_index("patient_id")
        words = {told["covariate"] for told in self.provenance.covariates if told.get("read as") == "category"}
        return pd.DataFrame({name: _covariate(table[name], name in words) for name in table}, index=table.index)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What every method took, fold by fold; no rows in a run of an older version."""
        path = self.files.costs
        return COSTS.read(path, is_sealed=False) if path.is_file() else COSTS.empty()

    @cached_property
    def previews(self) -> pd.DataFrame:
        """Which slides have a picture, and why those gave no patches that did not; no rows for a run without slides."""
        return _optional(PREVIEWS, self.files.previews / "previews.csv")

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Every metric of every method and fold."""
        table = METRICS.read(self.files.metrics)
        if (twice := table.duplicated(["method", "metric", "fold"])).any():
            told = table[twice].iloc[0]
            raise InputError(
                f"{self.files.metrics} has {told['metric']} of {told['method']}, fold {told['fold']}, twice. Start "
                "`prognoscope run` again, which makes it anew."
            )
        return table

    @cached_property
    def common_metrics(self) -> pd.DataFrame:
        """The same on the patients whom all methods were tested on, who alone can be compared in pairs.

        All metrics where every method was tested on the same patients.
        """
        table = _optional(METRICS, self.files.common_metrics)
        return table if len(table) else self.metrics

    @cached_property
    def by_modality(self) -> pd.DataFrame:
        """The C-index of each method among patients who lack the same; no rows where nobody lacks anything."""
        return _optional(BY_MODALITY, self.files.by_modality)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Paired differences."""
        return _optional(COMPARISON, self.files.comparison)

    @cached_property
    def ablations(self) -> pd.DataFrame:
        """The rows of the published ablation tables, in their order."""
        return _optional(ABLATIONS, self.files.ablations)

    @cached_property
    def sweeps(self) -> pd.DataFrame:
        """Methods at several values of their settings, sweep by sweep."""
        return _optional(SWEEPS, self.files.sweeps)

    @cached_property
    def optimism(self) -> pd.DataFrame:
        """What choosing the best epoch on the reported patients would have added."""
        return _optional(OPTIMISM, self.files.optimism)

    @cached_property
    def settings(self) -> pd.DataFrame:
        """What searches chose."""
        return _optional(SETTINGS, self.files.search)

    @cached_property
    def surgery(self) -> pd.DataFrame:
        """What each modality is worth; no rows for a run without both."""
        return _optional(SURGERY, self.files.surgery)

    @cached_property
    def name(self) -> str:
        """The study's name; the folder's where it has none."""
        if self.provenance.name:
            return self.provenance.name
        try:
            study = parse_yaml(self.study_text)
        except yaml.YAMLError:  # whoever wants a name can do without
            study = None
        named = study.get("name") if isinstance(study, dict) else None
        return str(named or self.folder.resolve().name)

    @property
    def title(self) -> str:
        """The study's name, and of a study with several endpoints the one that the run is of."""
        return ", ".join(filter(None, (self.name, self.provenance.endpoint)))

    @property
    def protocol(self) -> str:
        """`honest`, `paper` or that of a paper's table, such as `like-ghanet`; "" where the run does not say."""
        return self.provenance.protocol

    @property
    def draws(self) -> int:
        """Of each bootstrap; 1,000 where the run does not say."""
        return self.provenance.draws or 1000

    @property
    def optimistic(self) -> Mapping[str, str]:
        """Method -> why its numbers flatter it."""
        return self.provenance.optimistic

    @cached_property
    def explanations(self) -> Mapping[str, Mapping[str, KeptExplanation]]:
        """Method -> patient -> what the prediction rests on, of those that `prognoscope explain` has written."""
        return kept_explanations(self.files)

    def method(self, title: str) -> MethodRun:
        """What the method of this title left behind, if anything."""
        if title not in self._read:
            self._read[title] = MethodRun(title, tuple(self.files.folds(title)), self.files.permuted(title))
        return self._read[title]

    @cached_property
    def _read(self) -> dict[str, MethodRun]:
        return {}

    @cached_property
    def found(self) -> tuple[str, ...]:
        """Titles of what was measured, in the order of the metrics, then of what else has folds and did not fail.

        Oracles, ablations and points of sweeps are left out.
        """
        parts = {m for m, of in self.ablations[["method", "ablation_of"]].to_numpy().tolist() if m != of}
        parts |= {m for m, of in self.sweeps[["method", "sweep_of"]].to_numpy().tolist() if m != of}
        measured = [name for name in dict.fromkeys(self.metrics["method"]) if name not in ORACLES]
        failed = {each.method for each in self.provenance.failed}
        others = [name for name in self.files.methods() if name not in {*measured, *failed}]
        return tuple(name for name in (*measured, *others) if name not in parts)

    @cached_property
    def methods(self) -> Mapping[str, MethodRun]:
        """Those found that have predictions.

        Raises:
            MissingFileError: There are no metrics.
            InputError: No method has predictions.
        """
        methods = {title: self.method(title) for title in self.found}
        methods = {title: method for title, method in methods.items() if method.tested}
        if not methods:
            raise InputError(f"No method in {self.folder} has predictions yet. Finish it with `prognoscope run`.")
        return methods

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What every method predicted of its held-out patients: method, patient_id, fold, risk, time, event, S_0 ...

        Numbers throughout; a method with fewer time bins than another has NaN in the last ones.
        """
        parts = [each.predictions.assign(method=title) for title, each in self.methods.items()]
        table = pd.concat(parts, ignore_index=True)
        return table[["method", *(name for name in table if name != "method")]]

    @cached_property
    def fold_numbers(self) -> tuple[int, ...]:
        """Every fold of the splits, or of any method where there are no splits."""
        from_splits = set(self.splits["fold"])
        return tuple(sorted(from_splits or {fold for each in self.methods.values() for fold in each.tested}))

    @cached_property
    def held_out(self) -> Outcome:
        """The follow-up of every patient whom at least one method was tested on."""
        columns = next(iter(self.methods.values())).predictions.columns
        known = [name for name in ("patient_id", "time", "event", "competing") if name in columns]
        tables = [each.predictions.reindex(columns=known) for each in self.methods.values()]
        return outcome_in(pd.concat(tables).drop_duplicates("patient_id").sort_values("patient_id"))

    @property
    def has_competing(self) -> bool:
        """Whether another event may come first, which the event of interest cannot follow."""
        return self.held_out.competing is not None

    @cached_property
    def common(self) -> frozenset[str]:
        """The patients whom all methods were tested on."""
        compared = self.provenance.methods or tuple(self.methods)
        return frozenset(self.held_out.patients).difference(*(self.left_out(method) for method in compared))

    def folds(self, method: str) -> tuple[Fold, ...]:
        """What a method predicted in every fold of the splits, with whom it had been trained on.

        Raises:
            MissingFileError: A fold has no predictions or no card, or the run has no splits or outcomes.
            InputError: A file cannot be used; names it.
        """
        need_file(self.files.splits, SPLITS.what, UNFINISHED)
        return tuple(self.fold(method, number) for number in self.fold_numbers)

    def fold(self, method: str, number: int) -> Fold:
        """What a method predicted in one fold; raises as `folds`."""
        need_file(self.files.splits, SPLITS.what, UNFINISHED)
        files, of_method = self.files.fold(method, number), self.method(method)
        table = of_method.tested[number] if number in of_method.tested else read_predictions(files.predictions)
        card = of_method.cards[number] if number in of_method.cards else need_own_card(files)
        trained = [*self.part(number, "train", method), *self.part(number, "validation", method)]
        if strange := [patient for patient in (*table["patient_id"], *trained) if patient not in self._place]:
            raise InputError(
                f"{len(strange)} patients in {files.predictions} or {self.files.splits.name} are not in "
                f"{self.files.outcomes.name} of the run: {some(strange)}. Remove the folder {files.folder} and run the "
                "study again."
            )
        survival = table[numbered_columns(table, "S_")].to_numpy(float)
        prediction = Prediction(tuple(table["patient_id"]), table["risk"].to_numpy(float), survival)
        return Fold(number, prediction, self._known(prediction.patients), self._known(trained), card.time_bins)

    def part(self, fold: int, part: str, method: str | None = None) -> list[str]:
        """The patients of a part of a fold: train, validation or test; of a method, those whom it can predict."""
        table = self.splits
        patients = table.loc[(table["fold"] == fold) & (table["part"] == part), "patient_id"].tolist()
        out = self.left_out(method) if method is not None else ()
        return [patient for patient in patients if patient not in out]

    def left_out(self, method: str) -> frozenset[str]:
        """The patients of the run whom the method was neither trained nor tested on."""
        table = self.lacking
        return frozenset(table.loc[(table["method"] == method) & table["left_out"], "patient_id"])

    @cached_property
    def _place(self) -> dict[str, int]:
        return {patient: i for i, patient in enumerate(self.outcomes.patients)}

    def _known(self, patients) -> Outcome:
        return self.outcomes.take(np.array([self._place[patient] for patient in patients], dtype=np.int64))

    def oracles(self) -> list[str]:
        """Rows of the metrics that know the truth."""
        present = set(self.metrics["method"])
        return [name for name in ORACLES if name in present]

    def summary(self, method: str, metric: str, *, common: bool = False) -> pd.Series | None:
        """The row of a metric over all folds, on all patients or the common ones; None where it was not measured."""
        rows = self._measured(method, metric, over_folds=True, common=common)
        return None if rows.empty or not np.isfinite(rows.iloc[0]["value"]) else rows.iloc[0]

    def by_fold(self, method: str, metric: str, *, common: bool = False) -> pd.Series:
        """The values of a metric by fold, an integer index; empty where it was not measured."""
        rows = self._measured(method, metric, over_folds=False, common=common)
        return pd.Series(rows["value"].to_numpy(float), index=rows["fold"].astype(int)).sort_index()

    def _measured(self, method: str, metric: str, *, over_folds: bool, common: bool) -> pd.DataFrame:
        table = self.common_metrics if common else self.metrics
        if common not in self._measures:  # a page asks for hundreds
            keys = [table["method"], table["metric"], table["fold"] == ALL_FOLDS]
            self._measures[common] = dict(iter(table.groupby(keys, sort=False)))
        return self._measures[common].get((method, metric, over_folds), table.iloc[:0])

    @cached_property
    def _measures(self) -> dict[bool, dict[Hashable, pd.DataFrame]]:
        return {}


def open_finished(folder: Path | str) -> Run:
    """A run that has come to its end, so that it tells its methods and protocol.

    Raises:
        InputError: The folder is not there, is not a finished run, or holds runs with several seeds.
    """
    run = Run(Path(folder))
    need_one_run(run.folder)
    need_file(run.files.provenance, "The provenance", UNFINISHED)
    if not (run.provenance.methods and run.provenance.protocol):
        raise InputError(f"{run.files.provenance} does not tell methods and protocol. {UNFINISHED}")
    return run


def _optional(table: Table, path: Path) -> pd.DataFrame:
    return table.read(path) if is_there(path) else table.empty()


def _covariate(column: pd.Series, is_category: bool) -> pd.Series:
    if not is_category:
        with suppress(ValueError):  # words are a category, whether the provenance says so or not
            return column.replace("", "nan").astype(float)
    return pd.Series([word or None for word in column], column.index, object, column.name)
