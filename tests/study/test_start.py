"""`prognoscope init`: studies that repeat a paper's table, and studies that fit what lies in a folder."""

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from prognoscope.analysis.published import known_cohort, published_values
from prognoscope.core.errors import InputError, StudyError
from prognoscope.core.yaml_text import parse_yaml
from prognoscope.models.creation import create_model
from prognoscope.models.registry import card_of, parameters_of, profile_of
from prognoscope.study.audit import audit
from prognoscope.study.plan import plan
from prognoscope.study.sections import changes
from prognoscope.study.spec import parse_study
from prognoscope.study.start.endpoints import find_endpoints
from prognoscope.study.start.from_folder import folder_study
from prognoscope.study.start.look import look_into
from prognoscope.study.start.papers import PAPERS, paper_study
from prognoscope.study.start.write import write_study_for
from prognoscope.study.study_file import StudyFile

STUDIES = [(paper, cohort) for paper, studies in PAPERS.items() for cohort in studies.cohorts]


@pytest.mark.parametrize(("paper", "cohort"), STUDIES)
def test_the_study_of_a_paper_lists_the_methods_of_its_table_and_takes_its_recipe(paper, cohort):
    study = parse_study(parse_yaml(paper_study(paper, cohort)))
    assert known_cohort(study.name) == cohort.upper()
    values = published_values()
    called = {"ghanet": "G-HANet", "cmta": "CMTA", "ccl": "CCL", "mcti": "MCTI"}[paper]
    printed = values[values["source"].str.contains(called) & (values["cohort"] == cohort.upper())]
    assert {method.name for method in study.methods} >= {name.partition(":")[0] for name in printed["method"]}
    own = next(method for method in study.methods if method.name == paper)
    assert set(own.options) <= set(parameters_of(paper, own.options))
    recipe = profile_of(paper, own.options).recipe
    wanted = {"learning_rate": 1e-4} if (paper, cohort) == ("ghanet", "ucec") else {}
    for name, value in changes(own.training).items():
        assert value == wanted.get(name, getattr(recipe, name)), name


@pytest.mark.parametrize("paper", PAPERS)
def test_the_study_of_a_papers_ablations_has_its_rows_and_no_rival(paper):
    study = parse_study(parse_yaml(paper_study(paper, next(iter(PAPERS[paper].cohorts)), "ablations")))
    assert [method.row for method in study.methods[1:]] == [each.row for each in card_of(paper).ablations]
    if paper == "ghanet":
        rules = {method.title: profile_of(method.name, method.options).gene_selection for method in study.methods}
        assert rules["ghanet-model6"].rule == "none" and rules["ghanet-model5"].rule == "welch_resampled"


@pytest.mark.parametrize("paper", ["ccl", "cmta", "ghanet"])
def test_the_study_of_a_papers_sweeps_has_all_of_its_card(paper):
    study = parse_study(parse_yaml(paper_study(paper, "ucec", "sweeps")))
    assert [sweep.label for sweep in study.methods[0].sweeps] == [sweep.label for sweep in card_of(paper).sweeps]


