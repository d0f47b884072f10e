"""Times of several columns, statuses of many words, and follow-up that is missing by outcome."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.clinical import parse_clinical
from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.core.errors import CohortError

GDC = {"time": ("days_to_death", "days_to_last_follow_up"), "time_unit": "days", "event": "vital_status"}
GDC |= {"event_values": ("Dead",)}


def gdc_table(n: int = 20) -> pd.DataFrame:
    """The dead in the first half, who have a time of death; the living in the other, who have one of follow-up."""
    dead = [i < n // 2 for i in range(n)]
    return pd.DataFrame(
        {
            "patient_id": [f"P{i}" for i in range(n)],
            "vital_status": ["Dead" if each else "Alive" for each in dead],
            "days_to_death": [str(100 + i) if each else "'--" for i, each in enumerate(dead)],
            "days_to_last_follow_up": ["50" if each else str(500 + i) for i, each in enumerate(dead)],
        }
    )


def read(table: pd.DataFrame, **options):
    return parse_clinical(table, ClinicalSpec(table=("c.tsv",), **(GDC | options)), "c.tsv")


@pytest.mark.parametrize("order", [1, -1])
def test_the_dead_have_their_time_of_death_and_the_living_that_of_last_follow_up(order):
    days = read(gdc_table(), time=GDC["time"][::order]).outcome.time * 30.4375
    np.testing.assert_allclose(days, [100 + i if i < 10 else 500 + i for i in range(20)])


def test_a_follow_up_that_stands_for_a_time_of_death_is_told():
    table = gdc_table()
    table.loc[3, "days_to_death"] = "'--"
    found = read(table)
    assert np.isclose(found.outcome.time[3] * 30.4375, 50)
    assert "1 patients with an event have no days_to_death" in found.warnings[0] and "P3" in found.warnings[0]


def test_a_living_patient_with_a_time_of_death_alone_is_refused():
    table = gdc_table()
    table.loc[15, ["days_to_death", "days_to_last_follow_up"]] = "90", None
    with pytest.raises(CohortError, match=r"P15 in row 17 \(is censored but has days_to_death 90"):
        read(table)


@pytest.mark.parametrize("bad_time", ["refuse", "drop"])
def test_times_that_are_missing_by_outcome_are_never_dropped_and_the_other_column_is_named(bad_time):
    with pytest.raises(CohortError, match=r"time: \[days_to_death, days_to_last_follow_up\]") as caught:
        read(gdc_table(), time="days_to_death", bad_time=bad_time)
    assert "drop" not in str(caught.value)


def test_so_are_those_of_part_of_the_living():
    table = gdc_table(60)
    table.loc[45:59, "days_to_last_follow_up"] = None
    with pytest.raises(CohortError, match="15 of these 15 are censored, of all 60 only 30"):
        read(table, bad_time="drop")


def test_a_status_that_only_those_with_an_event_have_is_not_dropped():
    table = gdc_table()
    table.loc[10:, "vital_status"] = None
    with pytest.raises(CohortError, match="All 10 others have an event.*Fill in vital_status"):
        read(table, bad_time="drop")


def test_a_drop_that_moves_the_event_rate_is_told_with_both_rates():
    table = gdc_table(40)
    table.loc[36:39, "days_to_last_follow_up"] = None
    table.loc[0, "days_to_death"] = "0"
    assert not any("leaving out" in warning for warning in read(table, bad_time="drop").warnings)
    table.loc[34:39, "days_to_last_follow_up"] = "-1"
    warnings = "\n".join(read(table, bad_time="drop").warnings)
    assert "leaving out 7 patients" in warnings and "moves the share of events from 50.0% to 57.6%" in warnings


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["1:DECEASED", "0:LIVING"], {"event_values": None}),
        (["1:DECEASED", "0:LIVING"], {"event_values": ("1:DECEASED",)}),
        (["1:DECEASED", "0:LIVING"], {"event_values": ("Deceased",)}),
        (["2", "1"], {"event_values": ("2.0",)}),
        (["2.0", "1.0"], {"event_values": ("2",)}),
        (["dead ", "ALIVE"], {"event_values": ("Dead",), "censored_values": ("alive",)}),
        (["Dead", "Alive"], {"event_values": None, "censored_values": ("Alive",)}),
    ],
)
def test_statuses_are_understood_however_they_are_written(words, options):
    table = gdc_table().assign(vital_status=[words[0]] * 10 + [words[1]] * 10)
    assert read(table, **options).outcome.event.tolist() == [True] * 10 + [False] * 10


def test_a_third_word_is_met_with_the_words_counts_and_the_setting_that_helps():
    table = gdc_table()
    table.loc[12, "vital_status"] = "Dead of Other Causes"
    with pytest.raises(
        CohortError, match=r"holds Dead \(10\), Alive \(9\).*censored_values: \[Alive, Dead of Other Causes\]"
    ):
        read(table)
    with pytest.raises(CohortError, match="Name it in event_values or in censored_values too"):
        read(table, censored_values=("Alive",))


def test_an_unknown_status_is_named_and_can_be_left_out():
    table = gdc_table()
    table.loc[12, "vital_status"] = "Not Reported"
    with pytest.raises(CohortError, match=r"P12 in row 14 \(no vital_status: Not Reported\).*bad_time: drop"):
        read(table)
    assert read(table, bad_time="drop").dropped == {"P12": "no vital_status: Not Reported"}


def test_a_word_that_means_both_is_refused():
    with pytest.raises(CohortError, match="both name dead"):
        read(gdc_table(), censored_values=("dead",))


def test_times_that_are_hardly_plausible_are_warned_of():
    table = gdc_table().assign(days_to_death=None, days_to_last_follow_up=[str(600 + i) for i in range(20)])
    assert not read(table, event_values=("Dead",), time="days_to_last_follow_up").warnings
    table.loc[3, "days_to_last_follow_up"] = str(36 * 365)
    found = read(table, time="days_to_last_follow_up")
    assert "1 patients were followed for more than" in found.warnings[0] and "P3" in found.warnings[0]
    table.loc[3, "days_to_last_follow_up"] = "40000"
    with pytest.raises(CohortError, match=r"of 1 patients is over 100 years, in days: P3 in row 5 \(40000\)"):
        read(table, time="days_to_last_follow_up")
