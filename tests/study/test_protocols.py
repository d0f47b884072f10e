"""One rule for all rows of a table, and what a run that follows papers says is not theirs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from prognoscope.analysis.epoch_values import check_epoch
from prognoscope.analysis.epoch_words import WORDS
from prognoscope.core.errors import InputError, StudyError
from prognoscope.models.card import Departure
from prognoscope.models.mcti.card import CARD as MCTI
from prognoscope.models.registry import MODELS, card_of, profile_of
from prognoscope.models.snn.card import CARD as SNN
from prognoscope.report.comparison_page import write_comparison
from prognoscope.report.comparison_text import caption_of
from prognoscope.report.sections.departures import AS_AUTHORS, departure_content
from prognoscope.runs.read import Run
from prognoscope.study.comparing import compare_runs
from prognoscope.study.departures import departure_notes, departures, general_notes, other_settings
from prognoscope.study.jobs import optimism, planned_methods
from prognoscope.study.protocols import RULES
from prognoscope.study.spec import StudySpec, parse_study, plain
from prognoscope.study.study import Study
from tests.sketches import sketches

HOW = {"folds": 5, "precision": "float32"}
WHY = "the epoch was chosen on the fold that is reported, as in the {} table"


@pytest.fixture
def sketched():
    with sketches():
        yield


def study_of(*methods, **sections) -> StudySpec:
    cohort = {"clinical": {"table": "clinical.csv"}}
    return parse_study({"name": "study", "cohort": cohort, "methods": list(methods or ["abmil"]), **sections})


def settings_of(spec: StudySpec) -> dict[str, tuple[str, ...]]:
    return {each.title: other_settings(spec, each, **HOW) for each in spec.methods}


@pytest.mark.parametrize(
    ("like", "chosen", "folds", "ddof"),
    [
        *[("ghanet", "test_c_index", 5, 0), ("cmta", "test_c_index", 5, 0)],
        *[("ccl", "latest_test_c_index", 5, 0), ("mcti", "validation_c_index", 4, 1)],
    ],
)
def test_every_row_is_made_by_the_one_rule(like, chosen, folds, ddof):
    spec = study_of("snn", "ghanet", "ccl", "mcti", "coxph", protocol={"like": like})
    planned = planned_methods(spec, "cpu", "float32")
    assert {each.spec.choose for each in planned} == {chosen} and spec.splits.folds == folds
    assert {each.bins["bins_from"] for each in planned} == {"cohort"} and RULES[like].ddof == ddof
    waits = {(each.spec.patience, each.spec.warm_up, each.spec.earliest_stop) for each in planned}
    assert waits == ({(5, 2, 18)} if like == "mcti" else {(None, 0, 0)})
    assert spec.splits.validation == (0.2 if like == "mcti" else 0)
    reasons = optimism(spec)
    assert all("bins were fitted on all patients" in why for why in reasons.values()) and len(reasons) == 5
    on_test = {title for title, why in reasons.items() if WHY.format(RULES[like].paper) in why}
    assert on_test == (set() if like == "mcti" else {"snn", "ghanet", "ccl", "mcti"})  # coxph has no epochs


@pytest.mark.parametrize("protocol", ["paper", "honest", *({"like": like} for like in RULES)])
def test_a_study_under_a_protocol_can_be_written_and_read_again(protocol):
    spec = study_of("snn", "mcti", protocol=protocol)
    assert parse_study(yaml.safe_load(yaml.safe_dump(plain(spec)))) == spec


@pytest.mark.parametrize("protocol", ["paper", {"like": "cmta"}])
@pytest.mark.parametrize(("key", "value"), [("choose", "last"), ("choose", "validation_loss"), ("bins_from", "train")])
def test_what_the_protocol_settles_is_refused_and_not_replaced(protocol, key, value):
    with pytest.raises(StudyError, match=rf"training.{key} is {value}, but protocol: .*--set training.{key}=null"):
        study_of(protocol=protocol, training={key: value})
    assert study_of(protocol=protocol, training={key: None, "bins_from": "cohort"}).training.bins_from == "cohort"


@pytest.mark.parametrize("protocol", ["paper", {"like": "ghanet"}])
def test_a_recipe_of_ours_is_none_of_a_papers_table(protocol):
    assert study_of({"name": "mcat", "recipe": "balanced"}).methods[0].options == {"recipe": "balanced"}
    with pytest.raises(
        StudyError, match="methods, mcat: recipe: balanced is ours, and protocol: .* as its authors did"
    ):
        study_of({"name": "mcat", "recipe": "balanced"}, protocol=protocol)


def test_a_paper_is_named_below_like(simulated):
    with pytest.raises(StudyError, match="'ghanet' is a paper; write {like: ghanet}"):
        study_of(protocol="ghanet")
    with pytest.raises(StudyError, match="must be ghanet, cmta, ccl or mcti, not 'ccll'; did you mean 'ccl'"):
        Study.load(simulated / "study.yaml", ["protocol.like=ccll"])
    assert Study.load(simulated / "study.yaml", ["protocol.like=ccl"]).spec.protocol.like == "ccl"


def test_mcti_is_as_published_where_nobody_said_otherwise():
    spec = study_of("mcti", {"name": "mcti", "label": "small", "d": 64}, protocol="paper")
    whole, small = spec.methods
    assert whole.options == {"preset": "paper"} and profile_of("mcti", whole.options).recipe.learning_rate == 5e-5
    assert small.options == {"d": 64}
    told = settings_of(spec)
    assert "preset default instead of paper" in told["small"] and "d 64 instead of its own" in told["small"]
    assert "learning_rate 0.0002 instead of 5e-05" in told["small"]
    assert told["mcti"] == ("5 folds instead of 4", "15 % of the training part to choose instead of 20 %")
    assert study_of("mcti").methods[0].options == {}  # honest: ours


def test_every_setting_that_is_not_the_papers_is_told():
    changed = {"epochs": 3, "patience": 2, "n_bins": 5, "search": {"space": {"l1": [0, 1]}}}
    spec = study_of(
        {"name": "snn", "widths": [8], "training": {"learning_rate": 0.1}}, protocol="paper", training=changed
    )
    (told,) = settings_of(spec).values()
    assert told == (
        "widths [8] instead of its own",
        "learning_rate 0.1 instead of 0.0002",
        "epochs 3 instead of 20",
        "l1 searched in each fold",
        "5 time bins instead of 4",
        "patience 2 instead of none",
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_method_as_it_comes_has_no_other_settings_but_its_folds(name):
    spec = study_of(name, protocol="paper", splits={"folds": 4 if name == "mcti" else 5, "validation": 0.2})
    (method,) = spec.methods
    assert other_settings(spec, method, folds=spec.splits.folds, precision="float32") == ()


def test_what_makes_an_ablation_one_is_no_other_setting():
    spec = study_of({"name": "cmta", "ablations": "all"}, {"name": "ghanet", "ablations": "all"}, protocol="paper")
    assert set(settings_of(spec).values()) == {()}


def test_only_who_is_as_published_is_said_to_be(monkeypatch):
    spec = study_of("snn", protocol="paper")
    assert departure_notes(spec, **HOW) == []  # its network is not its paper's, as the page lists
    monkeypatch.setattr("prognoscope.models.snn.card.CARD", replace(SNN, departures=()))
    assert departure_notes(spec, **HOW) == ["snn is trained and chosen as its authors did it."]
    (other,) = departure_notes(study_of("snn", protocol="paper", training={"epochs": 2}), **HOW)
    assert other == "snn differs from its paper in: epochs 2 instead of 20."
    assert departure_notes(study_of("snn", training={"epochs": 2}), **HOW) == []


def test_a_departure_is_of_the_options_that_are_used():
    texts = [each.text for each in MCTI.departures if isinstance(each, Departure)]
    assert len(texts) == 1 and texts[0] in card_of("mcti").departures_with({})
    (whole,) = study_of("mcti", protocol="paper").methods
    assert texts[0] not in departures(whole) and len(departures(whole)) == len(MCTI.departures) - 1


def test_a_general_section_that_replaces_recipes_is_told():
    spec = study_of("snn", "mcti", {"name": "abmil", "training": {"epochs": 7}}, training={"epochs": 3, "l1": 0.0})
    assert general_notes(spec) == [
        "The general training section replaces what methods have of their own: epochs 3 instead of 20 (snn) and 30 "
        "(mcti)."
    ]
    assert general_notes(study_of("snn", "coxph", training={"epochs": 20})) == []


@pytest.fixture(scope="module")
def like_mcti(simulated):
    with sketches():
        study = Study.load(
            simulated / "study.yaml", ["protocol.like=mcti", "methods=[snn, {name: coxph, penalizers: [0.1]}]"]
        )
        return study.run(simulated / "like")


def test_a_run_says_by_whose_rule_it_was_made(like_mcti):
    about = json.loads((like_mcti.folder / "provenance.json").read_text())
    assert (about["protocol"], about["choose"], about["ddof"]) == ("like-mcti", "validation_c_index", 1)
    assert about["rule"].startswith("All rows by the rule of the MCTI table") and about["rule"] in about["notes"]
    assert any("This study has 3 folds, the MCTI table 4" in note for note in about["notes"])
    page = like_mcti.report.read_text()
    assert about["rule"] in page and "SD over folds (ddof\u00a01)" in page and "as its authors did it" not in page
    assert "epochs 3 instead of 20" in page and AS_AUTHORS not in page
    history = pd.read_csv(like_mcti.folder / "snn" / "fold_0" / "history.csv")
    assert history["chosen"].tolist() == [0, 0, 1]  # the first two warm up
    values = like_mcti.metrics[(like_mcti.metrics["method"] == "snn") & (like_mcti.metrics["metric"] == "c_index")]
    folds = values.loc[values["fold"] != "all", "value"]
    assert values.loc[values["fold"] == "all", "sd"].item() == pytest.approx(np.std(folds, ddof=1))


def test_a_run_by_a_papers_rule_can_be_run_again_from_its_study_file(like_mcti, tmp_path, sketched):
    again = Study.load(like_mcti.folder / "study.yaml").run(tmp_path / "again")
    for name in ("metrics.csv", "snn/fold_0/predictions.csv"):
        assert (again.folder / name).read_bytes() == (like_mcti.folder / name).read_bytes()


def test_the_page_lists_what_is_not_as_in_the_papers(like_mcti):
    rows = {row["method"]: row for row in departure_content(like_mcti.run)["rows"]}
    assert "epochs 3 instead of 20" in rows["snn"]["settings"] and rows["snn"]["network"] == SNN.departures
    assert rows["coxph"]["settings"] == ("penalizers [0.1] instead of [0.01, 0.03, 0.1, 0.3, 1, 3]",)
    run = Run(like_mcti.folder)
    run.__dict__["provenance"] = replace(run.provenance, other_settings={})  # as if it had been read so
    assert {row["settings"] for row in departure_content(run)["rows"]} == {("No setting.",)}


def _c_index(run: Path, method: str, at: str) -> list[float]:
    histories = [pd.read_csv(run / method / f"fold_{k}" / "history.csv")["test_c_index"] for k in range(3)]
    return [each.iloc[-1] if at == "last" else each.max() for each in histories]


def _row(found, method: str) -> pd.Series:
    return found.table[found.table["kind"] == "method"].set_index("row").loc[method]


@pytest.mark.parametrize("at", ["last", "best_on_test"])
def test_a_run_is_compared_at_another_epoch_by_the_risks_that_it_kept(like_mcti, at):
    found = compare_runs([like_mcti.folder], at=at)
    row, values = _row(found, "snn"), _c_index(like_mcti.folder, "snn", at)
    assert row["mean"] == pytest.approx(np.mean(values)) and row["sd"] == pytest.approx(np.std(values, ddof=1))
    assert row["low"] < row["mean"] < row["high"] and found.ddof == 1
    assert ("the epoch was chosen on the fold" in row["optimistic"]) == (at == "best_on_test")
    assert "bins were fitted on all patients" in row["optimistic"]
    assert _row(found, "coxph")["mean"] == _row(compare_runs([like_mcti.folder]), "coxph")["mean"]
    notes = " ".join(found.notes)
    assert "coxph of" in notes and "has no epochs" in notes and "left a validation part out of the training" in notes
    assert f"at {WORDS[at]}, mean" in caption_of(found)


def test_the_honest_choice_is_the_runs_own(like_mcti):
    honest, own = (compare_runs([like_mcti.folder], at=at) for at in ("honest", None))
    pd.testing.assert_frame_equal(honest.table, own.table)


def test_an_older_run_has_spreads_but_no_intervals_at_another_epoch(like_mcti, tmp_path, sketched):
    folder = shutil.copytree(like_mcti.folder, tmp_path / "older")
    for path in folder.rglob("manifest.json"):
        path.unlink()
    for path in folder.rglob("epoch_risks.csv"):
        path.unlink()
    found = compare_runs([folder], at="best_on_test")
    row, values = _row(found, "snn"), _c_index(folder, "snn", "best_on_test")
    assert (row["mean"], row["sd"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert np.isnan(row["low"]) and np.isnan(row["high"])
    (pair,) = found.pairs.to_dict("records")
    assert np.isnan(pair["low"]) and np.isfinite(pair["p_t"])
    assert any("no interval can be had" in note and "Run the study again" in note for note in found.notes)
    write_comparison(found, tmp_path / "page")


def test_a_number_that_is_not_honest_is_not_called_so(simulated, tmp_path, sketched):
    study = ["protocol.like=ghanet", "methods=[snn]", "splits.folds=2", "training.epochs=2"]
    run = Study.load(simulated / "study.yaml", study).run(tmp_path / "run")
    with pytest.raises(InputError, match="snn of .* chose its epoch on the reported fold.* Take --at last, or run"):
        compare_runs([run.folder], at="honest")
    own, best = (_row(compare_runs([run.folder], at=at), "snn") for at in (None, "best_on_test"))
    assert (own["mean"], own["low"]) == (best["mean"], best["low"])
    with pytest.raises(InputError, match="honest, last or best_on_test, not 'lsat'; did you mean 'last'"):
        check_epoch("lsat")
    with pytest.raises(InputError, match="keep the C-index of every epoch, not integrated_brier"):
        compare_runs([run.folder], at="last", metric="integrated_brier")
