"""What is said of maps, from measures that are known."""

import pandas as pd
import pytest

from prognoscope.analysis.faithfulness_table import faithfulness_table, judgement
from prognoscope.runs.explanations import About, KeptExplanation, keep
from prognoscope.runs.fingerprint import Fingerprint
from prognoscope.runs.layout import RunFiles


def measured(**values):
    rows = [("attention", name, value) for name, value in values.items()]
    return pd.DataFrame(rows, columns=["map", "measure", "value"])


GOOD = {"deletion_area": 0.3, "random_deletion_area": 0.1, "randomisation_correlation": -0.05, "fold_stability": 0.9}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            "Faithful by deletion: without its top patches the log risk moves by 0.300, without random ones by 0.100.",
        ),
        (
            {"deletion_area": 0.1},
            "Not faithful: without its top patches the log risk moves by 0.100, without random ones by 0.100.",
        ),
        ({"randomisation_correlation": -0.05}, "Shuffled weights give another map (r = -0.05)."),
        ({"randomisation_correlation": 0.8}, "It hangs little on what was learned: shuffled weights give a like map"),
        ({"fold_stability": 0.4}, "Other folds' models agree by r = 0.40."),
    ],
)
def test_a_map_is_judged_in_sentences(changed, said):
    assert said in judgement(measured(**{**GOOD, **changed}), "attention")


def test_a_map_that_was_not_measured_is_not_judged():
    assert judgement(measured(**GOOD), "gradient") == ""


def test_measures_are_averaged_over_patients_by_method_and_map(tmp_path):
    kept = []
    for patient, own in (("a", {}), ("b", {"deletion_area": 0.5, "auroc_tumour": 0.7}), ("c", None)):
        files = RunFiles(tmp_path).explanation("abmil", patient)
        tables = {} if own is None else {"faithfulness": measured(**{**GOOD, **own})}
        keep(files, About(patient, "abmil", (0,), 1.0), tables, [], Fingerprint({}))
        kept.append(KeptExplanation(files))
    (row,) = faithfulness_table(kept).to_dict("records")
    assert (row["method"], row["map"], row["patients"]) == ("abmil", "attention", 2)
    assert (row["deletion"], row["random deletion"], row["AUROC tumour"]) == pytest.approx((0.4, 0.1, 0.7))
    assert "AUROC genes" not in row and "insertion" not in row
    assert faithfulness_table(kept[2:]).empty
