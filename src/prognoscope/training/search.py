"""A search for a method's settings inside the training part of one fold, which the test part never enters.

Each trial trains on inner folds and is judged by the mean of their losses. It is written down as it ends, so a search
that was stopped goes on as if nothing had been: what a trial draws depends on those before it and on its number alone.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch

from prognoscope.cohort.dataset import open_bags
from prognoscope.cohort.splits import Split, SplitSpec, make_splits
from prognoscope.core.errors import CohortError, InputError, ModelError, TrainingError
from prognoscope.core.files import digest
from prognoscope.training.fold_data import FoldData
from prognoscope.training.job import FoldJob
from prognoscope.training.method import Method
from prognoscope.training.space import Range, SearchSpec, Values
from prognoscope.training.trained import OnEpoch, Trained
from prognoscope.training.trials import Trial, best_of, read_trials, write_trials

INNER_CHOICE = {"test_c_index": "validation_c_index", "latest_test_c_index": "validation_c_index"}


def chosen_job(job: FoldJob, spec: SearchSpec, on_epoch: OnEpoch | None = None) -> tuple[FoldJob, OnEpoch | None]:
    """The job with the settings that a search chose, to be trained like any other; writes `search.csv`.

    The objective is the mean over inner folds of the method's survival loss per patient, without a weight for censored
    patients, at the epoch that the job's rule chooses.

    Args:
        on_epoch: Called with the finished and all epochs of the job; epochs of trials are among them.

    Returns:
        The job, and what to tell of its own epochs.

    Raises:
        InputError: Optuna is not installed.
        CohortError: The training part cannot be divided into inner folds.
        TrainingError: No trial came to its end.
    """
    path, folds = job.files.trials, InnerFolds(job, spec)
    key = folds.key()
    trials = read_trials(path, spec, key)
    epochs = job.n_epochs // (spec.trials * spec.folds + 1)  # of one training, at most
    while len(trials) < spec.trials:
        values = propose(spec, trials, seed=job.method.seed(job.spec.seed, job.split.fold))
        before = len(trials) * spec.folds * epochs
        again = next((each for each in trials if each.values == values), None)
        tell = _scaled(on_epoch, before, epochs * spec.folds, job.n_epochs)
        trials.append(again or folds.judge(values, tell))
        if tell is not None:
            tell(1, 1)
        write_trials(path, trials, spec, key)
    shutil.rmtree(job.files.searched, ignore_errors=True)  # of teachers, which trials share
    best = best_of(trials)
    if best is None:
        raise TrainingError(
            f"All {len(trials)} trials of the search failed, the first because: {trials[0].why} "
            f"Narrow training.search.space; {path} tells of the others."
        )
    failed = sum(bool(each.why) for each in trials)
    about = {"trials": len(trials), "failed": failed, "folds": spec.folds, "loss": best.loss, "chosen": best.values}
    chosen = replace(with_values(job, spec, best.values), search=None, notes={**job.notes, "search": about})
    return chosen, _scaled(on_epoch, spec.trials * spec.folds * epochs, epochs, job.n_epochs)


def propose(spec: SearchSpec, trials: Sequence[Trial], *, seed: int) -> dict[str, object]:
    """The settings to try next, by a tree-structured Parzen estimator that has seen the trials.

    Source: Bergstra, Bardenet, Bengio, Kegl: Algorithms for hyper-parameter optimization. NeurIPS 2011.
    """
    optuna = need_optuna()
    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        own_seed = int(np.random.SeedSequence([seed, len(trials)]).generate_state(1)[0])
        at_random = min(10, max(3, spec.trials // 3))
        sampler = optuna.samplers.TPESampler(seed=own_seed, n_startup_trials=at_random)
        study = optuna.create_study(sampler=sampler)
        distributions = {name: _distribution(optuna, values) for name, values in spec.space.items()}
        for each in trials:
            params = {name: _to_number(spec.space[name], value) for name, value in each.values.items()}
            state = optuna.trial.TrialState.PRUNED if each.why else optuna.trial.TrialState.COMPLETE
            value = None if each.why else each.loss
            told = optuna.trial.create_trial(state=state, value=value, params=params, distributions=distributions)
            study.add_trial(told)
        asked = study.ask(distributions).params
    finally:
        optuna.logging.set_verbosity(loud)
    return {name: _from_number(values, asked[name]) for name, values in spec.space.items()}


def need_optuna() -> ModuleType:
    """Optuna, which comes with an extra.

    Raises:
        InputError: It is not installed.
    """
    try:
        import optuna
    except ImportError as cause:
        raise InputError(
            "training.search needs Optuna, which is not installed. Run: pip install 'prognoscope[search]'"
        ) from cause
    return optuna


class InnerFolds:
    """The training part of a fold, divided again. Its cohort has no other patients, so none can be looked at."""

    def __init__(self, job: FoldJob, search: SearchSpec):
        patients = tuple(sorted((*job.split.train, *job.split.validation)))
        spec = replace(job.spec, choose=INNER_CHOICE.get(job.spec.choose, job.spec.choose))
        self._job = replace(job, cohort=job.cohort.take(patients), spec=spec)
        self._search = search
        self._splits = inner_splits(job, search)
        self._embeddings = open_bags(job.pack)
        self._data: dict[tuple[int, str], FoldData] = {}

    def key(self) -> str:
        """Stands for all that the trials depend on."""
        job = self._job
        words = [
            asdict(job.method),
            asdict(self._search),
            asdict(replace(job.spec, save_every_s=0.0)),
            torch.__version__,
        ]
        for split in self._splits:
            data = self._of(split, job.method)
            uses = job.method.settled_profile(data.sizes).uses
            words += [data.dataset(part, uses).fingerprint for part in (data.train, data.validation)]
        return digest(words)

    def judge(self, values: Mapping[str, object], on_epoch: OnEpoch | None = None) -> Trial:
        """Train with these settings on every inner fold."""
        job, losses = with_values(self._job, self._search, values), []
        for i, split in enumerate(self._splits):
            try:
                losses.append(self._loss(job, split, _scaled(on_epoch, 100 * i, 100, 100 * len(self._splits))))
            except (TrainingError, ModelError, torch.OutOfMemoryError) as cause:
                return Trial(dict(values), np.nan, f"inner fold {split.fold}: {_first_line(cause)}")
        return Trial(dict(values), float(np.mean(losses)))

    def _loss(self, job: FoldJob, split: Split, on_epoch: OnEpoch | None) -> float:
        data, files = self._of(split, job.method), job.files.inner(split.fold)
        trained = Trained.fit(job.method, data, job.spec, metric=job.metric, files=files, on_epoch=on_epoch)
        return trained.predict_prepared(data.dataset(data.validation, trained.model.profile.uses)).loss

    def _of(self, split: Split, method: Method) -> FoldData:
        """What the inner training patients tell; the same for all trials that choose genes alike."""
        selection = method.profile.gene_selection
        place = (split.fold, repr(selection))
        if place not in self._data:
            try:
                self._data[place] = FoldData.prepare(
                    split.fold,
                    self._job.cohort,
                    self._embeddings,
                    learned=split.train,
                    train=split.train,
                    validation=split.test,
                    bins=self._job.bins,
                    selection=selection,
                )
            except CohortError as cause:
                raise CohortError(f"{cause} This was in inner fold {split.fold} of training.search.") from cause
        return self._data[place]


def inner_splits(job: FoldJob, search: SearchSpec) -> tuple[Split, ...]:
    """Splits of the job's training part, stratified by event and time; the test part of each one judges.

    Raises:
        CohortError: There is no validation part to judge, or a part would be without events.
    """
    split = job.split
    if search.folds > 1:
        patients = tuple(sorted((*split.train, *split.validation)))
        how = SplitSpec(
            folds=search.folds, validation=0.0, group=search.group, seed=job.method.seed(job.spec.seed, job.split.fold)
        )
        try:
            return make_splits(job.cohort.take(patients), how)
        except CohortError as cause:
            raise CohortError(f"training.search.folds is {search.folds}: {cause}") from cause
    if not split.validation:
        raise CohortError("training.search.folds is 1, but no validation part can judge. Take 2 or more inner folds.")
    return (Split(0, split.train, (), split.validation),)


def with_values(job: FoldJob, search: SearchSpec, values: Mapping[str, object]) -> FoldJob:
    """The job with these settings in the place of its own."""
    recipe = {name: value for name, value in values.items() if name in search.recipe}
    options = {name: value for name, value in values.items() if name in search.options}
    method = job.method
    recipe, options = {**method.recipe, **recipe}, {**method.options, **options}
    return replace(job, method=replace(method, recipe=recipe, options=options))


def _first_line(cause: Exception) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0]


def _scaled(on_epoch: OnEpoch | None, before: int, epochs: int, of: int) -> OnEpoch | None:
    """Tells a part's progress as that of the whole, in which `before` epochs go before it."""
    return None if on_epoch is None else lambda done, all_: on_epoch(before + epochs * done // all_, of)


def _distribution(optuna: ModuleType, values: Values) -> Any:
    if not isinstance(values, Range):
        return optuna.distributions.CategoricalDistribution(tuple(range(len(values))))
    if values.whole:
        return optuna.distributions.IntDistribution(int(values.low), int(values.high), log=values.log)
    return optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)


def _to_number(values: Values, value: object) -> object:
    return value if isinstance(values, Range) else values.index(value)


def _from_number(values: Values, number: Any) -> object:
    return number if isinstance(values, Range) else values[number]
