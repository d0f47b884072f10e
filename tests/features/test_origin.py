"""By whom embeddings were made: contradictions in a cohort are named with both sides, what nobody says is unknown."""

from dataclasses import asdict

import pytest

from prognoscope.core.errors import FeatureError
from prognoscope.features.origin import Origin, common_origin

UNI, BLANK = Origin("uni_v1", "ab" * 8, 0.5, 256), Origin()


def test_what_some_say_and_nobody_denies_is_known():
    assert common_origin({"a": BLANK, "b": UNI}) == UNI
    assert common_origin({"a": BLANK}) == common_origin({}) == BLANK
    assert Origin.told(asdict(UNI)) == UNI and Origin.told({}) == BLANK


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Origin("hoptimus0"), r"2 slides by the encoder uni_v1 \(a, b\); 1 slide by the encoder hoptimus0 \(c\)"),
        (Origin(None, "cd" * 8), r"2 slides by the weights .* \(a, b\); 1 slide by the weights cdcd.* \(c\)"),
        (Origin(None, None, 1.0), r"2 slides at 0.5 um per pixel \(a, b\); 1 slide at 1.0 um per pixel \(c\)"),
        (Origin(None, None, None, 512), r"2 slides with patches of 256 px \(a, b\); 1 slide with patches of 512 px"),
    ],
)
def test_a_mixture_is_refused_by_both_sides_and_contradicts_a_model(other, named):
    with pytest.raises(FeatureError, match=named):
        common_origin({"a": UNI, "b": UNI, "c": other})
    assert UNI.contradicts(other) and other.contradicts(UNI)


def test_scanners_of_one_magnification_are_one_resolution():
    near = {f"s{i}": Origin("uni_v1", None, um) for i, um in enumerate((0.4539, 0.5, 0.5054))}
    assert common_origin(near).encoder == "uni_v1"
    assert not UNI.contradicts(Origin("uni_v1", None, 0.4539, 256)) and not UNI.contradicts(BLANK)


def test_it_is_told_in_words():
    assert str(UNI) == "uni_v1 with weights abababab, patches of 256 px at 0.5 um per pixel"
    assert str(BLANK) == "unknown encoder"
