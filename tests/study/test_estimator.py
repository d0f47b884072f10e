"""The estimator: as scikit-learn wants it, as honest as a fold, and every wrong input met by a sentence."""

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prognoscope import PrognoscopeSurvival, Run, concordance
from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.outcome import Outcome
from prognoscope.omics.tables import OmicsTable
from prognoscope.training.fold_data import FoldData
from prognoscope.training.method import Method
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trained import Trained
from tests.analysis.fake_runs import write_run

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
GENES = [f"G{i}" for i in range(12)]
NOT_PASSED = {  # of scikit-learn's checks
    "check_estimators_unfitted": "the error is one of ours, and a ValueError, not scikit-learn's NotFittedError",
    "check_do_not_raise_errors_in_init_or_set_params": "passed, but where types are checked, as in these tests",
    "check_dtype_object": "likewise a ValueError, not a TypeError; and its y are words",
}


@pytest.fixture(scope="module")
def patients():
    """Patients whose risk hangs on two genes and their age: X with genes, covariates and bags, and y."""
    draw, n = np.random.default_rng(0), 90
    X = pd.DataFrame(draw.normal(size=(n, 12)), columns=GENES, index=[f"P{i:02d}" for i in range(n)])
    risk = X["G0"] + 0.5 * X["G1"]
    X["age"], X["stage"] = 60 + 9 * draw.normal(size=n), draw.choice(["I", "II", "III"], n)
    risk += 0.05 * (X["age"] - 60)
    X["bag"] = [draw.normal(size=(draw.integers(2, 6), 8)) for _ in range(n)]
    event_time, stop = draw.exponential(20 * np.exp(-risk)), draw.uniform(5, 60, n)
    y = np.array(list(zip(event_time <= stop, np.minimum(event_time, stop), strict=True)), [("e", bool), ("t", float)])
    return X, y


@pytest.fixture(scope="module")
def fitted(patients):
    X, y = patients
    return PrognoscopeSurvival("gpcox", covariates=["age", "stage"]).fit(X.drop(columns="bag"), y)


