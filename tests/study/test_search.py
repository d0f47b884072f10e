"""A search in a study file: which method searches what, every wrong value met in a sentence, and a run with one."""

import re
import sys

import pandas as pd
import pytest
import yaml

from prognoscope.analysis.setting_table import setting_table
from prognoscope.core.errors import InputError, StudyError
from prognoscope.models.sizes import Sizes
from prognoscope.runs.read import Run
from prognoscope.study.search import check_searches, search_notes, search_of
from prognoscope.study.spec import parse_study
from prognoscope.study.study import Study
from prognoscope.training.space import Range
from tests.run_files import contents
from tests.study.conftest import COXPH

pytestmark = pytest.mark.usefixtures("sketched")

SIZES = Sizes(n_bins=4, embedding_dim=8, group_sizes=(5, 7), n_clinical=1)
SPACE = {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "epochs": [10, 20, 30],
    "hidden_dim": {"low": 16, "high": 64},
}


def study_of(methods, search=None, **training):
    training |= {} if search is None else {"search": search}
    values = {"name": "study", "cohort": {"clinical": {"table": "clinical.csv"}}}
    return parse_study(values | {"methods": methods, "training": training})


def searches(spec):
    return {method.title: search_of(spec, method) for method in spec.methods}


def test_each_method_searches_the_general_settings_that_it_has():
    spec = study_of(["coxph", "snn", "abmil"], {"trials": 4, "space": SPACE})
    found = searches(spec)
    recipe = {"learning_rate": Range(1e-5, 1e-3, log=True), "epochs": (10, 20, 30)}
    assert found["coxph"] is None
    assert (found["snn"].recipe, found["snn"].options, found["snn"].trials) == (recipe, {}, 4)
    assert found["abmil"].options == {"hidden_dim": Range(16, 64, whole=True)} and found["abmil"].folds == 3
    assert search_notes(spec) == [
        "The search is without epochs, hidden_dim, learning_rate for coxph, which has no such setting.",
        "The search is without hidden_dim for snn, which has no such setting.",
    ]


def test_a_method_s_own_search_and_settings_go_before_the_general_ones():
    own = {
        "name": "abmil",
        "label": "own",
        "training": {"search": {"trials": 2, "folds": 1, "space": {"l1": [0, 1e-3]}}},
    }
    fixed = {"name": "abmil", "label": "fixed", "hidden_dim": 32, "training": {"epochs": 5}}
    none = {"name": "abmil", "label": "none", "training": {"search": {"trials": 0}}}
    spec = study_of([own, fixed, none], {"space": SPACE}, epochs=7)
    found = searches(spec)
    assert (found["own"].recipe, found["own"].trials, found["own"].folds) == ({"l1": (0.0, 0.001)}, 2, 1)
    assert set(found["fixed"].space) == {"learning_rate"} and found["none"] is None
    assert search_notes(spec) == ["The search leaves epochs, hidden_dim of fixed as its entry says."]


def test_without_a_search_there_is_none():
    spec = study_of(["abmil"])
    assert searches(spec) == {"abmil": None} and search_notes(spec) == []
    check_searches(spec, SIZES)


def test_inner_folds_keep_hospitals_together_where_folds_do():
    values = {"name": "s", "cohort": {"clinical": {"table": "c.csv"}}, "methods": ["snn"], "splits": {"group": "site"}}
    spec = parse_study(values | {"training": {"search": {"space": {"epochs": [1, 2]}}}})
    assert search_of(spec, spec.methods[0]).group == "site"


WRONG_KEYS = [
    (
        {"epochs": 20},
        "search.space.epochs: must be a range such as {low: 1, high: 9} or a [list] of values, not a number",
    ),
    ({"epochs": []}, "search.space.epochs: give a range with low and high, or a [list] of one value or more"),
    ({"epochs": {"low": 3}}, "search.space.epochs.high is missing; add it"),
    ({"epochs": {"low": 3, "high": 3}}, "a range needs low and a higher high, not 3 and 3"),
    ({"epochs": {"low": "few", "high": 3}}, "search.space.epochs.low must be a number, not 'few'"),
    ({"epochs": {"low": 1, "hihg": 3}}, "no key 'training.search.space.epochs.hihg'; did you mean 'high'?"),
    ({"l1": {"low": 0, "high": 3, "log": True}}, "search.space.l1: low must be more than 0 with log, not 0"),
    ({"epochs": [10, 10]}, "search.space.epochs: 10 is listed twice; take one away"),
    ({}, "training.search: space is empty; name at least one setting"),
]


