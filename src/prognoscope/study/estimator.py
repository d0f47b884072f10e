"""Any method as an estimator in the manner of scikit-learn and scikit-survival, for data that are in memory."""

import warnings
from collections.abc import Mapping, Sequence
from inspect import signature
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prognoscope.cohort.cohort import WORDS
from prognoscope.cohort.splits import inner_split
from prognoscope.cohort.time_units import is_likely
from prognoscope.core.errors import CohortError, InputError, ModelError, StudyError, some
from prognoscope.core.outcome import TimeBins
from prognoscope.evaluation.concordance import concordance
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.profile import Profile
from prognoscope.models.registry import parameters_of, profile_of
from prognoscope.study.apply.ensemble import Ensemble, Member
from prognoscope.study.devices import device_of
from prognoscope.study.estimator_input import Columns, Given, read_outcome, read_table
from prognoscope.study.sections import CHANGED
from prognoscope.study.vary import recipe_value
from prognoscope.training.fold_data import FoldData
from prognoscope.training.method import Method
from prognoscope.training.predict import Predicted
from prognoscope.training.spec import TrainingSpec, settled_precision
from prognoscope.training.trained import Trained

CURES = {
    "bag": "Name the column of X that has an (N, D) array of patch embeddings a patient, as in bags='bag'",
    "omics": "Give genes in X: numeric columns that covariates does not name",
    "clinical": "Name columns of X, as in covariates=['age', 'stage']",
}


