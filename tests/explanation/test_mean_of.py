"""Several models' explanations of one patient, together."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.explanation.explanation import Explanation, PatchScores, mean_of


def of_fold(fold, attention, *, others=(), shapley=0.0, note=""):
    maps = [PatchScores(name, np.array([fold, fold], float), "", "", "model") for name in others]
    maps.append(PatchScores("attention", np.array(attention, float), "Looks.", "share", "model"))
    groups = pd.DataFrame({"group": ["B", "A"], "left_out": [shapley, 2 * shapley]})
    modalities = pd.DataFrame({"modality": ["slides"], "shapley": [shapley], "without": [0.0]})
    faithfulness = pd.DataFrame([("attention", "deletion_area", shapley)], columns=["map", "measure", "value"])
    return Explanation(
        "p", "abmil", (fold,), float(fold), tuple(maps), groups, pd.DataFrame(), modalities, faithfulness, {}, (note,)
    )


def test_values_are_averaged_and_what_not_all_tell_is_left_out():
    together = mean_of((of_fold(0, [1, 3], others=["x"], shapley=1.0, note="a"), of_fold(4, [3, 5], shapley=3.0)))
    assert together.folds == (0, 4) and together.log_risk == 2.0
    (attention,) = together.maps
    assert attention.values.tolist() == [2.0, 4.0] and attention.meaning == "Looks."
    assert together.gene_groups.to_dict("list") == {"group": ["B", "A"], "left_out": [2.0, 4.0]}
    assert together.modalities["shapley"].tolist() == [2.0]
    assert together.faithfulness.to_dict("records") == [{"map": "attention", "measure": "deletion_area", "value": 2.0}]
    assert together.notes == ("a", "") and together.genes.empty


def test_one_alone_is_what_it_was():
    alone = of_fold(1, [1, 2])
    assert mean_of((alone,)) is alone


def test_nobody_has_no_mean():
    with pytest.raises(ValueError, match="not enough values"):
        mean_of(())
