"""What searches chose, as the page shows it."""

import pandas as pd
import pytest

from prognoscope.report.page import write_report
from prognoscope.report.run_folder import read_run_folder
from prognoscope.report.search import search_content, spread


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
    content = search_content(read_run_folder(searched))
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
    page = write_report(searched).read_text()
    assert 'href="#search"' in page and '<h2 id="search">' in page and "median 0.000123" in page


def test_a_run_without_a_search_has_no_such_section(run_copy):
    assert 'id="search"' not in write_report(run_copy).read_text()


def test_lists_are_counted():
    assert spread(["[8]", "[16]", "[8]"]) == "[8] in 2, [16] in 1"
