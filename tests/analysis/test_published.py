"""Published values are those of the papers, and are found by the name of a cohort."""

import pytest

from prognoscope.analysis.published import known_cohort, published_of, published_values
from prognoscope.core.errors import InputError
from prognoscope.models.registry import card_of

PRINTED = {  # method, cohort, source -> mean, SD, whether it chose on the reported fold
    ("ghanet", "UCEC", "G-HANet"): (0.729, 0.050, True),
    ("kd: clam_sb, response", "BLCA", "G-HANet"): (0.567, 0.026, True),
    ("cmta", "BRCA", "CMTA and CCL"): (0.6679, 0.0434, True),
    ("ccl", "GBMLGG", "CCL"): (0.8614, 0.0149, True),
    ("mcti", "KICA", "MCTI"): (0.723, 0.046, False),
    ("dsmil", "ESCA", "MCTI"): (0.594, 0.007, False),
    ("mcat", "BRCA", "MCAT's authors, result files"): (0.580, 0.069, False),
    ("gpdbn", "GPDBN_BRCA", "GPDBN's authors, predictions"): (0.706, 0.036, False),
}


@pytest.mark.parametrize("which", PRINTED, ids=str)
def test_published_values_are_those_of_the_papers(which):
    table = published_values()
    table = table[(table["table"] == "methods") & (table["metric"] == "c_index")]
    table = table.set_index(["method", "cohort", "source"])
    row = table.loc[which]
    assert (row["mean"], row["sd"], row["optimistic"]) == PRINTED[which]
    assert ("reported fold" in row["protocol"]) == row["optimistic"]


def test_published_means_over_cohorts_are_those_that_ccl_prints():
    printed = {"snn": 0.6821, "survpath": 0.6909, "mcat": 0.6920, "ccl": 0.7260, "cmta": 0.7192, "m3if": 0.6753}
    table = published_values()
    table = table[(table["table"] == "methods") & (table["metric"] == "c_index")]
    for method, mean in printed.items():
        rows = table[(table["method"] == method) & table["source"].str.contains("CCL")]
        assert len(rows) == 5 and rows["mean"].mean() == pytest.approx(mean, abs=6e-5)


def test_published_values_name_each_method_cohort_and_source_once():
    table = published_values()
    assert not table.duplicated(["table", "metric", "method", "row", "cohort", "source"]).any()
    c_index = table[table["metric"] == "c_index"]
    assert c_index["mean"].between(0.45, 0.9).all() and table["sd"].dropna().between(0, 0.15).all()
    assert table.loc[table["metric"] == "log_rank_p", "mean"].between(0, 0.1).all()
    assert (table["row"] == "").equals(table["table"] == "methods")


@pytest.mark.parametrize("name", ["ccl", "cmta", "ghanet", "mcti"])
def test_rows_of_published_tables_are_called_as_the_cards_call_them(name):
    card, table = card_of(name), published_values()
    rows = {part: set(of["row"]) for part, of in table[table["method"] == name].groupby("table")}
    ours = {ablation.row for ablation in card.ablations if not ablation.row.endswith("(ours)")} | {card.whole_row}
    assert rows["ablations"] == ours
    in_a_table = {row for sweep in card.sweeps for row in sweep.rows if sweep.where.startswith("Table")}
    assert rows.get("sweeps", set()) == in_a_table


def test_published_means_of_sweeps_and_ablations_are_those_that_the_papers_print():
    printed = {
        "k = 4": 0.7089,
        "tau = 0.3": 0.7249,
        "b = 5": 0.7179,
        "r = 6": 0.7211,
        "cca": 0.7107,
        "baseline": 0.7013,
    }
    table = published_values()
    for row, mean in printed.items():
        assert table.loc[table["row"] == row, "mean"].mean() == pytest.approx(mean, abs=6e-5)
    ghanet = {"k = 10 %": 0.679, "k = 15 %": 0.684, "k = 30 %": 0.685, "k = 35 %": 0.684}
    for row, mean in ghanet.items():
        assert table.loc[table["row"] == row, "mean"].mean() == pytest.approx(mean, abs=6e-4)


def test_a_cohort_is_known_by_the_name_of_its_study():
    names = {"TCGA_LUAD": "LUAD", "blca": "BLCA", "gpdbn_brca": "GPDBN_BRCA", "luad-brca": None, "simulated": None}
    assert {name: known_cohort(name) for name in names} == names
    assert set(published_of(["simulated"], "kica")["simulated"]["cohort"]) == {"KICA"}
    with pytest.raises(InputError, match="is for runs of one cohort, but these are of 2: blca, luad"):
        published_of(["blca", "luad"], "BLCA")
