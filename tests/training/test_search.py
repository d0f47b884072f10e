"""A search for settings: deterministic, continued as if never stopped, and blind to the test part."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.splits import Split
from prognoscope.core.errors import CohortError, InputError, TrainingError
from prognoscope.training import search as module
from prognoscope.training.search import inner_splits, need_optuna, propose
from prognoscope.training.space import Range, SearchSpec
from prognoscope.training.spec import TrainingSpec
from prognoscope.training.trials import Trial, read_trials, text_of, write_trials
from tests.training.toys import OPTIONS, folder_of, shuffled, with_outcome

RECIPE = {"learning_rate": Range(1e-4, 1e-1, log=True), "epochs": (1, 3)}
SPEC = SearchSpec(5, RECIPE, {"widths": ((8,), (16,))}, folds=2)


def table_of(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "search.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def finished(toy, tmp_path_factory):
    """A fold of a search that was not disturbed, and what it told of its progress."""
    folder, told = tmp_path_factory.mktemp("search"), []
    job = toy.job(folder, "snn", search=SPEC)
    folder_of(job, lambda done, of: told.append((done, of)))
    return job, told


def test_every_trial_is_told_and_the_best_one_is_trained(finished):
    job, _ = finished
    table = table_of(job.files.folder)
    losses = table["loss"].astype(float)
    assert len(table) == 5 and losses.notna().all() and losses.nunique() > 2
    chosen = table.loc[losses.idxmin()]
    assert table["chosen"].tolist() == [str(int(i == losses.idxmin())) for i in range(5)]
    card = json.loads((job.files.folder / "model.json").read_text())
    assert card["recipe"]["learning_rate"] == float(chosen["learning_rate"])
    assert card["recipe"]["epochs"] == int(chosen["epochs"]) == len(pd.read_csv(job.files.folder / "history.csv"))
    assert card["options"]["widths"] == json.loads(chosen["widths"])
    assert card["recipe"]["patients_per_step"] == 8  # what is not searched stays
    told = card["search"]
    assert (told["trials"], told["failed"], told["folds"], told["loss"]) == (5, 0, 2, losses.min())
    assert {name: text_of(value) for name, value in told["chosen"].items()} == dict(chosen[[*SPEC.space]])


def test_a_fold_with_a_search_leaves_the_fold_s_files_and_the_trials(finished):
    names = {path.name for path in finished[0].files.folder.iterdir()}
    assert names == {
        *("model.safetensors", "model.json", "history.csv", "epoch_risks.csv"),
        *(
            "predictions.csv",
            "training_risks.csv",
            "training_summary.safetensors",
            "search.csv",
            "cost.csv",
            "manifest.json",
        ),
    }


def test_progress_only_grows_and_ends_with_all_epochs(finished):
    job, told = finished
    done, of = zip(*told, strict=True)
    assert job.n_epochs == 3 * (5 * 2 + 1) and set(of) == {job.n_epochs}
    assert list(done) == sorted(done) and done[-1] == job.n_epochs and done[0] <= 2
    assert replace(job, search=None).n_epochs == 4


@pytest.mark.parametrize("trials", [1, 3, 5])
def test_a_search_stopped_after_any_trial_goes_on_as_if_nothing_had_been(finished, toy, tmp_path, monkeypatch, trials):
    whole, _ = finished

    class Stopped(Exception):
        pass

    write, written = module.write_trials, []

    def stop(path, *told):
        write(path, *told)
        written.append(path)
        if len(written) == trials:
            raise Stopped

    monkeypatch.setattr(module, "write_trials", stop)
    job = toy.job(tmp_path, "snn", search=SPEC)
    with pytest.raises(Stopped):
        folder_of(job)
    assert len(table_of(tmp_path)) == trials
    folder_of(job)
    assert len(written) == 5  # none was done twice
    for name in ("search.csv", "model.safetensors", "model.json", "predictions.csv"):
        assert (tmp_path / name).read_bytes() == (whole.files.folder / name).read_bytes()


def test_outcomes_and_genes_of_test_patients_change_nothing_of_a_search(finished, toy, tmp_path):
    values = toy.cohort.omics.values.copy()
    values.loc[list(toy.split.test)] *= -3
    poisoned = with_outcome(
        replace(toy.cohort, omics=replace(toy.cohort.omics, values=values)), shuffled(toy.split.test)
    )
    for bins_from in ("train", "cohort"):
        for folder, cohort in (("a", toy.cohort), ("b", poisoned)):
            at = tmp_path / bins_from / folder
            bins = {"n_bins": 3, "bins_from": bins_from}
            folder_of(toy.job(at, "snn", search=replace(SPEC, trials=2), cohort=cohort, bins=bins))
        a, b = ((tmp_path / bins_from / folder / "search.csv").read_bytes() for folder in "ab")
        assert a == b


def test_outcomes_of_training_patients_do_change_it(finished, toy, tmp_path):
    other = with_outcome(toy.cohort, shuffled(toy.split.train))
    folder_of(toy.job(tmp_path, "snn", search=replace(SPEC, trials=1), cohort=other))
    assert table_of(tmp_path)["loss"][0] != table_of(finished[0].files.folder)["loss"][0]


def test_inner_folds_judge_every_training_patient_once(toy):
    job = toy.job(Path(), "snn")
    everybody = {*toy.split.train, *toy.split.validation}
    splits = inner_splits(job, replace(SPEC, folds=3))
    assert sorted(p for split in splits for p in split.test) == sorted(everybody)
    assert all({*split.train, *split.test} == everybody and not split.validation for split in splits)
    (alone,) = inner_splits(job, replace(SPEC, folds=1))
    assert (alone.train, alone.test) == (toy.split.train, toy.split.validation)
    nobody = replace(job, split=Split(0, toy.split.train, (), toy.split.test))
    with pytest.raises(CohortError, match="training.search.folds is 1, but no validation part can judge"):
        inner_splits(nobody, replace(SPEC, folds=1))
    with pytest.raises(CohortError, match="training.search.folds is 20: .* no event"):
        inner_splits(job, replace(SPEC, folds=20))


def test_trials_that_fail_say_why_and_are_not_chosen(toy, tmp_path):
    rates = SearchSpec(8, {"learning_rate": (1e-2, 1e38)}, {"widths": ((16,), (-1,))}, folds=2)
    folder_of(toy.job(tmp_path, "snn", search=rates))
    table = table_of(tmp_path)
    assert (table["loss"] == "").tolist() == (table["failed"] != "").tolist()
    assert table.loc[table["learning_rate"] == "1e+38", "failed"].str.contains("not a finite number|negative").all()
    assert table.loc[table["widths"] == "[-1]", "failed"].str.startswith("inner fold 0: ").all()
    failed = int((table["loss"] == "").sum())
    assert 0 < failed < 8 and table.loc[table["chosen"] == "1", "failed"].tolist() == [""]
    assert json.loads((tmp_path / "model.json").read_text())["search"]["failed"] == failed


def test_a_search_of_which_nothing_came_says_so_and_is_not_tried_again(toy, tmp_path, monkeypatch):
    job = toy.job(tmp_path, "snn", search=SearchSpec(2, {}, {"widths": ((-1,), (-2,))}, folds=2))
    with pytest.raises(
        TrainingError, match="^snn, fold 0: All 2 trials of the search failed, the first because: inner"
    ):
        folder_of(job)
    monkeypatch.setattr(module.InnerFolds, "judge", None)
    with pytest.raises(TrainingError, match="All 2 trials"):
        folder_of(job)
    assert not job.is_done


def test_settings_that_were_tried_are_not_trained_again(toy, tmp_path, monkeypatch):
    judged, judge = [], module.InnerFolds.judge
    monkeypatch.setattr(module.InnerFolds, "judge", lambda self, v, t=None: judged.append(v) or judge(self, v, t))
    folder_of(toy.job(tmp_path, "snn", search=SearchSpec(6, {"epochs": (1, 2)}, folds=2)))
    assert len(judged) == 2 and len(table_of(tmp_path)) == 6


@pytest.mark.parametrize("choose", ["last", "test_c_index"])
def test_a_method_that_fits_at_once_and_rules_that_need_test_patients_can_be_searched(toy, tmp_path, choose):
    searches = {"coxph": SearchSpec(2, {}, {"n_components": Range(1, 4, whole=True)}), "abmil": SPEC}
    searches["abmil"] = SearchSpec(2, RECIPE, {"hidden_dim": (8, 16)}, folds=1)
    for name, search in searches.items():
        folder_of(toy.job(tmp_path / name, name, search=search, spec=TrainingSpec(choose=choose)))
        assert (table_of(tmp_path / name)["failed"] == "").all()
    assert json.loads((tmp_path / "coxph" / "model.json").read_text())["options"]["n_components"] in range(1, 5)


def test_the_teacher_of_a_student_is_trained_on_inner_folds_and_leaves_nothing_there(toy, tmp_path):
    names = {"student": "abmil", "student_options": OPTIONS["abmil"]}
    names |= {"teacher": "mcat", "teacher_options": {"d": 16, "heads": 2, "feed_forward": 20}}
    job = toy.job(tmp_path, "kd", options=names, search=SearchSpec(2, {}, {"weight": (0.2, 0.8)}, folds=2))
    told = []
    folder_of(job, lambda done, of: told.append((done, of)))
    table = table_of(tmp_path)
    assert (table["failed"] == "").all() and table["loss"].nunique() == table["weight"].nunique()
    assert told[-1] == (job.n_epochs, job.n_epochs) and told == sorted(told)
    assert not (tmp_path / "search").exists() and (tmp_path / "teacher").is_dir()


def test_proposals_depend_on_the_trials_and_their_number_and_learn_from_them():
    spec = SearchSpec(40, {"learning_rate": Range(0.0, 1.0), "epochs": Range(1, 9, whole=True)})
    assert propose(spec, [], seed=1) == propose(spec, [], seed=1) != propose(spec, [], seed=2)

    def search(trials):
        while len(trials) < 40:
            values = propose(spec, trials, seed=2)
            loss = abs(values["learning_rate"] - 0.3) + abs(values["epochs"] - 7) / 9
            bad = values["epochs"] == 1
            trials.append(Trial(values, np.nan if bad else loss, "diverged" if bad else ""))
        return trials

    whole = search([])
    assert [each.values for each in search(list(whole[:17]))] == [each.values for each in whole]
    early, late = (np.nanmean([each.loss for each in part]) for part in (whole[:10], whole[25:]))
    assert late < 0.75 * early
    assert all(isinstance(each.values["epochs"], int) and 1 <= each.values["epochs"] <= 9 for each in whole)


def test_trials_are_read_as_they_were_written_and_those_of_another_search_are_not(tmp_path):
    spec = SearchSpec(
        3, {"learning_rate": Range(1e-5, 1, log=True), "schedule": ("cosine", "step")}, {"x": (None, True)}
    )
    trials = [Trial({"learning_rate": 0.1 + 0.2, "schedule": "step", "x": None}, 1 / 3)]
    trials += [Trial({"learning_rate": 1e-5, "schedule": "cosine", "x": True}, np.nan, 'why, "so"')]
    path = tmp_path / "search.csv"
    write_trials(path, trials, spec, "key")
    again = read_trials(path, spec, "key")
    assert again[0] == trials[0] and again[1].values == trials[1].values and again[1].why == trials[1].why
    assert read_trials(path, spec, "other") == [] == read_trials(tmp_path / "none.csv", spec, "key")
    assert read_trials(path, replace(spec, options={"y": (1, 2)}), "key") == []
    path.write_bytes(path.read_bytes()[:-9])
    assert read_trials(path, spec, "key") == []


@pytest.mark.parametrize(
    ("before", "after"), [("0.25", "0.20"), ("step", "cosine"), ("why", "so"), ("0,step,0.25", "9")]
)
def test_trials_of_a_search_that_goes_on_are_sealed(tmp_path, caplog, before, after):
    spec, path = SearchSpec(3, {"schedule": ("cosine", "step")}, {}), tmp_path / "search.csv"
    write_trials(path, [Trial({"schedule": "step"}, 0.25), Trial({"schedule": "cosine"}, np.nan, "why")], spec, "key")
    assert len(read_trials(path, spec, "key")) == 2 and not caplog.records
    path.write_text(path.read_text().replace(before, after, 1))
    assert read_trials(path, spec, "key") == []
    assert "search.csv was changed or is of another search, so this one begins anew" in caplog.text


def test_optuna_is_asked_for_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="training.search needs Optuna.*prognoscope\\[search\\]"):
        need_optuna()
