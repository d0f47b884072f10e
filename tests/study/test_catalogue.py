import pytest

from prognoscope.models.recipe import Recipe
from prognoscope.models.registry import card_of, list_models
from prognoscope.study.catalogue import recipe_sentence


@pytest.mark.parametrize("name", list_models())
def test_every_method_says_where_its_default_departs(name):
    assert card_of(name).departures


def test_what_a_recipe_changes_is_said():
    plain = recipe_sentence(Recipe())
    assert plain.startswith("Adam, rate 0.0002, weight decay 1e-05, 20 epochs, 32 patients a step, patients drawn")
    other = recipe_sentence(Recipe(optimizer="sgd", schedule="step", patch_draw=(0.8, 1), l1=3e-4, clip_norm={"": 5}))
    for words in ("SGD", "momentum 0.9", "divided by ten after 20", "80% to 100%", "L1 0.0003", "clipped part by part"):
        assert words in other and words not in plain