@pytest.mark.parametrize(("space", "words"), WRONG_KEYS, ids=str)
def test_a_space_that_cannot_be_drawn_from_is_told(space, words):
    with pytest.raises(StudyError, match=re.escape(words)):
        study_of(["abmil"], {"space": space})


WRONG_VALUES = [
    ({"epochs": [10, "many"]}, "training.search.space.epochs: epochs must be a whole number, not 'many'."),
    ({"epochs": {"low": 1.5, "high": 3}}, "space.epochs must be from one whole number to another, not 1.5 to 3."),
    ({"learning_rate": {"low": -1, "high": 3}}, "learning_rate must be more than 0, not -1"),
    ({"optimizer": {"low": 1, "high": 3}}, "space.optimizer is 'adam' by default, so it takes no range; give a [list]"),
    ({"optimizer": ["adm"]}, "optimizer must be adam, adamw, radam or sgd, not 'adm'; did you mean 'adam'?"),
    ({"learning_rat": [1]}, "names 'learning_rat', which no method of the study has; did you mean 'learning_rate'?"),
    ({"hidden_dim": [16, "wide"]}, "training.search.space.hidden_dim: abmil cannot be made with 'wide': "),
    ({"hidden_dim": {"low": -3, "high": 3}}, "training.search.space.hidden_dim: abmil cannot be made with -3: "),
]


@pytest.mark.parametrize(("space", "words"), WRONG_VALUES, ids=str)
def test_a_value_that_a_setting_cannot_have_is_told_before_any_work(space, words):
    with pytest.raises(StudyError, match=re.escape(words)):
        check_searches(study_of(["abmil"], {"space": space}), SIZES)


def test_a_setting_that_the_method_of_its_entry_does_not_have_is_refused():
    entry = {"name": "snn", "training": {"search": {"space": {"width": [8]}}}}
    words = "methods, snn: training.search.space names 'width', which snn does not have; did you mean 'widths'?"
    with pytest.raises(StudyError, match=re.escape(words)):
        check_searches(study_of([entry, "abmil"]), SIZES)
    entry = {"name": "coxph", "training": {"search": {"space": {"epochs": [8]}}}}
    with pytest.raises(StudyError, match="names 'epochs', which coxph does not have"):
        check_searches(study_of([entry]), SIZES)


def test_a_missing_optuna_is_told_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="training.search needs Optuna"):
        check_searches(study_of(["abmil"], {"space": SPACE}), SIZES)


def test_a_run_with_a_search_keeps_what_it_chose_and_goes_on_with_it(change):
    search = {"trials": 2, "folds": 2, "space": {"learning_rate": SPACE["learning_rate"], "widths": [[8], [16]]}}
    path = change(**{"methods": [COXPH, "snn"], "training.search": search, "training.epochs": 1})
    run = Study.load(path).run(path.parent / "run")
    table = pd.read_csv(run.folder / "search.csv", dtype=str)
    assert set(table["method"]) == {"snn"} and table["setting"].tolist() == ["learning_rate", "widths"] * 3
    assert table.equals(setting_table(Run(run.folder), ["coxph", "snn"]).astype(str))
    assert any("The search is without learning_rate, widths for coxph" in note for note in run.notes)
    assert yaml.safe_load((run.folder / "study.yaml").read_text())["training"]["search"]["trials"] == 2
    page = run.report.read_text()
    assert 'id="search"' in page and "learning_rate" in page

    before = contents(run.folder)
    (run.folder / "snn" / "fold_1" / "predictions.csv").unlink()
    Study.load(path).run(path.parent / "run")
    assert contents(run.folder) == before
