"""The real tables: patients, events, sites, slides, folds and joins as they have been counted elsewhere."""

import json
from pathlib import Path

import pandas as pd
import pytest

from prognoscope.cohort.clinical import read_clinical
from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.cohort.cohort import Cohort, make_cohort
from prognoscope.cohort.splits import SplitSpec, account_of_splits, make_splits
from prognoscope.cohort.subtypes import read_subtypes
from prognoscope.core.errors import CohortError
from prognoscope.core.outcome import TimeBins
from tests.cohort.tables import TCGA, events_in, tcga_cohort, tcga_spec

NONE_CHOOSE = {"validation": 0.0}


def pattern(data_pack: Path, cancer: str) -> str:
    return str(data_pack / "tcga" / "splits" / f"tcga_{cancer}" / "splits_{fold}.csv")


@pytest.fixture(scope="module")
def counts(data_pack: Path) -> dict:
    return json.loads((data_pack / "tcga" / "expected_counts.json").read_text())


@pytest.mark.parametrize("name", [*TCGA, "full/ucec"])
def test_patients_events_sites_and_slides_are_those_counted(data_pack, counts, name):
    cohort, expected = tcga_cohort(data_pack, name), counts[name]
    assert len(cohort) == expected["patients"]
    assert cohort.outcome.event.sum() == expected["events"]
    assert len(set(cohort.site.values())) == expected["n_sites_by_barcode"]
    assert all(cohort.site[p] == p[5:7] for p in cohort.patients)
    bags = [len(slides) for slides in cohort.slides.values()]
    assert (sum(bags), max(bags)) == (expected["slides"], expected["max_slides_per_patient"])
    assert sum(bag > 1 for bag in bags) == expected["patients_with_several_slides"]
    assert cohort.covariates["age"].isna().sum() == expected["missing_age_patients"]
    times = pd.Series(cohort.outcome.time)
    low, middle, high = (expected[f"survival_months_{word}"] for word in ("min", "median", "max"))
    assert (times.min(), round(times.median(), 3), times.max()) == (low, middle, high)


@pytest.mark.parametrize("name", TCGA)
def test_published_folds_have_the_patients_and_events_counted(data_pack, counts, name):
    cohort = tcga_cohort(data_pack, name)
    spec = SplitSpec(files=(pattern(data_pack, name.split("/")[1]),), **NONE_CHOOSE)
    splits = make_splits(cohort, spec)
    for split, expected in zip(splits, counts[name]["splits"], strict=True):
        seen = (len(split.train), len(split.test), events_in(cohort, split.test))
        assert seen == (expected["train"], expected["val"], expected["val_events"])
    first = account_of_splits(cohort, splits).to_table().iloc[-6]
    assert (first["step"], first["patients"], first["dropped"]) == ("tested in one of 5 folds", len(cohort), 0)


@pytest.mark.parametrize("name", TCGA)
def test_bins_of_the_whole_table_are_those_counted(data_pack, counts, name):
    outcome, expected = tcga_cohort(data_pack, name).outcome, counts[name]
    bins = TimeBins.fit(outcome.time, outcome.event, closed_ends=True)
    assert bins.edges[1:-1].tolist() == pytest.approx(expected["event_time_quartiles"], abs=1e-9)
    label = pd.Series(bins.label(outcome.time))
    assert label[outcome.event].value_counts().sort_index().tolist() == expected["bins_events"]
    assert label[~outcome.event].value_counts().sort_index().tolist() == expected["bins_censored"]


@pytest.mark.parametrize("name", TCGA)
def test_drawn_folds_are_balanced_and_sites_stay_together_when_asked(data_pack, name):
    cohort = tcga_cohort(data_pack, name)
    drawn = make_splits(cohort, SplitSpec())
    events = [events_in(cohort, split.test) for split in drawn]
    assert max(events) - min(events) <= 1
    grouped = make_splits(cohort, SplitSpec(group="site", **NONE_CHOOSE))
    largest = max(pd.Series(cohort.site).value_counts())
    fair = len(cohort) / 5
    for split in grouped:
        assert not {cohort.site[p] for p in split.train} & {cohort.site[p] for p in split.test}
        assert abs(len(split.test) - fair) <= max(largest - fair, 0.08 * fair)


