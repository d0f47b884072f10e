"""A plan: settled once, taken by all that works by it, and refusing whatever a run would refuse before it trains."""

import dataclasses
from collections import Counter
from pathlib import Path

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
    assert len(found.heads) == sum(map(len, found.cohort.slides.values()))
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

    for at, name in ((methods, "create_model"), (module, "make_splits"), (module, "read_cohort")):
        counted(at, name)
    monkeypatch.setattr("prognoscope.study.gather.make_splits", lambda *_: 1 / 0)
    found = plan(load(simulated, "methods=[coxph, snn, abmil]"))
    assert gather(found).splits == found.splits
    assert calls == {"create_model": 3, "make_splits": 1, "read_cohort": 1}


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
    with pytest.raises(CohortError, match="fold 0: .* do not give 4 time bins"):
        plan(load(study_folder))


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