class PrognoscopeSurvival:
    """A method that is fitted to a table and predicts survival, usable wherever scikit-learn takes an estimator.

    A row of X is a patient, whose id is its label. Columns are genes, but for those named as covariates or bags. Bins,
    scalers, components and everything else that is learned, is learned in `fit` alone, from what `fit` is given.
    scikit-learn is not needed.

    Attributes:
        trained_: The fitted fold: model, preparation and card.
        n_features_in_: The number of columns.
        feature_names_in_: Their names, where X had some.
        last_month_: The last time of follow-up that was learned from; survival is told until then.

    Args:
        method: A name of `list_models()`.
        covariates: Columns that are clinical covariates, numbers or words; "all" of them.
        bags: A column that has an (N, D) array of patch embeddings in each row, or None for a patient without slides.
        gene_groups: Gene group -> its columns, for methods that read genes by groups; by default all are one group.
        n_bins: K, the number of time bins.
        validation: Share of the patients who choose the epoch of a method that is trained by epochs; with 0 it is the
            last one.
        device: "auto" (a GPU where there is one), "cpu" or "cuda".
        random_state: A number, a generator of numpy, or None for another draw each time.
        options: The method's own, and settings of its training such as epochs and learning_rate.
    """

    def __init__(
        self,
        method: str = "gpcox",
        *,
        covariates: Sequence[str] | str | None = None,
        bags: str | None = None,
        gene_groups: Mapping[str, Sequence[str]] | None = None,
        n_bins: int = 4,
        validation: float = 0.15,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
        **options: Any,
    ):
        self.method = method
        self.covariates = covariates
        self.bags = bags
        self.gene_groups = gene_groups
        self.n_bins = n_bins
        self.validation = validation
        self.device = device
        self.random_state = random_state
        self.set_params(**options)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All arguments by their names, options included."""
        return {name: value for name, value in vars(self).items() if not _is_learned(name)}

    def set_params(self, **params: Any) -> "PrognoscopeSurvival":
        """Change arguments; whether the method has such an option is asked in `fit`.

        Raises:
            ModelError: An option is called like something of the estimator itself.
        """
        for name, value in params.items():
            if _is_learned(name) or hasattr(type(self), name):
                raise ModelError(f"No method has an option {name!r}; `prognoscope methods` lists what each has.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        told = {name: value for name, value in self.get_params().items() if not _is_default(name, value)}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    def fit(self, X: object, y: object) -> "PrognoscopeSurvival":
        """Learn from these patients.

        Args:
            X: A DataFrame, or an array, whose columns are then called x0, x1, ...
            y: A structured array of event (bool) and time (months), as scikit-survival has it, or the pair of them.

        Raises:
            InputError: X, y or an argument cannot be used; says what to do.
            TrainingError: The training cannot go on.
        """
        method, table = self._method(), read_table(X)
        columns = Columns.of(table, self.covariates, self.bags)
        outcome = read_outcome(y, tuple(map(str, table.index)))
        self._check(outcome.time, outcome.event)
        given = Given.of(table, columns, outcome, self.gene_groups)
        with given.packed() as packed:
            self.trained_ = self._trained(method, given, packed)
        self.last_month_ = float(outcome.time.max())
        self.n_features_in_ = len(columns.names)
        self._columns = columns
        if columns.is_named:
            self.feature_names_in_ = np.array(columns.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict(self, X: object) -> Float[np.ndarray, " P"]:
        """The risk of each patient; higher is worse.

        Args:
            X: Columns as in `fit`; another order is put right.

        Raises:
            InputError: There is no fit yet, or X cannot be used; says what to do.
        """
        return self._predicted(X).prediction.risk

    def predict_survival_function(self, X: object, times: Sequence[float] | np.ndarray) -> Float[np.ndarray, "P T"]:
        """The chance of each patient to outlive each time.

        Args:
            times: Months, none beyond the follow-up that was learned from.

        Raises:
            InputError: There is no fit yet, a time is beyond it, or X cannot be used; says what to do.
        """
        member = Member(self._fitted(), self.last_month_, None, None)
        try:
            months = np.atleast_1d(np.asarray(times, dtype=np.float64))
        except (TypeError, ValueError) as cause:
            raise InputError(f"times must be months, such as [12, 36] ({cause}).") from cause
        Ensemble(Path(), self.trained_.card.title, (member,)).check_times(months.tolist())
        return member.at(self._predicted(X).prediction.survival, months)

    def score(self, X: object, y: object) -> float:
        """Harrell's C-index of the predicted risk.

        Raises:
            InputError: X or y cannot be used.
            MetricError: No two patients can be compared.
        """
        outcome = read_outcome(y, tuple(map(str, read_table(X).index)))
        return concordance(self.predict(X), time=outcome.time, event=outcome.event).value

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "trained_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags  # only scikit-learn calls this

        return Tags(estimator_type=None, target_tags=TargetTags(required=True), input_tags=InputTags(allow_nan=True))

    def _method(self) -> Method:
        """The method, its options told from settings of its training."""
        asked = {name: value for name, value in self.get_params().items() if name not in DEFAULTS}
        own, is_solved = parameters_of(self.method, asked), profile_of(self.method, asked).is_solved
        changed = set() if is_solved else set(CHANGED) - set(own)
        try:
            recipe = {name: recipe_value(name, value) for name, value in asked.items() if name in changed}
        except ValueError as cause:
            raise ModelError(f"{self.method}: {cause}.") from cause
        options = {name: value for name, value in asked.items() if name not in changed}
        return Method(self.method, self.method, options, recipe)

    def _check(self, time: np.ndarray, event: np.ndarray) -> None:
        """Refuse what nothing can be learned with, before a training begins."""
        if not (_is_number(self.n_bins, Integral) and 2 <= self.n_bins <= 50):
            raise InputError(f"n_bins is {self.n_bins!r}; give a whole number from 2 to 50.")
        if not (_is_number(self.validation, Real) and 0 <= self.validation < 0.5):
            raise InputError(f"validation is {self.validation!r}; give a share from 0 to below 0.5.")
        if len(time) < 2:
            raise CohortError("X has one row (n_samples=1), of which nothing can be learned. Give more patients.")
        if not is_likely(time):
            raise InputError(
                f"The times of y are taken as months, and have a median of {np.median(time):.0f} and a largest of "
                f"{time.max():.0f}, so they look like days. Divide them by 30.4375, or correct them."
            )
        if not event.any():
            raise CohortError("No event was observed in y, so nothing can be learned. Is event true where one was?")
        most = TimeBins.most(time, event, n_bins=self.n_bins)
        if most < self.n_bins:
            cure = f"Give n_bins={most}." if most > 1 else "Give more patients."
            times = len(np.unique(time[event]))
            raise CohortError(f"{event.sum()} events at {times} distinct times do not give {self.n_bins} bins. {cure}")

    def _trained(self, method: Method, given: Given, packed: PackedEmbeddings | None) -> Trained:
        cohort, profile, seed = given.cohort, method.profile, _seed(self.random_state)
        for what in sorted((profile.needs | profile.learns_from) & set(WORDS)):
            if not cohort.having(what):
                raise ModelError(f"{method.title} needs {WORDS[what]}, and X has none. {CURES[what]}.")
        if "subtype" in profile.learns_from:
            raise ModelError(
                f"{method.title} learns from subtypes, for which there is no place here. Run it in a study, or give an "
                "option that does without them, as mcti has in aux_task='none'."
            )
        train, validation = cohort.patients, ()
        if self.validation and not profile.is_solved:
            if self.validation * len(cohort) < 0.5:
                raise InputError(
                    f"validation={self.validation:g} of {len(cohort)} patients is nobody. Give more, or 0."
                )
            train, validation = inner_split(cohort.patients, cohort.outcome, self.validation, seed)
        data = FoldData.prepare(
            0,
            cohort,
            packed,
            learned=(*train, *validation),
            train=train,
            validation=validation,
            bins={"n_bins": self.n_bins},
            selection=profile.gene_selection,
        )
        settled = method.settled_profile(data.sizes)
        given.need(settled, method.title)
        _tell_unused(given, settled, method.title, self.gene_groups)
        try:
            device = device_of(self.device)
        except StudyError as cause:
            raise InputError(str(cause).replace("training.device", "device")) from cause
        spec = TrainingSpec(
            seed=seed,
            choose="validation_loss" if validation else "last",
            device=device,
            precision=settled_precision(None, device),
        )
        return Trained.fit(method, data, spec)

    def _fitted(self) -> Trained:
        if not hasattr(self, "trained_"):
            raise ModelError("This PrognoscopeSurvival is not fitted yet. Call fit(X, y) first.")
        return self.trained_

    def _predicted(self, X: object) -> Predicted:
        trained = self._fitted()
        given = Given.of(self._columns.sorted(read_table(X)), self._columns)
        given.need(trained.model.profile, trained.card.title)
        expected = trained.card.sizes.get("embedding_dim", 0)
        bag = next(iter(given.bags.items()), None)
        if "bag" in trained.model.profile.needs and bag is not None and bag[1].shape[1] != expected:
            raise InputError(f"Fit saw embeddings of length {expected}; those of {bag[0]} have {bag[1].shape[1]}.")
        if trained.preparation.omics is not None and given.cohort.omics is not None:
            trained.preparation.omics.need_same_scale(given.cohort.omics.values, "X")
        with given.packed() as packed:
            return trained.predict(given.cohort, packed)


DEFAULTS = {  # of its arguments, but for options
    name: each.default
    for name, each in signature(PrognoscopeSurvival).parameters.items()
    if each.default is not each.empty
}


def _is_learned(name: str) -> bool:
    """Whether an attribute is what `fit` learned, or private, and no argument."""
    return name.startswith("_") or name.endswith("_")


def _is_number(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_default(name: str, value: object) -> bool:
    return name in DEFAULTS and type(value) is type(DEFAULTS[name]) and value == DEFAULTS[name]


def _seed(random_state: object) -> int:
    """The number that a training starts from."""
    if random_state is None:
        return int(np.random.randint(2**31 - 1))  # noqa: NPY002 of the one generator that scikit-learn takes, too
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool) and random_state >= 0:
        return int(random_state)
    raise InputError(f"random_state is {random_state!r}; give a whole number from 0 on, a RandomState, or None.")


def _tell_unused(given: Given, profile: Profile, title: str, groups: Mapping[str, Sequence[str]] | None) -> None:
    """Warnings on what of X the method has no use for, and on genes that X has not."""
    unused = [WORDS[what] for what in sorted(WORDS) if what not in profile.uses and given.cohort.having(what)]
    if unused:
        warnings.warn(
            f"{title} does not learn from {' and '.join(unused)}, so these of X are passed over.", stacklevel=4
        )
    there = set() if given.cohort.omics is None else set(given.cohort.omics.values.columns)
    wanted = {gene for members in (groups or {}).values() for gene in members}
    if lost := sorted(wanted - there):
        warnings.warn(f"{len(lost)} of {len(wanted)} genes of gene_groups are not in X: {some(lost)}.", stacklevel=4)
