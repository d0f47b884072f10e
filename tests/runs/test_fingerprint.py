"""A fingerprint names what differs between two, patient by patient where it can."""

from prognoscope.runs.fingerprint import Fingerprint, sum_of

THEN = Fingerprint(
    {
        "outcomes": {"a": "1", "b": "2"},
        "genes": {"a": "3", "b": "4"},
        "recipe": sum_of({"epochs": 3}),
        "encoder": "stain",
    }
)


def test_equal_ones_have_no_differences_in_full_or_in_brief():
    assert THEN.differences(THEN) == THEN.brief.differences(THEN) == THEN.differences(THEN.brief) == []


def test_a_difference_is_named_with_its_patients_or_its_words():
    assert THEN.with_parts({"genes": {"a": "3", "b": "9"}}).differences(THEN) == ["the genes of 1 patient (b)"]
    assert THEN.with_parts({"encoder": "uni"}).differences(THEN) == ["the encoder (stain then, uni now)"]
    assert THEN.with_parts({"recipe": sum_of({})}).differences(THEN) == ["the recipe"]


def test_patients_who_came_or_went_are_named_once():
    now = Fingerprint(
        {name: {"b": part["b"], "c": "7"} for name, part in THEN.parts.items() if name in ("outcomes", "genes")}
    )
    assert now.differences(THEN) == ["1 patient came in (c)", "1 patient gone (a)"]


def test_a_part_that_only_one_has_is_no_difference():
    assert THEN.with_parts({"subtypes": {"a": "x"}}).differences(THEN) == []
    assert THEN.only({"genes"}).differences(THEN) == []


def test_a_brief_one_is_told_in_detail_where_the_detail_is_of_the_same_content():
    other = THEN.with_parts({"genes": {"a": "0", "b": "0"}})
    assert THEN.brief.detailed(other).parts["genes"] == THEN.brief.parts["genes"]
    assert THEN.brief.detailed(other).parts["outcomes"] == THEN.parts["outcomes"]