def test_lung_cancers_are_one_cohort_with_both_published_folds(data_pack):
    tables = tuple(data_pack / "tcga" / "mutsig" / f"tcga_{c}_all_clean.csv.zip" for c in ("luad", "lusc"))
    clinical = read_clinical(tcga_spec(*tables))
    labels = read_subtypes(
        data_pack / "tcga" / "subtypes" / "NSCLC.csv", column="cls_label", patient="Patient ID", time="survival_months"
    )
    cohort = make_cohort("nsclc", clinical, slides=clinical.slides, subtypes=labels)
    assert (len(cohort), cohort.outcome.event.sum()) == (903, 350)
    assert sum(len(bag) for bag in cohort.slides.values()) == 515 + 484
    assert pd.Series(cohort.subtype).value_counts().to_dict() == {"0": 453, "1": 450}
    assert cohort.account.steps[-1].name.startswith("subtypes: 903 patients have them, 0 do not")
    agree = labels.months.loc[list(cohort.patients)].to_numpy() == cohort.outcome.time
    assert agree.all()
    files = tuple(pattern(data_pack, cancer) for cancer in ("luad", "lusc"))
    splits = make_splits(cohort, SplitSpec(files=files, **NONE_CHOOSE))
    assert sorted(p for split in splits for p in split.test) == list(cohort.patients)
    assert [len(split.test) for split in splits] == [181, 181, 181, 180, 180]


def test_breast_cancer_labels_join_with_all_three_counts(data_pack):
    labels = read_subtypes(data_pack / "tcga" / "subtypes" / "BRCA.csv", column="cls_label", time="survival_months")
    clinical = read_clinical(tcga_spec(data_pack / "tcga" / "mutsig" / "tcga_brca_all_clean.csv.zip"))
    cohort = make_cohort("brca", clinical, subtypes=labels)
    assert len(cohort) == 956
    assert pd.Series(cohort.subtype).value_counts().to_dict() == {"1": 708, "0": 151}
    assert cohort.account.steps[-1].name == (
        "subtypes: 859 patients have them, 97 do not (kept so far), 109 are not in the clinical tables"
    )
    assert events_in(cohort, tuple(cohort.subtype)) == 112


def test_the_negative_time_in_the_labels_is_refused_or_accounted_for(data_pack):
    columns = {"patient": "Patient ID", "time": "survival_months", "censored": "censor", "time_unit": "months"}
    table = data_pack / "tcga" / "subtypes" / "BRCA.csv"
    with pytest.raises(CohortError, match=r"BRCA.csv.*TCGA-PL-A8LV in row \d+ \(survival_months -0.23 is negative\)"):
        read_clinical(ClinicalSpec(table=(str(table),), **columns))
    read = read_clinical(ClinicalSpec(table=(str(table),), bad_time="drop", **columns))
    assert len(read.outcome) == 967
    assert make_cohort("brca", read).account.dropped == {
        "TCGA-PL-A8LV": "with usable follow-up: survival_months -0.23 is negative"
    }


@pytest.mark.parametrize(
    ("cancer", "patients", "events"), [("ESCA", 184, 77), ("KICA", 935, 233), ("NSCLC", 1006, 398)]
)
def test_label_tables_are_clinical_tables_too(data_pack, cancer, patients, events):
    columns = {"patient": "Patient ID", "time": "survival_months", "censored": "censor", "time_unit": "months"}
    read = read_clinical(ClinicalSpec((str(data_pack / "tcga" / "subtypes" / f"{cancer}.csv"),), **columns))
    assert (len(read.outcome), read.outcome.event.sum()) == (patients, events)


def test_paired_breast_cancers_have_the_folds_of_their_table(data_pack):
    folder = data_pack / "gpdbn_brca"
    columns = {"time": "survival_months", "time_unit": "months", "censored": "censorship"}
    clinical = read_clinical(ClinicalSpec((str(folder / "clinical.csv"),), **columns))
    cohort: Cohort = make_cohort("gpdbn", clinical)
    assert (len(cohort), cohort.outcome.event.sum()) == (1015, 146)
    splits = make_splits(cohort, SplitSpec(table=str(folder / "folds.csv"), **NONE_CHOOSE))
    assert [split.fold for split in splits] == [0, 1, 2, 3, 4]
    assert [len(split.test) for split in splits] == [204, 203, 203, 203, 202]
    assert [events_in(cohort, split.test) for split in splits] == [30, 29, 29, 29, 29]
