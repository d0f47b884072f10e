"""A plan: settled once, taken by all that works by it, and refusing whatever a run would refuse before it trains."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.core.errors import CohortError, PrognoscopeError, StudyError
from prognoscope.features.store import PackedEmbeddings
from prognoscope.study import methods
from prognoscope.study import plan as module
from prognoscope.study.gather import gather
from prognoscope.study.inputs import embedding_sums, packed
from prognoscope.study.plan import plan
from prognoscope.study.study import Study
from prognoscope.study.study_file import StudyFile


def load(folder: Path, *overrides: str) -> StudyFile:
    return StudyFile.load(folder / "study.yaml", overrides)


def test_a_plan_holds_everything_that_is_settled(simulated):
    found = plan(load(simulated), jobs=1)
    assert [each.method.title for each in found.methods] == ["coxph", "snn", "abmil", "mcti"]
    assert found.needs == {"bag", "omics", "clinical"} and not found.extracts
    assert sorted(p for split in found.splits for p in split.test) == list(found.patients.patients)
    assert (found.device, found.precision, found.workers) == ("cpu", "float32", 1)
    assert len(found.looks.heads) == sum(map(len, found.cohort.slides.values()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.workers = 2


def test_methods_are_made_and_folds_drawn_once_from_study_to_gathered(simulated, monkeypatch):
    calls: Counter[str] = Counter()

    def counted(at, name):
        real = getattr(at, name)

        def function(*args, **kwargs):
            calls[name] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(at, name, function)

    for at, name in ((methods, "create_model"), (module, "make_splits"), (module, "read_cohorts")):
        counted(at, name)
    monkeypatch.setattr("prognoscope.study.gather.splits_of", lambda *_: 1 / 0)
    found = plan(load(simulated, "methods=[coxph, snn, abmil]"))
    assert gather(found).splits == found.splits
    assert calls == {"create_model": 3, "make_splits": 1, "read_cohorts": 1}


def test_patients_without_a_patch_are_known_before_anything_is_packed(study_folder, empty_embedding):
    empty_embedding(study_folder, "SIM-0005-A")
    found = plan(load(study_folder, "methods=[abmil]"))
    assert "SIM-0005" not in found.patients.patients
    assert gather(found).cohort.patients == found.patients.patients


@pytest.fixture
def empty_embedding():
    import h5py

    def empty(folder: Path, slide: str) -> None:
        with h5py.File(folder / "features" / f"{slide}.h5", "r+") as file:
            for name in ("features", "coords"):
                values, about = file[name][:0], dict(file[name].attrs)
                del file[name]
                file[name] = values
                file[name].attrs.update(about)

    return empty


REFUSED = {
    "no validation part": (["splits.validation=0"], "Fold 0 has no validation part to choose an epoch by"),
    "more inner folds than hospitals": (
        ["splits.group=site", "training.search={trials: 2, folds: 4, space: {epochs: [1, 2]}}"],
        "training.search.folds is 4: 3 sites cannot be divided into 4 folds",
    ),
    "draws of a method that keeps patches": (
        ["methods=[{name: kd, loss: representation}]", "training.patch_draw=4"],
        "set patch_draw to all",
    ),
    "a rate for no part of a network": (
        ["methods=[{name: abmil, training: {learning_rate_factors: {nowhere: 0.1}}}]"],
        "abmil: .*nowhere",
    ),
    "Cox's loss of one patient": (
        ["methods=[{name: gpdbn, head: cox}]", "training.patients_per_step=1"],
        "gpdbn: GPDBN's loss, Cox's, compares the patients of a step, so with patients_per_step: 1 it is always 0",
    ),
    "Cox's loss of one patient, drawn by a search": (
        [
            "methods=[{name: gpdbn, training: {patients_per_step: 1}}]",
            "training.search={trials: 2, space: {head: [discrete, cox]}}",
        ],
        "gpdbn may be drawn with patients_per_step: 1, but its loss, Cox's, compares patients",
    ),
    "one patient a step, drawn by a search": (
        [
            "methods=[{name: deepattnmisl, variant: original}]",
            "training.search={trials: 2, space: {patients_per_step: {low: 1, high: 8}}}",
        ],
        "deepattnmisl may be drawn with patients_per_step: 1",
    ),
    "an option that is true": (["methods=[{name: abmil, hidden_dim: true}]"], "cannot work with hidden_dim=True"),
    "a rate that is no number": (["methods=[{name: abmil, dropout: .nan}]"], "cannot work with dropout=nan"),
    "embeddings of another layout": (["cohort.features.layout=stamp"], "holds no dataset 'feats'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_check_refuses_whatever_a_run_refuses_before_it_trains(simulated, tmp_path, what):
    overrides, words = REFUSED[what]
    study = Study.load(simulated / "study.yaml", overrides)
    with pytest.raises(PrognoscopeError, match=words):
        study.check()
    with pytest.raises(PrognoscopeError, match=words):
        study.run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_time_bins_that_a_fold_cannot_have_are_refused_with_its_number(study_folder):
    table = pd.read_csv(study_folder / "clinical.csv")
    table.assign(time_months=table["time_months"].clip(9, 11).round()).to_csv(
        study_folder / "clinical.csv", index=False
    )
    with pytest.raises(CohortError, match="training.n_bins is 4, .* in fold 0, fold 1, fold 2. Set .* to 2"):
        plan(load(study_folder))
    assert plan(load(study_folder, "training.n_bins=2", "methods=[coxph]"))


def test_test_parts_that_have_no_c_index_are_refused_before_anything_is_trained(study_folder):
    table = pd.read_csv(study_folder / "clinical.csv")
    table["time_months"] += 60 * table["event"]  # nobody is seen to outlive an event but by a later one
    table.to_csv(study_folder / "clinical.csv", index=False)
    with pytest.raises(CohortError, match=r"The test part of fold .* \(2 patients\).* has no C-index"):
        plan(load(study_folder, "splits.folds=20", "methods=[coxph]"))
    assert plan(load(study_folder, "methods=[coxph]"))


def test_time_bins_that_an_inner_fold_cannot_have_are_refused_too(study_folder):
    table = pd.read_csv(study_folder / "clinical.csv")
    events = table.index[table["event"] == 1]
    few = dict(zip(events, np.resize([3.0, 6.0, 9.0, 9.0, 9.0, 12.0, 15.0], len(events)), strict=True))
    table["time_months"] = table["time_months"].where(~table.index.isin(events), table.index.map(few))
    table.to_csv(study_folder / "clinical.csv", index=False)
    search = "training.search={trials: 1, folds: 3, space: {epochs: [1, 2]}}"
    most = max(n for n in range(2, 12) if _plans(study_folder, f"training.n_bins={n}"))
    assert not _plans(study_folder, f"training.n_bins={most + 1}", search)
    with pytest.raises(CohortError, match="training.n_bins is 12, but the times"):
        plan(load(study_folder, "training.n_bins=12", search))


def _plans(folder, *overrides):
    try:
        return plan(load(folder, "methods=[snn]", *overrides))
    except CohortError:
        return None


def test_nobody_chooses_an_epoch_where_only_the_last_counts(simulated):
    assert not plan(load(simulated, "splits.validation=0", "training.choose=last")).splits[0].validation
    assert not plan(load(simulated, "splits.validation=0", "methods=coxph")).splits[0].validation


def test_a_device_that_is_not_here_is_a_warning_to_check_and_an_error_to_a_run(simulated, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    study = load(simulated, "training.device=cuda")
    assert any("torch sees no GPU" in each for each in plan(study, elsewhere=True).warnings)
    with pytest.raises(StudyError, match="torch sees no GPU"):
        plan(study)


def packed_of(study):
    cohort = plan(study).cohort
    return packed(study, cohort, embedding_sums(study, cohort))


def test_a_pack_of_a_table_is_named_after_its_content(study_folder):
    table = pd.read_csv(study_folder / "clinical.csv", dtype=str)[["patient_id"]].assign(a=1.5, b=2.5)
    table.to_csv(study_folder / "values.csv", index=False)
    settings = yaml.safe_load((study_folder / "study.yaml").read_text())
    settings["cohort"]["features"] = {"table": "values.csv"}
    (study_folder / "study.yaml").write_text(yaml.safe_dump(settings | {"methods": ["abmil"]}))
    study = load(study_folder)
    first = packed_of(study)
    table.assign(b=7.5).to_csv(study_folder / "values.csv", index=False)
    second = packed_of(study)
    assert first != second
    assert PackedEmbeddings.open(second).bag("SIM-0001")[0].tolist() == [[1.5, 7.5]]


def test_without_follow_up_there_is_no_plan(simulated):
    with pytest.raises(CohortError, match="cohort.clinical needs time, time_unit, and event or censored: add time"):
        plan(load(simulated, "cohort.clinical.time="))