def test_the_options_of_the_papers_studies_make_networks():
    for paper, cohort in dict(STUDIES).items():
        texts = (paper_study(paper, cohort), paper_study(paper, cohort, "ablations"))
        for method in (each for text in texts for each in parse_study(parse_yaml(text)).methods):
            if method.options and paper != "mcti":  # of 140 million parameters
                create_model(method.name, embedding_dim=16, group_sizes=(3,) * 6, n_bins=4, **method.options)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"paper": "ghanett", "cohort": "blca"}, "There is no paper 'ghanett'; there are ccl, cmta, ghanet, mcti."),
        (
            {"paper": "mcti", "cohort": "blca"},
            "The paper on mcti has no cohort 'blca'; it has brca, esca, kica, nsclc.",
        ),
        ({"paper": "mcti"}, "Say with --cohort which of the paper's: brca, esca, kica, nsclc."),
        ({"cohort": "blca"}, "--cohort blca is a paper's. Say with --paper which: ccl, cmta, ghanet, mcti."),
        ({"paper": "ccl", "cohort": "luad", "rows": "x"}, "no table of 'x'; there are methods, ablations, sweeps."),
        ({"paper": "mcti", "cohort": "esca", "rows": "sweeps"}, "The paper on mcti has no table of sweeps."),
        ({"rows": "ablations"}, "--rows ablations are a paper's. Say with --paper which"),
        ({"paper": "ccl", "data": Path()}, "Give one of the two."),
        ({"data": Path("nowhere")}, "There is no folder nowhere to look into."),
        ({"data": Path()}, "is a table of follow-up"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_sentence(asked, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        write_study_for(tmp_path, **asked)
    assert said in str(caught.value) and not list(tmp_path.iterdir())


def test_a_simulated_cohort_is_found_whole_and_ready(made_once, tmp_path):
    path, questions = write_study_for(tmp_path, data=made_once)
    assert not questions
    found = audit(plan(StudyFile.load(path), elsewhere=True))
    study = StudyFile.load(path).spec
    assert not found.stop and study.cohort.truth and study.cohort.subtype and study.cohort.clinical.site == "site"
    assert {method.name for method in study.methods} == {
        *("coxph", "coxnet", "late", "gpcox", "snn", "meanmil", "abmil", "cmta", "ghanet", "mcti")
    }
    patients = found.tables["Outcome"].set_index("what")["value"]
    assert patients["patients with slides"] == patients["patients with genes"] == "40"


def clinical(**columns) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": [f"P{i:02}" for i in range(12)], **columns})


@pytest.mark.parametrize(
    ("columns", "times", "unit", "status", "asked"),
    [
        ({"survival_months": range(12), "censorship": [0, 1] * 6}, ("survival_months",), "months", "censored", ""),
        ({"OS_DAYS": range(12), "OS_MONTHS": range(12), "OS_STATUS": ["1:DECEASED", "0:LIVING"] * 6},
         ("OS_MONTHS",), "months", "event", "also in OS_DAYS"),
        ({"OS.time": range(100, 112), "OS": [0, 1] * 6}, ("OS.time",), None, "event", "Write time_unit"),
        ({"days_to_death": [5, None] * 6, "days_to_last_follow_up": range(12), "vital_status": ["Dead", "Alive"] * 6},
         ("days_to_death", "days_to_last_follow_up"), "days", "event", ""),
        ({"time_years": range(12), "status": [1, 2] * 6}, ("time_years",), "years", "event", "into event_values"),
        ({"survival_months": range(12), "status": [0, 1] * 6}, ("survival_months",), "months", "event", "1 is taken"),
    ],
)  # fmt: skip
def test_follow_up_is_told_by_columns_and_asked_where_they_do_not_tell(columns, times, unit, status, asked):
    (found,) = find_endpoints(clinical(**columns))
    assert (found.times, found.unit, found.status.key) == (times, unit, status)
    assert asked in " ".join(found.questions) and bool(found.questions) == bool(asked)


def test_words_of_a_status_are_named_and_other_endpoints_told():
    table = clinical(
        time_months=range(12), vital_status=["Dead", "Alive"] * 6, DFS_MONTHS=range(12), DFS_STATUS=[0, 1] * 6
    )
    overall, free = find_endpoints(table)
    assert (overall.status.event_values, overall.status.censored_values) == (("Dead",), ("Alive",))
    assert (free.name, free.times) == ("dfs", ("DFS_MONTHS",))


def embed(path: Path, encoder: str, dim: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=np.zeros((2, dim), np.float32)).attrs["encoder"] = encoder


def written(data: Path) -> tuple[str, list[str]]:
    clinical(survival_months=range(1, 13), event=[0, 1] * 6).to_csv(data / "follow.tsv", sep="\t", index=False)
    return folder_study(data, data)


def test_embeddings_in_a_folder_for_each_patient_are_of_one_folder(tmp_path):
    for i in range(12):
        embed(tmp_path / "of" / f"P{i:02}" / "HE.h5", "uni")
    text, questions = written(tmp_path)
    assert "  features: {folder: of}" in text and not questions
    assert [method.name for method in parse_study(parse_yaml(text)).methods] == ["gpcox", "meanmil", "abmil"]


def test_two_encoders_and_two_tables_of_follow_up_are_asked_of_the_user(tmp_path):
    for encoder in ("uni", "conch"):
        embed(tmp_path / encoder / "P01.h5", encoder)
    clinical(survival_months=range(1, 13), event=[1, 0] * 6).to_csv(tmp_path / "a.csv", index=False)
    text, questions = written(tmp_path)
    assert "# features: {folder: uni}   # uni" in text and "# features: {folder: conch}   # conch" in text
    assert "Which?" in " ".join(questions) and "Which table has the follow-up?" in questions[0]
    with pytest.raises(StudyError, match="clinical.table is missing"):
        parse_study(parse_yaml(text))


def test_no_data_are_dropped_in_silence_while_a_question_is_open(tmp_path):
    rng = np.random.default_rng(0)
    embed(tmp_path / "uni" / "P01.h5", "uni")
    embed(tmp_path / "conch" / "P01.h5", "conch")
    for name in ("one", "two"):
        genes = {f"GENE{i}_rnaseq": rng.normal(size=12) for i in range(12)}
        clinical(**genes).to_csv(tmp_path / f"genes_{name}.csv", index=False)
        clinical(subtype=["a", "b"] * 6).to_csv(tmp_path / f"types_{name}.csv", index=False)
    table = {f"x{i}": rng.normal(size=12) for i in range(12)}
    clinical(**table).to_csv(tmp_path / "numbers.csv", index=False)
    follow = clinical(survival_months=range(1, 13), event=[0, 1] * 6, age=rng.permutation(12))
    follow.to_csv(tmp_path / "follow.csv", index=False)
    path, questions = write_study_for(tmp_path / "out", data=tmp_path)
    study = StudyFile.load(path)
    assert list(study.asked) == questions and len(questions) == 5
    named = [method.name for method in study.spec.methods]
    assert named == ["coxph", "coxnet", "late", "gpcox", "snn", "meanmil", "abmil", "mcti"]
    for name in ("late", "snn", "meanmil", "abmil", "mcti"):  # the others do with the covariates
        with pytest.raises(InputError, match=f"{name} needs|{name} learns to tell subtypes"):
            plan(StudyFile.load(path, [f"methods=[{name}]", "splits.folds=2"]))
    warnings = audit(plan(StudyFile.load(path, ["methods=[coxph]", "splits.folds=2"]))).warnings
    for question in questions:
        assert f"The study file still asks: {question} Answer, and remove the line." in warnings


def test_the_tables_of_mcat_are_follow_up_genes_and_folds(tmp_path):
    rng = np.random.default_rng(0)
    genes = {f"GENE{i}_rnaseq": rng.normal(size=12) for i in range(12)}
    about = {
        "slide_id": [f"P{i:02}-DX.svs" for i in range(12)],
        "survival_months": range(1, 13),
        "censorship": [0, 1] * 6,
    }
    clinical(**about, **genes).rename(columns={"patient_id": "case_id"}).to_csv(tmp_path / "all.csv.gz", index=False)
    pd.DataFrame({"set one": ["GENE1", "GENE2"], "set two": ["GENE3", "GENE4"]}).to_csv(tmp_path / "x.csv", index=False)
    for fold in range(2):
        ids = [f"P{i:02}" for i in range(12)]
        parts = {"train": pd.Series(ids[fold::2]), "val": pd.Series(ids[1 - fold :: 2])}
        pd.DataFrame(parts).to_csv(tmp_path / f"s_{fold}.csv")
    (tmp_path / "notes.bin").write_bytes(b"\0\1\2")
    text, questions = folder_study(tmp_path, tmp_path)
    study = parse_study(parse_yaml(text))
    assert not questions and study.cohort.clinical.patient == "case_id" and study.cohort.clinical.censored
    assert study.cohort.omics.table == ("all.csv.gz",) and study.cohort.omics.groups == "x.csv"
    assert study.splits.files == ("s_{fold}.csv",) and "# not used: notes.bin" in text


def test_what_yaml_would_read_otherwise_is_in_quotes(tmp_path):
    data = tmp_path / "12: yes"
    data.mkdir()
    table = clinical(survival_months=range(1, 13), event=[0, 1] * 6, no=range(12)).rename(
        columns={"patient_id": "case"}
    )
    table.to_csv(data / "it's, a [table].csv", index=False)
    study = parse_study(parse_yaml(folder_study(data, tmp_path)[0]))
    assert study.cohort.clinical.table == ("12: yes/it's, a [table].csv",) and study.name == "12-yes"


@pytest.mark.skipif(sys.platform != "linux", reason="only there may a name be any bytes")
def test_a_file_whose_name_is_no_text_is_told_before_a_study_is_written(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")).write_text("patient_id,time,event\n")
    with pytest.raises(InputError, match=r"caf\\xe9\.csv' is not UTF-8 text\. Rename it"):
        look_into(tmp_path)
