"""The card of a model: what is written is read, older ones too, and whatever is none is refused in a sentence."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import InputError, MissingFileError
from prognoscope.core.outcome import TimeBins
from prognoscope.runs.card import VERSION, ModelCard, edges_of, read_card, write_card

CARD = ModelCard("snn", "snn-2", {"widths": [4]}, {"n_bins": 3}, 1, (None, 6.5, 12.25, None), {"subtypes": []})


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = replace(
        CARD, recipe={"epochs": 3}, choose="last", chosen_epoch=2, protocol="honest", teacher={"name": "mcat"}
    )
    write_card(tmp_path / "model.json", card)
    assert read_card(tmp_path / "model.json") == card
    assert json.loads((tmp_path / "model.json").read_text())["version"] == VERSION


@given(st.lists(st.floats(0.1, 500), min_size=0, max_size=6, unique=True), st.booleans())
def test_time_bins_survive_the_card(inner, is_closed):
    ends = (0.0, 600.0) if is_closed else (-np.inf, np.inf)
    bins = TimeBins(np.array([ends[0], *sorted(inner), ends[1]]))
    edges = json.loads(json.dumps(edges_of(bins)))
    assert replace(CARD, bins=tuple(edges)).time_bins.edges.tolist() == bins.edges.tolist()


def test_one_bin_is_enough(tmp_path):
    write_card(tmp_path / "model.json", replace(CARD, bins=(None, None)))
    assert read_card(tmp_path / "model.json").time_bins.edges.tolist() == [-np.inf, np.inf]


def test_a_card_from_before_there_were_versions_is_read(tmp_path):
    path = tmp_path / "model.json"
    write_card(path, CARD)
    old = {name: value for name, value in json.loads(path.read_text()).items() if value is not None}
    del old["version"]
    path.write_text(json.dumps(old | {"something": "that nobody asks for any more"}))
    assert read_card(path) == CARD


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda card: card | {"version": 99}, "is a card of version 99, this program reads up to 2. Update it"),
        (lambda card: card | {"version": VERSION + 1}, f"is a card of version {VERSION + 1}"),
        (lambda card: card | {"version": 0}, "is a card of version 0"),
        (lambda card: card | {"bins": [1.0]}, "tells no time bins. Remove its folder and run the study again"),
        (lambda card: card | {"bins": [None, "x", None]}, "tells no time bins"),
        (lambda card: [card], "is not the card of a model"),
        (lambda card: card | {"options": [1]}, "tells no usable 'options'. Remove its folder"),
        (lambda card: card | {"name": {}}, "tells no usable 'name'"),
        (lambda card: card | {"fold": "x"}, "tells no usable 'fold'"),
        (lambda card: card | {"sizes": None}, "tells no sizes of its model"),
        (lambda card: {"name": "snn"}, "tells no options, sizes, fold, bins, preparation of its model"),
    ],
)
def test_what_is_no_card_is_refused_in_a_sentence(spoil, sentence, tmp_path):
    path = tmp_path / "model.json"
    write_card(path, CARD)
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=sentence):
        read_card(path)
    with pytest.raises(MissingFileError, match="The model card .* does not exist"):
        read_card(tmp_path / "none.json")
