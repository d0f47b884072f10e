"""What is said of maps, from measures that are known."""

from types import SimpleNamespace

import pandas as pd
import pytest

from prognoscope.analysis.faithfulness_table import faithfulness_table, judgement


def measured(**values):
    return pd.DataFrame(
        [("attention", name, value) for name, value in values.items()], columns=["map", "measure", "value"]
    )


GOOD = {"deletion_area": 0.3, "random_deletion_area": 0.1, "randomisation_correlation": -0.05, "fold_stability": 0.9}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            "Faithful by deletion: without its highest patches the log risk moves by 0.300, without random ones by 0.1",
        ),
        (
            {"deletion_area": 0.1},
            "Not faithful: without its highest patches the log risk moves by 0.100, without random",
        ),
        ({"randomisation_correlation": -0.05}, "Shuffled weights give another map (r = -0.05)."),
        ({"randomisation_correlation": 0.8}, "It hangs little on what was learned: shuffled weights give the same map"),
        ({"fold_stability": 0.4}, "Other folds' models agree by r = 0.40."),
    ],
)
def test_a_map_is_judged_in_sentences(changed, said):
    assert said in judgement(measured(**{**GOOD, **changed}), "attention")


def test_a_map_that_was_not_measured_is_not_judged():
    assert judgement(measured(**GOOD), "gradient") == ""


def test_measures_are_averaged_over_patients_by_method_and_map():
    kept = [
        SimpleNamespace(
            about=SimpleNamespace(method="abmil", patient=patient), faithfulness=measured(**{**GOOD, **own})
        )
        for patient, own in (("a", {}), ("b", {"deletion_area": 0.5, "auroc_tumour": 0.7}))
    ]
    (row,) = faithfulness_table(kept).to_dict("records")
    assert (row["method"], row["map"], row["patients"]) == ("abmil", "attention", 2)
    assert (row["deletion"], row["random deletion"], row["AUROC tumour"]) == pytest.approx((0.4, 0.1, 0.7))
    assert "AUROC genes" not in row and "insertion" not in row
    empty = [SimpleNamespace(about=kept[0].about, faithfulness=pd.DataFrame())]
    assert faithfulness_table(empty).empty