METHODS = {
    "gpcox": {"covariates": ["age", "stage"], "bags": "bag"},
    "coxph": {"covariates": ["age", "stage"]},
    "coxnet": {"covariates": ["age"]},
    "snn": {"epochs": 2},
    "abmil": {"bags": "bag", "epochs": 2, "hidden_dim": 8, "attention_dim": 4},
}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_fitted_and_predicts(patients, method):
    X, y = patients
    options = METHODS[method]
    others = [*options.get("covariates", ()), *([options["bags"]] if "bags" in options else [])]
    X = X[[*([] if method == "abmil" else GENES), *others]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = PrognoscopeSurvival(method, **options)
        assert model.fit(X[:60], y[:60]) is model
    risk = model.predict(X[60:])
    survival = model.predict_survival_function(X[60:], [3, 12, 24])
    assert risk.shape == (30,) and survival.shape == (30, 3)
    assert ((survival >= 0) & (survival <= 1)).all() and (np.diff(survival, axis=1) <= 0).all()
    assert model.score(X[60:], y[60:]) == concordance(risk, time=y["t"][60:], event=y["e"][60:]).value
    assert model.n_features_in_ == X.shape[1] and list(model.feature_names_in_) == list(X)
    if method in ("gpcox", "coxph", "coxnet"):
        assert model.score(X[60:], y[60:]) > 0.6
    again = PrognoscopeSurvival(method, **options).fit(X[:60], y[:60])
    np.testing.assert_array_equal(again.predict(X[60:]), risk)


def test_it_is_what_a_fold_of_a_study_is(patients):
    X, y = patients
    genes = X[GENES].astype(np.float32)
    cohort = Cohort("c", Outcome(tuple(X.index), y["t"], y["e"]), omics=OmicsTable(genes))
    who = tuple(X.index[:60])
    data = FoldData.prepare(0, cohort, None, learned=who, train=who, bins={"n_bins": 4})
    trained = Trained.fit(Method("coxnet", "coxnet"), data, TrainingSpec(seed=0, choose="last"))
    expected = trained.predict(cohort, None, list(X.index[60:])).prediction
    model = PrognoscopeSurvival("coxnet").fit(X[GENES][:60], y[:60])
    np.testing.assert_array_equal(model.predict(X[GENES][60:]), expected.risk)
    ends = trained.card.time_bins.told_at(y["t"][:60].max())
    np.testing.assert_allclose(model.predict_survival_function(X[GENES][60:], ends), expected.survival, atol=1e-12)


def test_preparation_is_learned_from_fit_alone(patients):
    X, y = patients
    model = PrognoscopeSurvival("coxnet").fit(X[GENES][:60], y[:60])
    mean = X[GENES][:60].astype(np.float32).mean().to_numpy()
    np.testing.assert_allclose(model.trained_.preparation.omics.mean, mean, atol=1e-6)
    alone, together = model.predict(X[GENES][60:61]), model.predict(X[GENES])
    np.testing.assert_allclose(alone[0], together[60], rtol=1e-5)


def test_validation_patients_choose_the_epoch_unless_nobody_shall(patients):
    X, y = patients
    chosen = PrognoscopeSurvival("snn", epochs=3).fit(X[GENES], y).trained_.card
    last = PrognoscopeSurvival("snn", epochs=3, validation=0).fit(X[GENES], y).trained_.card
    assert (chosen.choose, last.choose, last.chosen_epoch) == ("validation_loss", "last", 2)
    assert chosen.recipe["epochs"] == 3


def test_another_random_state_is_another_network(patients):
    X, y = patients
    states = (0, 0, 1, np.random.RandomState(0), None)
    one, same, *others = (
        PrognoscopeSurvival("snn", epochs=1, validation=0, random_state=state).fit(X[GENES], y).predict(X[GENES])
        for state in states
    )
    np.testing.assert_array_equal(one, same)
    assert all((one != other).any() for other in others)


def test_parameters_are_told_and_changed_without_scikit_learn():
    model = PrognoscopeSurvival("abmil", bags="bag", dropout=0.1)
    assert model.get_params()["dropout"] == 0.1 and model.get_params()["random_state"] == 0
    assert repr(model) == "PrognoscopeSurvival(method='abmil', bags='bag', dropout=0.1)"
    assert model.set_params(dropout=0.2, n_bins=3).get_params() == {**model.get_params(), "dropout": 0.2, "n_bins": 3}
    for name in ("fit", "trained_", "_columns"):
        with pytest.raises(ModelError, match="No method has an option"):
            model.set_params(**{name: 1})


def test_scikit_learn_is_not_needed(patients, monkeypatch):
    X, y = patients
    for name in ("sklearn", "sklearn.base", "sklearn.utils"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it is an error now
    assert np.isfinite(PrognoscopeSurvival().fit(X[GENES], y).predict(X[GENES])).all()


class Checked(PrognoscopeSurvival):
    """Takes the y of scikit-learn's checks, which are numbers, for the order of events."""

    def fit(self, X, y):
        return super().fit(X, _as_events(y))

    def score(self, X, y):
        return super().score(X, _as_events(y))


def _as_events(y):
    if y is None:
        return None
    numbers = np.real(np.asarray(y).ravel().astype(complex))
    return np.ones(len(numbers), dtype=bool), np.arange(len(numbers)) + 1e-3 * np.abs(numbers)


@pytest.mark.filterwarnings("ignore")
def test_it_passes_the_checks_of_scikit_learn():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    told = checks.check_estimator(Checked(n_bins=2), on_fail=None, expected_failed_checks=NOT_PASSED)
    failed = {each["check_name"]: str(each["exception"]) for each in told if each["status"] == "failed"}
    assert not failed and len(told) > 35
    assert {each["check_name"] for each in told if each["status"] == "xfail"} == set(NOT_PASSED)


def test_it_works_in_pipelines_and_searches(patients):
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = patients
    model = PrognoscopeSurvival(covariates=["age", "stage"], bags="bag", product=False)
    copy = clone(model)
    assert copy is not model and copy.get_params() == model.get_params()
    assert cross_val_score(model, X, y, cv=3).mean() > 0.6
    search = GridSearchCV(model, {"product": [True, False]}, cv=2, error_score="raise").fit(X, y)
    assert set(search.best_params_) == {"product"} and search.predict(X).shape == (90,)
    scores = {each: search.estimator.set_params(product=each).fit(X, y).predict(X)[0] for each in (True, False)}
    assert scores[True] != scores[False] == model.fit(X, y).predict(X)[0]
    pipe = make_pipeline(StandardScaler(), PrognoscopeSurvival("gpcox", covariates="all"))
    assert pipe.fit(X[[*GENES, "age"]], y).score(X[[*GENES, "age"]], y) > 0.5
    assert pipe[-1].trained_.model.profile.needs == {"clinical"} and not hasattr(pipe[-1], "feature_names_in_")


def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    pytest.importorskip("sksurv")
    run = write_run(tmp_path / "cohort" / "run", knows={"gpcox": 0.6})
    for path in run.glob("gpcox/fold_*/predictions.csv"):
        table = pd.read_csv(path)
        months = {f"months_{i}": month for i, month in enumerate((6.0, 12.0, 24.0, 48.0))}
        table.assign(**months).to_csv(path, index=False)
    expected = [concordance(f["risk"].to_numpy(), time=f["time"].to_numpy(), event=f["event"].to_numpy()).value
                for _, f in Run(run).predictions.groupby("fold")]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(block, names)
    assert names["model"].score(names["X"][150:], names["y"][150:]) > 0.6
    assert len(names["predictions"]) == 120
    np.testing.assert_allclose(list(names["c_index"].values()), expected)
    assert all(0 < value < 0.35 for value in names["brier"].values())


def swapped(X, y):
    return X, (y["t"], y["e"])


def with_time(value):
    return lambda X, y: (X, (y["e"], np.where(np.arange(len(y)) == 3, value, y["t"])))


def with_bag(cell):
    return lambda X, y: (X.assign(bag=[cell, *X["bag"][1:]]), y)


C, B = {"covariates": ["age", "stage"]}, {"bags": "bag"}
WRONG_FITS = {
    "a time is missing": (C | B, with_time(np.nan), "time of 1 rows of y is missing.*P03"),
    "a time is negative": (C | B, with_time(-1.0), "missing, infinite or negative: P03"),
    "times are days": (C | B, lambda X, y: (X, (y["e"], y["t"] * 300)), "so they look like days. Divide"),
    "y swapped": (C | B, swapped, "neither true nor false. Are events and times swapped"),
    "y without events": (C | B, lambda X, y: (X, y["t"]), "does not tell both events and times"),
    "y too short": (C | B, lambda X, y: (X, y[:5]), "X has 90 rows, and y 5 events"),
    "nobody died": (C | B, lambda X, y: (X, (y["e"] & False, y["t"])), "No event was observed"),
    "few event times": (C | B, lambda X, y: (X, (y["e"], np.minimum(y["t"], 0.5).round(1))), "Give n_bins="),
    "no such method": ({"method": "coxpf"}, None, "did you mean 'coxph'"),
    "no such option": (C | B | {"prodct": 1}, None, "no option 'prodct'; did you mean 'product'"),
    "epochs of none": (C | B | {"epochs": 3}, None, "gpcox has no option 'epochs'"),
    "epochs that cannot be": ({"method": "snn", "epochs": 0}, None, "snn: epochs must be at least 1"),
    "no slides": (C | {"method": "abmil"}, lambda X, y: (X.drop(columns="bag"), y), "abmil needs slides.*bags='bag'"),
    "no genes": ({"method": "snn", "covariates": "all", **B}, None, "snn needs genes"),
    "subtypes": (C | B | {"method": "mcti"}, None, "learns from subtypes"),
    "words for genes": (B, None, "must be numbers, but stage hold others.*covariates"),
    "no such bags": (C | {"bags": "bagg"}, None, "did you mean 'bag'"),
    "no such covariate": (B | {"covariates": ["agge"]}, None, "did you mean 'age'"),
    "covariates no list": (B | {"covariates": "age"}, None, "Give a list of columns"),
    "named twice": (B | {"covariates": ["bag"]}, None, "both as bags and among covariates"),
    "a patient twice": (C | B, lambda X, y: (X.iloc[[0, *range(89)]], y), "1 labels of rows are in X twice: P00"),
    "a column twice": (C | B, lambda X, y: (X[[*X, "G0"]], y), "1 columns are in X twice: G0"),
    "an infinite gene": (C | B, lambda X, y: (X.assign(G1=np.inf), y), "infinite values"),
    "an infinite age": (C | B, lambda X, y: (X.assign(age=np.inf), y), "'age' has infinite values"),
    "a flat bag": (C | B, with_bag(np.zeros(8)), "bag of P00 must be an .N, D. array.*shape is .8,."),
    "another encoder's bag": (C | B, with_bag(np.zeros((2, 5))), "different lengths are in 'bag': 5 of P00, 8 of P89"),
    "a bag of words": (C | B, with_bag("slide"), "bag of P00 must be"),
    "a bag missing": (C | B | {"method": "abmil"}, with_bag(None), "1 of 90 rows of X lack .* slides: P00"),
    "half a bin": (C | B | {"n_bins": 2.5}, None, "n_bins is 2.5"),
    "too many choose": (C | B | {"validation": 0.7}, None, "validation is 0.7"),
    "nobody chooses": (
        {"method": "snn", "n_bins": 2},
        lambda X, y: (X[GENES][:3], y[:3]),
        "is nobody. Give more, or 0",
    ),
    "a state of words": (C | B | {"random_state": "a"}, None, "random_state is 'a'"),
    "no such device": (C | B | {"device": "tpu"}, None, "^device: there is no device 'tpu'"),
}


@pytest.mark.parametrize("case", WRONG_FITS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_fitted_is_met_by_a_sentence(patients, case):
    options, change, sentence = WRONG_FITS[case]
    X, y = patients if change is None else change(*patients)
    model = PrognoscopeSurvival().set_params(**options)
    with pytest.raises(InputError, match=sentence):
        model.fit(X, y)
    assert not hasattr(model, "trained_")


def test_columns_of_another_order_are_put_right(patients, fitted):
    X = patients[0].drop(columns="bag")
    np.testing.assert_array_equal(fitted.predict(X[X.columns[::-1]]), fitted.predict(X))


WRONG_PREDICTIONS = {
    "a column is missing": (lambda X: X.drop(columns="G3"), "lacks 1 of the 14 columns of fit: G3"),
    "a column is new": (lambda X: X.assign(z=1), "1 columns that fit did not see: z"),
    "no names": (lambda X: X.to_numpy(), "have no names, and had some in fit"),
    "another scale": (lambda X: X.assign(**{gene: 500 + X[gene] for gene in GENES}), "another scale"),
    "an age of words": (lambda X: X.assign(age="old"), "was a number in training, but is 'old'"),
    "nobody": (lambda X: X[:0], "X has no rows"),
    "a column alone": (lambda X: X["G1"], "Reshape your data"),
}


@pytest.mark.parametrize("case", WRONG_PREDICTIONS)
def test_what_cannot_be_predicted_is_met_by_a_sentence(patients, fitted, case):
    change, sentence = WRONG_PREDICTIONS[case]
    with pytest.raises(InputError, match=sentence):
        fitted.predict(change(patients[0].drop(columns="bag")))


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        ([12, 400], "nothing is extrapolated"),
        ([0], "more than 0"),
        (np.array(["a"]), "must be months"),
        ([np.nan], "more than 0"),
    ],
)
def test_times_that_nothing_is_known_of_are_refused(patients, fitted, times, sentence):
    with pytest.raises(InputError, match=sentence):
        fitted.predict_survival_function(patients[0].drop(columns="bag"), times)


def test_nothing_is_predicted_before_a_fit(patients):
    with pytest.raises(ModelError, match="not fitted yet"):
        PrognoscopeSurvival().predict(patients[0])


def test_patients_without_slides_are_predicted_where_the_method_can(patients):
    X, y = patients
    model = PrognoscopeSurvival(**C, **B).fit(X, y)
    assert np.isfinite(model.predict(X.assign(bag=None))).all()
    with pytest.raises(InputError, match="Fit saw embeddings of length 8; those of P00 have 5"):
        model.predict(X.assign(bag=[np.zeros((2, 5))] * len(X)))
    other = PrognoscopeSurvival("abmil", **METHODS["abmil"]).fit(X[["bag"]], y)
    with pytest.raises(InputError, match="90 of 90 rows of X lack what abmil predicts from, slides"):
        other.predict(X[["bag"]].assign(bag=None))


def test_what_is_passed_over_is_told(patients):
    X, y = patients
    with pytest.warns(UserWarning, match="snn does not learn from slides and covariates"):
        PrognoscopeSurvival("snn", epochs=1, **C, **B).fit(X, y)
    groups = {"a": ["G0", "G1"], "b": ["G2", "H0"]}
    with pytest.warns(UserWarning, match="1 of 4 genes of gene_groups are not in X: H0"):
        model = PrognoscopeSurvival("snn", epochs=1, gene_groups=groups).fit(X[GENES], y)
    assert model.trained_.preparation.gene_groups == {"a": ("G0", "G1"), "b": ("G2",)}
