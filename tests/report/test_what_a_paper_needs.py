"""Table 1, the methods paragraph, the checklist, the model card, and what is said of trainings that did not learn."""

import json

import numpy as np
import pandas as pd
import pytest

from prognoscope.analysis.characteristics import characteristics
from prognoscope.analysis.learning import learning_table
from prognoscope.report.encoder_papers import encoder_citation
from prognoscope.report.learning_words import learning_sentences
from prognoscope.report.number_words import number, p_cell
from prognoscope.report.sections.measures_over_time import said_of_null
from prognoscope.report.sections.model_card import model_card
from prognoscope.report.sections.tripod import ITEMS, NOT_TOLD, tripod_items, tripod_markdown
from prognoscope.runs.read import Run
from tests.report.sections import html_of, text_of


def cell(table, variable, level="", group="all"):
    rows = table[(table["variable"] == variable) & (table["level"] == level) & (table["group"] == group)]
    return rows.iloc[0]


def test_table_one_counts_the_patients_who_were_tested(run):
    table, outcome = characteristics(run), run.held_out
    age = run.covariates["age"].reindex(list(outcome.patients))
    shown = cell(table, "age")
    assert (shown["low"], shown["value"], shown["high"]) == tuple(age.quantile([0.25, 0.5, 0.75]))
    assert cell(table, "age", "not known")["value"] == 1
    sex = run.covariates["is_female"].reindex(list(outcome.patients))
    with_event = sex[outcome.event]
    female = cell(table, "sex", "female", "event")
    assert (female["value"], female["low"]) == ((with_event == 1).sum(), (with_event == 1).mean())
    stages = table[(table["variable"] == "stage") & (table["group"] == "all")]
    assert stages["level"].tolist() == ["I", "II", "III", "not known"] and stages["value"].sum() == len(outcome)
    assert cell(table, "slides")["value"] == run.patients["slides"].sum()
    assert cell(table, "patients", group="event")["value"] == outcome.event.sum()
    assert "61" in text_of(html_of(run, "tableone"))


def test_a_run_of_an_older_version_has_a_shorter_table(run_copy):
    for name in ("patients.csv", "covariates.csv"):
        (run_copy / name).unlink()
    table = characteristics(Run(run_copy))
    assert table["variable"].unique().tolist() == ["patients", "follow-up in months", "survival in months"]
    assert "has no clinical covariates" in html_of(run_copy, "added")
    answers = {item.number: item.answer for item in tripod_items(Run(run_copy))}
    assert answers["14"] == "Nothing was done in training."  # for there are no subgroups
    assert answers["12b"] == "Time bins were fitted to the training patients of the fold."


def test_the_methods_paragraph_says_how_and_whom_to_cite(run):
    text = text_of(html_of(run, "paper"))
    assert "120 patients were studied" in text and "in 5 folds" in text and "4 bins" in text
    assert "percentiles over 20 bootstrap draws of" in text
    assert "mcti: Some et al., A title, 2025" in text and "Harrell, Lee, Mark" in text


def test_paragraph_and_checklist_say_what_the_run_did(run_copy):
    def told():
        answers = {item.number: item.answer for item in tripod_items(Run(run_copy))}
        return text_of(html_of(Run(run_copy), "paper")), answers, model_card(Run(run_copy))

    paper, answers, card = told()
    assert "of the training patients of the fold; a risk is minus the sum of S." in paper
    assert answers["22"].endswith("weights were not kept.") and "; weights were not kept." in card
    for path in run_copy.glob("*/fold_*/model.json"):
        (path.parent / "model.safetensors").touch()
        path.write_text(json.dumps({**json.loads(path.read_text()), "bins": [0.0, 5.0, 10.0, 20.0, 90.0]}))
    for path in run_copy.glob("mcti/fold_*/predictions.csv"):
        table = pd.read_csv(path)
        table.assign(risk=np.log(-np.log(table["S_0"]))).to_csv(path, index=False)
    (run_copy / "provenance.json").write_text((run_copy / "provenance.json").read_text().replace("honest", "paper"))
    splits = pd.read_csv(run_copy / "splits.csv")
    splits[splits["part"] != "validation"].to_csv(run_copy / "splits.csv", index=False)
    paper, answers, card = told()
    assert "events of all patients; a risk is" in paper and "a log hazard ratio (mcti)" in paper
    assert "minus the sum of S (" in paper and answers["12b"].endswith(
        "standardised and gaps filled by each fold's training part. Time bins were fitted to all patients."
    )
    assert answers["12a"].endswith("paper protocol: training, and a held-out part.")
    assert "predict` applies them" in answers["22"] and "weights (safetensors) and a card" in card


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("uni_v1", "uni_v1: Chen et al."),
        ("UNI2-h", "UNI2-h: Chen et al."),
        ("conch_v15", "conch_v15: Ding et al."),
        ("virchow2", "virchow2: Zimmermann et al."),
        ("H-optimus-0", "H-optimus-0: Saillard et al."),
        ("resnet50_trunc", "resnet50_trunc: He, Zhang, Ren, Sun"),
        ("phikon_v2", "phikon_v2: Filiot et al., Phikon-v2"),
        ("stain", ""),
    ],
)
def test_the_encoder_is_cited_by_its_whole_name(name, found):
    cited, left = encoder_citation(name)
    assert cited.startswith(found) and bool(cited) == bool(found) and left == ""


