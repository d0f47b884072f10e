"""Published values are those of the papers, and are found by the name of a cohort."""

import pytest

from prognoscope.analysis.published import known_cohort, published_of, published_values
from prognoscope.core.errors import InputError

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
    table = published_values().set_index(["method", "cohort", "source"])
    row = table.loc[which]
    assert (row["mean"], row["sd"], row["optimistic"]) == PRINTED[which]
    assert ("reported fold" in row["protocol"]) == row["optimistic"]


def test_published_means_over_cohorts_are_those_that_ccl_prints():
    printed = {"snn": 0.6821, "survpath": 0.6909, "mcat": 0.6920, "ccl": 0.7260, "cmta": 0.7192, "m3if": 0.6753}
    table = published_values()
    for method, mean in printed.items():
        rows = table[(table["method"] == method) & table["source"].str.contains("CCL")]
        assert len(rows) == 5 and rows["mean"].mean() == pytest.approx(mean, abs=6e-5)


def test_published_values_name_each_method_cohort_and_source_once():
    table = published_values()
    assert not table.duplicated(["method", "cohort", "source"]).any()
    assert table["mean"].between(0.45, 0.9).all() and table["sd"].between(0, 0.15).all()


def test_a_cohort_is_known_by_the_name_of_its_study():
    names = {"TCGA_LUAD": "LUAD", "blca": "BLCA", "gpdbn_brca": "GPDBN_BRCA", "luad-brca": None, "simulated": None}
    assert {name: known_cohort(name) for name in names} == names
    assert set(published_of(["simulated"], "kica")["simulated"]["cohort"]) == {"KICA"}
    with pytest.raises(InputError, match="is for runs of one cohort, but these are of 2: blca, luad"):
        published_of(["blca", "luad"], "BLCA")
