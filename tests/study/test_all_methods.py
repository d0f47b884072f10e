"""`methods: all` and its groups: what they stand for, with which cohort, and what is said of the rest."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import ModelError, StudyError
from prognoscope.core.outcome import Outcome
from prognoscope.models.registry import MODELS, profile_of
from prognoscope.omics.tables import OmicsTable
from prognoscope.study.method_groups import GROUPS, methods_of
from prognoscope.study.methods import choose_methods, sizes_to_come
from prognoscope.study.spec import StudySpec, parse_study
from prognoscope.study.study import Study
from tests.study.conftest import COXPH

pytestmark = pytest.mark.usefixtures("sketched")

PATIENTS = tuple(f"P{i}" for i in range(6))


def study_of(*methods, **more) -> StudySpec:
    least = {"name": "study", "cohort": {"clinical": {"table": "clinical.csv"}}}
    return parse_study(least | {"methods": list(methods)} | more)


@pytest.fixture
def both() -> Cohort:
    """Six patients with slides, genes and a covariate."""
    genes = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 120)), PATIENTS, [f"G{i}_rnaseq" for i in range(120)])
    groups = {name: tuple(f"G{j}" for j in range(20 * i, 20 * i + 20)) for i, name in enumerate("abcdef")}
    outcome = Outcome(PATIENTS, np.arange(1.0, 7.0), np.ones(6, bool))
    slides = {patient: (f"{patient}-A",) for patient in PATIENTS}
    age = pd.DataFrame({"age": np.arange(6.0)}, PATIENTS)
    known = {"groups": groups, "covariates": age, "subtype": dict(zip(PATIENTS, "ABABAB", strict=True))}
    return Cohort("six", outcome, slides=slides, omics=OmicsTable(genes), **known)


def chosen(spec: StudySpec, cohort: Cohort) -> tuple[list[str], list[str]]:
    found = choose_methods(spec.methods, cohort, sizes_to_come(cohort))
    return [method.title for method in found.methods], list(found.left_out)


def test_the_groups_share_out_all_methods_without_overlap():
    parts = [methods_of(group) for group in GROUPS if group != "all"]
    assert sorted(name for part in parts for name in part) == sorted(MODELS) == methods_of("all")
    for name in methods_of("all:slides"):
        assert profile_of(name).uses == {"bag"}
    assert {"coxph", "snn"} <= set(methods_of("all:genes"))
    assert {"mcti", "ghanet"} <= set(methods_of("all:both"))  # ghanet predicts from slides, but learns from genes


def test_an_entry_of_its_own_goes_before_a_group_and_keeps_its_place():
    study = study_of("all:genes", {"name": "mcti", "label": "mcti-x", "k": 32}, {"name": "snn", "dropout": 0.5})
    titles = [method.title for method in study.methods]
    assert titles[-2:] == ["mcti-x", "snn"] and titles.count("snn") == 1 and "coxph" in titles
    assert study.methods[-1].options == {"dropout": 0.5}
    twice = [method.title for method in study_of("all:genes", "all").methods]
    assert sorted(twice) == methods_of("all")


def test_with_slides_and_genes_all_are_taken(both):
    titles, left_out = chosen(study_of("all"), both)
    assert titles == methods_of("all") and left_out == []


def test_what_the_cohort_does_not_allow_is_left_out_with_its_reason(both):
    genes_alone = replace(both, slides={})
    titles, left_out = chosen(study_of("all"), genes_alone)
    assert titles == sorted([*methods_of("all:genes"), "gpcox"])
    (told,) = left_out
    names, why = told.removeprefix("Left out of methods: all: ").split(". ")
    assert sorted([*names.split(", "), *titles]) == sorted(MODELS)
    assert why == "No patient has slides to predict from."
    slides_alone = replace(both, omics=None, groups=None, covariates=None)
    titles, left_out = chosen(study_of("all"), slides_alone)
    assert titles == sorted([*methods_of("all:slides"), "gpcox"])
    assert "Left out of methods: all: ghanet, kd. No patient has genes to learn from." in left_out
    assert any(each.startswith("Left out of methods: all: coxph. coxph needs clinical cov") for each in left_out)


def test_a_method_that_is_named_is_never_left_out_in_silence(both):
    genes_alone = replace(both, slides={})
    with pytest.raises(ModelError, match="abmil needs slides, and no patient has them"):
        chosen(study_of("all:genes", "abmil"), genes_alone)


@pytest.mark.parametrize(
    ("group", "lacking", "message"),
    [
        ("all:both", "slides", "all:both stands for methods that learn from slides and genes, and no patient has them"),
        ("all:slides", "slides", "all:slides stands for methods that learn from slides, and no patient has them"),
        ("all:genes", "omics", "Give cohort.omics in the study file, or take other methods."),
    ],
)
def test_a_group_that_the_cohort_has_nothing_for_is_refused(both, group, lacking, message):
    cohort = replace(both, slides={}) if lacking == "slides" else replace(both, omics=None)
    with pytest.raises(StudyError) as raised:
        chosen(study_of(group), cohort)
    assert message in str(raised.value)


def test_all_of_nothing_is_refused_with_a_reason(both):
    with pytest.raises(StudyError, match="methods: all stands for no method that this cohort allows; of abmil"):
        chosen(study_of("all"), replace(both, slides={}, omics=None, covariates=None))


def test_an_unknown_group_names_the_nearest():
    with pytest.raises(StudyError, match="no group of methods 'all:gens'; did you mean 'all:genes'?"):
        study_of("all:gens")


def test_a_run_keeps_the_list_and_goes_on_with_all(study_folder):
    settings = yaml.safe_load((study_folder / "study.yaml").read_text())
    settings["cohort"].pop("features")
    settings["cohort"]["truth"] = None
    settings |= {"methods": [COXPH, "all:genes"], "training": {"epochs": 1}, "evaluation": {"draws": 10}}
    settings["splits"]["folds"] = 2
    (study_folder / "study.yaml").write_text(yaml.safe_dump(settings))
    study = Study.load(study_folder / "study.yaml")
    plan = study.plan()
    assert sorted(method.title for method in plan.study.spec.methods) == methods_of("all:genes")
    assert study.plan().study == plan.study
    run = study.run()
    kept = parse_study(yaml.safe_load((run.folder / "study.yaml").read_text()))
    assert [method.title for method in kept.methods] == [method.title for method in plan.study.spec.methods]
    stamp = (run.folder / "snn" / "fold_0" / "predictions.csv").stat().st_mtime_ns
    again = Study.load(study_folder / "study.yaml", ["methods=[{name: coxph, penalizers: [0.1]}, all]"]).run(run.folder)
    assert (run.folder / "snn" / "fold_0" / "predictions.csv").stat().st_mtime_ns == stamp
    assert any(note.startswith("Left out of methods: all: abmil") for note in again.notes)
    assert "Left out of methods: all: abmil" in again.report.read_text()
