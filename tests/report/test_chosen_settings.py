"""What searches chose, as the page shows it."""

import pandas as pd
import pytest

from prognoscope.report.sections.chosen_settings import search_content, spread
from prognoscope.runs.read import Run
from tests.report.sections import html_of


@pytest.fixture
def searched(run_copy):
    rates, names = ["0.00012345678", "0.001", "2e-05"], ["cosine", "step", "cosine"]
    rows = [
        {"method": "snn", "fold": fold, "setting": setting, "value": values[fold], "loss": 1.25 + fold / 4}
        for fold in range(3)
        for setting, values in (("learning_rate", rates), ("schedule", names), ("epochs", ["20"] * 3))
    ]
    table = pd.DataFrame(rows).assign(trials=30, failed=[2] * 3 + [0] * 3 + [1] * 3)
    table.to_csv(run_copy / "search.csv", index=False)
    return run_copy


def test_the_page_shows_what_each_fold_chose_and_how_far_folds_agree(searched):
    content = search_content(Run(searched))
    ((method, rows),) = content["tables"]
    assert method == "snn"
    assert rows == [
        ("Setting", "Fold 0", "Fold 1", "Fold 2", "Over the folds"),
        ("learning_rate", "0.000123", "0.001", "2e-05", "median 0.000123, 2e-05 to 0.001"),
        ("schedule", "cosine", "step", "cosine", "cosine in 2, step in 1"),
        ("epochs", "20", "20", "20", "all alike"),
        ("Inner loss", "1.250", "1.500", "1.750", "mean 1.500"),
        ("Trials", "30", "30", "30", "90 in all"),
    ]
    assert content["note"] == "Trials that failed: 3 of 60 for snn; search.csv of each fold says why."
    html = html_of(searched, "search")
    assert '<h2 id="search">' in html and "median 0.000123" in html


def test_a_run_without_a_search_has_no_such_section(run_copy):
    assert html_of(run_copy, "search") == ""


def test_lists_are_counted():
    assert spread(["[8]", "[16]", "[8]"]) == "[8] in 2, [16] in 1"
