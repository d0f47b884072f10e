"""Ablations: from one line of the study file to the paper's table with our numbers."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.cohort.splits import Split
from prognoscope.core.errors import StudyError
from prognoscope.evaluation.concordance import concordance
from prognoscope.models.abmil.network import ABMIL
from prognoscope.models.card import Ablation
from prognoscope.models.recipe import EarlyStop, Recipe
from prognoscope.models.snn.network import SNN
from prognoscope.report.page import write_report
from prognoscope.runs.read import Run
from prognoscope.study.comparing import compare_runs
from prognoscope.study.jobs import Gathered, fold_jobs, optimism, planned_methods
from prognoscope.study.method_pairs import ablation_rows_of, pairs_of
from prognoscope.study.sections import changes
from prognoscope.study.spec import StudySpec, parse_study
from prognoscope.study.study import Study

pytestmark = pytest.mark.usefixtures("sketched")

ROWS = (
    Ablation("narrow", "w/o width", {"widths": [4]}),
    Ablation("other", "another method", {"hidden_dim": 8}, method="abmil"),
    Ablation("certain", "w/o dropout", {"dropout": 0.0}),
)


@pytest.fixture(autouse=True)
def snn_with_ablations(monkeypatch):
    change_card(monkeypatch, SNN, ablations=ROWS, whole_row="all on")


def change_card(monkeypatch, kind, **changes):
    """What is told of a method, for this test alone."""
    card = replace(kind.card, **changes)
    monkeypatch.setattr(kind, "card", card)
    monkeypatch.setattr(f"{kind.__module__.rpartition('.')[0]}.card.CARD", card)


def change_recipe(monkeypatch, kind, recipe):
    change_card(monkeypatch, kind, profile=replace(kind.card.profile, recipe=recipe))


def study_of(*methods, **more) -> StudySpec:
    least = {"name": "study", "cohort": {"clinical": {"table": "clinical.csv"}}}
    return parse_study(least | {"methods": list(methods)} | more)


def test_all_adds_every_row_of_the_table_in_its_order():
    whole = {"name": "snn", "dropout": 0.5, "widths": [8], "training": {"epochs": 3}, "ablations": "all"}
    study = study_of("abmil", whole)
    assert [method.title for method in study.methods] == ["abmil", "snn", "snn-narrow", "snn-other", "snn-certain"]
    _, snn, narrow, other, certain = study.methods
    assert snn.options == {"dropout": 0.5, "widths": [8]} and snn.ablation_of is None
    assert narrow.options == {"dropout": 0.5, "widths": [4]}
    assert (other.name, other.options) == ("abmil", {"hidden_dim": 8})  # another method has other options
    assert certain.options == {"dropout": 0.0, "widths": [8]}
    assert {method.training.epochs for method in (snn, narrow, other, certain)} == {3}
    assert [method.row for method in (narrow, other, certain)] == ["w/o width", "another method", "w/o dropout"]
    assert {study.whole_of(method).title for method in (snn, narrow, other, certain)} == {"snn"}


def test_labels_choose_rows_and_a_label_of_the_whole_goes_first():
    study = study_of({"name": "snn", "label": "genes", "ablations": ["certain", "narrow"]})
    assert [method.title for method in study.methods] == ["genes", "genes-narrow", "genes-certain"]
    assert [method.title for method in study_of({"name": "snn", "ablations": "other"}).methods] == ["snn", "snn-other"]


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ([{"name": "snn", "ablations": ["narow"]}], "snn has no ablation 'narow'; did you mean 'narrow'?"),
        ([{"name": "coxph", "ablations": "all"}], "coxph has no ablations; take `ablations` out of its entry."),
        ([{"name": "snn", "ablations": "all"}, {"name": "snn", "label": "snn-other"}], "'snn-other' is listed twice"),
        ([{"name": "snn", "ablation_of": "mcti"}], "'snn' is an ablation of 'mcti', which is not in methods; add it."),
    ],
)
def test_what_cannot_be_ablated_is_said_in_a_sentence(methods, message):
    with pytest.raises(StudyError) as raised:
        study_of(*methods)
    assert message in str(raised.value)


def test_the_file_of_a_run_needs_no_ablations_to_name_them_all(monkeypatch):
    study = study_of({"name": "snn", "ablations": "all"}, "abmil")
    written = yaml.safe_dump(study.model_dump(mode="json"))
    change_card(monkeypatch, SNN, ablations=())
    assert parse_study(yaml.safe_load(written)) == study


def test_an_ablation_is_compared_with_its_whole_alone():
    study = study_of("coxph", {"name": "snn", "ablations": ["narrow", "certain"]}, "abmil")
    assert pairs_of(study.methods) == [
        *[("coxph", "snn"), ("coxph", "abmil"), ("snn", "abmil")],
        *[("snn-narrow", "snn"), ("snn-certain", "snn")],
    ]


@pytest.mark.parametrize("is_first", [True, False])
def test_the_whole_stands_where_its_paper_has_it(monkeypatch, is_first):
    change_card(monkeypatch, SNN, whole_is_first=is_first)
    rows = [each.row for each in ablation_rows_of(study_of({"name": "snn", "ablations": "all"}).methods)]
    taken_away = [ablation.row for ablation in ROWS]
    assert rows == (["all on", *taken_away] if is_first else [*taken_away, "all on"])


def test_an_ablation_follows_the_published_protocol_of_its_whole(simulated, monkeypatch):
    recipe = Recipe(published_epoch="last_best_on_test", published_stop=EarlyStop(5, warm_up=2, earliest=18))
    change_recipe(monkeypatch, SNN, recipe)
    methods = "methods=[{name: snn, ablations: [other]}, abmil]"
    study = Study.load(simulated / "study.yaml", ["protocol=paper", methods])
    planned = planned_methods(study.spec, "cpu", "float32")
    jobs = fold_jobs(planned, Gathered(study.cohort, (Split(0, (), (), ()),)), simulated)
    assert [job.spec.choose for job in jobs] == ["latest_test_c_index", "latest_test_c_index", "last"]
    assert [(job.spec.patience, job.spec.warm_up, job.spec.earliest_stop) for job in jobs] == [
        *[(5, 2, 18), (5, 2, 18), (None, 0, 0)]
    ]
    reasons = optimism(study.spec)
    assert "the epoch was chosen on the fold that is reported" in reasons["snn-other"]
    assert "the epoch was chosen" not in reasons["abmil"]


@pytest.fixture(scope="module")
def finished(simulated):
    with pytest.MonkeyPatch.context() as patch:
        change_card(patch, SNN, ablations=ROWS, whole_row="all on")
        change_recipe(patch, SNN, Recipe(published_epoch="best_on_test"))
        change_recipe(patch, ABMIL, Recipe(published_epoch="last"))
        methods = "methods=[abmil, {name: snn, widths: [8], ablations: all}]"
        return Study.load(simulated / "study.yaml", ["protocol=paper", methods]).run(simulated / "ablated")


def test_the_table_of_a_run_holds_what_its_predictions_say(finished):
    table = pd.read_csv(finished.folder / "ablations.csv").set_index("method")
    assert table["row"].tolist() == ["w/o width", "another method", "w/o dropout", "all on"]
    folds = {method: Run(finished.folder).folds(method) for method in table.index}
    c_index = {
        method: np.array([concordance(f.prediction.risk, time=f.outcome.time, event=f.outcome.event).value for f in of])
        for method, of in folds.items()
    }
    for method, values in c_index.items():
        row = table.loc[method]
        assert row["c_index"] == pytest.approx(values.mean(), abs=1e-12)
        assert row["c_index_sd"] == pytest.approx(values.std(ddof=0), abs=1e-12)
        assert row["c_index_low"] <= row["c_index"] <= row["c_index_high"]
        assert 0 < row["integrated_brier"] < 1
        if method != "snn":
            assert row["difference"] == pytest.approx((values - c_index["snn"]).mean(), abs=1e-12)
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert table.loc["snn", "difference":"p_t"].isna().all()


def test_ablations_are_in_all_tables_of_the_run_and_in_one_of_the_report(finished):
    entries = ["abmil", "snn", "snn-narrow", "snn-other", "snn-certain"]
    metrics = pd.read_csv(finished.folder / "metrics.csv")
    assert [name for name in metrics["method"].unique() if "oracle" not in name] == entries
    assert set(pd.read_csv(finished.folder / "optimism.csv")["method"]) == set(entries)
    run = Run(finished.folder)
    assert list(run.methods) == ["abmil", "snn"]
    assert not list((finished.folder / "figures").glob("*snn-*"))
    _, printed = finished.printed()
    assert [name for name in printed["Method"] if "Oracle" not in name] == ["abmil (optimistic)", "snn (optimistic)"]
    compared = compare_runs([finished.folder])
    rows = compared.table.loc[compared.table["kind"] == "method", "row"]
    assert sorted(rows) == sorted(entries) and len(compared.pairs) == 10


def test_an_optimistic_ablation_is_called_so_with_its_reason(finished):
    about = json.loads((finished.folder / "provenance.json").read_text())
    assert "the epoch was chosen on the fold" in about["optimistic"]["snn-narrow"]
    html = finished.report.read_text()
    section = html[html.index('id="ablations"') : html.index('id="survival"')]
    rows = section.split("<tr")[2:]
    assert len(rows) == 4 and all('title="the epoch was chosen on the fold' in row for row in rows)
    assert "SD over folds (ddof\u00a00)" in section


def test_the_report_and_the_run_again_come_from_the_files_alone(finished, monkeypatch):
    before = (finished.report.read_bytes(), (finished.folder / "ablations.csv").read_bytes())
    write_report(finished.folder)
    assert finished.report.read_bytes() == before[0]
    change_recipe(monkeypatch, SNN, Recipe(published_epoch="best_on_test"))
    settings = yaml.safe_load((finished.folder / "study.yaml").read_text())
    stamp = (finished.folder / "snn-other" / "fold_0" / "predictions.csv").stat().st_mtime_ns
    again = Study.of(settings, finished.folder).run(finished.folder)
    assert (again.folder / "ablations.csv").read_bytes() == before[1]
    pages = [page.split('id="provenance"')[0] for page in (again.report.read_text(), before[0].decode())]
    assert pages[0] == pages[1]  # but for where inputs are, as seen from the study file
    assert (finished.folder / "snn-other" / "fold_0" / "predictions.csv").stat().st_mtime_ns == stamp


def test_choosing_on_the_reported_fold_is_measured_beside_noise(finished):
    table = pd.read_csv(finished.folder / "optimism.csv", dtype={"fold": str}).set_index(["method", "fold"])
    for method in ("abmil", "snn"):
        for fold in range(3):
            history = pd.read_csv(finished.folder / method / f"fold_{fold}" / "history.csv")
            row = table.loc[(method, str(fold))]
            assert row["best"] == history["test_c_index"].max()
            assert row["best_epoch"] == history["test_c_index"].argmax()
            assert row["added"] == pytest.approx(
                row["best"] - history.loc[history["chosen"] == 1, "test_c_index"].item()
            )
            assert row["noise_low"] <= row["noise_best"] <= row["noise_high"]
        assert table.loc[(method, "all"), "added"] == pytest.approx(table.loc[method]["added"].iloc[:3].mean())
    assert (table.loc["snn", "added"] == 0).all()  # the reported epoch is the best one already
    assert set(table.loc["snn", "chosen_by"]) == {"test_c_index"}
    assert 0.5 < table.loc[("abmil", "all"), "noise_best"] < 0.65
    assert "The numbers of snn are such best epochs already." in finished.report.read_text()


def test_a_row_that_is_another_method_does_not_take_factors_of_parts_that_it_lacks():
    training = {"epochs": 7, "learning_rate_factors": {"associate": 0.5}}
    entries = parse_study(
        {
            "name": "study",
            "cohort": {"clinical": {"table": "clinical.csv"}},
            "methods": [{"name": "ghanet", "ablations": ["model0", "model6"], "training": training}],
        }
    ).methods
    found = {entry.title: changes(entry.training) for entry in entries}
    assert found == {"ghanet": training, "ghanet-model0": {"epochs": 7}, "ghanet-model6": training}
