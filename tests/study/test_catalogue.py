from pathlib import Path

import pytest

from prognoscope.models.base import Recipe
from prognoscope.models.registry import list_models, model_class
from prognoscope.study.catalogue import methods_page, recipe_sentence

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods.md"


def test_the_page_of_methods_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == methods_page(), (
        "write it with `prognoscope methods --out docs/methods.md`"
    )


@pytest.mark.parametrize("name", list_models())
def test_every_method_says_where_its_default_departs(name):
    assert model_class(name).departures


def test_what_a_recipe_changes_is_said():
    plain = recipe_sentence(Recipe())
    assert plain.startswith("Adam, rate 0.0002, weight decay 1e-05, 20 epochs, 32 patients a step, patients drawn")
    other = recipe_sentence(Recipe(optimizer="sgd", schedule="step", patch_draw=(0.8, 1), l1=3e-4, clip_norm={"": 5}))
    for words in ("SGD", "momentum 0.9", "divided by ten after 20", "80% to 100%", "L1 0.0003", "clipped part by part"):
        assert words in other and words not in plain