@pytest.mark.parametrize(("name", "sentence"), [("uni_v1_finetuned", "not known here"), (None, "do not tell")])
def test_who_knows_no_paper_of_an_encoder_says_so(name, sentence):
    cited, left = encoder_citation(name)
    assert cited == "" and sentence in left and "cite it yourself" in left


def test_a_paper_of_the_encoder_stands_with_the_papers_of_methods(run_copy):
    for path in run_copy.glob("*/fold_*/model.json"):
        card = json.loads(path.read_text())
        path.write_text(json.dumps({**card, "embeddings": {"encoder": "gigapath"}, "sizes": {"embedding_dim": 1536}}))
    text = text_of(html_of(Run(run_copy), "paper"))
    assert "gigapath: Xu et al., A whole-slide foundation model" in text


def test_the_checklist_has_all_items_and_leaves_to_authors_what_a_run_cannot_know(run):
    items = {item.number: item for item in tripod_items(run)}
    assert len(ITEMS) == len(items) == 52
    assert all(items[number].answer == NOT_TOLD for number in ("3a", "17", "18a", "19", "25"))
    assert "mcti 0." in items["23a"].answer and "2 sites" in items["6a"].answer
    assert "age of 1" not in items["11"].answer  # the fake tells nothing of gaps
    text = tripod_markdown(run)
    assert text.count("\n| ") == 53 and "| 12c | Analytical methods |" in text


def test_the_model_card_tells_performance_patients_and_limits(run):
    text = model_card(run)
    for title in ("Models", "Intended use", "Patients", "Performance on held-out patients", "Limits"):
        assert f"\n## {title}\n" in text
    assert "no evaluation on patients of another cohort" in text and "| Sex: female, n (%) |" in text
    assert "\n\n\n" not in text


def test_checklist_and_card_stand_in_the_page_too(run):
    text = text_of(html_of(run, "reporting"))
    assert "Clinical setting" not in text and "The clinical setting, and why the model is needed" in text
    assert "Intended use" in text and "no evaluation on patients of another cohort" in text


def test_training_that_did_not_learn_is_said_above_all_numbers(run_copy):
    assert not learning_sentences(Run(run_copy))
    for fold in range(3):
        path = run_copy / "snn" / f"fold_{fold}" / "history.csv"
        history = pd.read_csv(path)
        history.assign(train_loss=1.4 + 0.001 * np.sin(history["epoch"])).to_csv(path, index=False)
    table = learning_table(Run(run_copy))
    assert table[~table["learned"]]["method"].tolist() == ["snn"] * 3
    (sentence,) = learning_sentences(Run(run_copy))
    assert sentence.startswith("Training that did not learn: snn in 3 of 3 folds.")
    assert sentence in text_of(html_of(run_copy, "verdict")) and sentence in text_of(html_of(run_copy, "training"))


def test_a_brier_score_above_that_of_who_knows_nothing_is_said():
    rows = [("a", 0.3, 0.01, 0.2), ("b", 0.1, -0.1, 0.2), ("c", -0.1, -0.2, -0.01)]
    told = said_of_null(pd.DataFrame(rows, columns=["method", "difference", "low", "high"]))
    assert "The Brier score of a is above that of Kaplan-Meier and its interval leaves 0 out" in told
    assert "The Brier score of b is above that of Kaplan-Meier, within the interval." in told
    assert told.endswith("Better than Kaplan-Meier, the interval leaving 0 out: c.")


@pytest.mark.parametrize(("value", "text"), [(0.0, "< 0.001"), (0.0004, "< 0.001"), (0.012, "0.012"), (0.5, "0.50")])
def test_no_p_value_is_nought(value, text):
    assert p_cell(value) == text


def test_a_number_that_rounds_to_nought_has_no_minus():
    assert number(-0.2, 0) == "0" and number(-0.0004) == "0.000" and number(-0.0004, sign=True) == "+0.000"
    assert number(-0.002) == "\u22120.002"
