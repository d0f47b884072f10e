"""The cohort and the account of who was left out."""

import numpy as np
import pandas as pd
import pytest

from prognoscope.cohort.account import Account
from prognoscope.cohort.clinical import parse_clinical
from prognoscope.cohort.clinical_spec import ClinicalSpec
from prognoscope.cohort.cohort import Cohort, make_cohort
from prognoscope.cohort.slides import assign_slides
from prognoscope.cohort.splits import SplitSpec, make_splits
from prognoscope.cohort.subtypes import parse_subtypes
from prognoscope.core.errors import CohortError
from prognoscope.core.outcome import Outcome
from prognoscope.omics.tables import OmicsTable
from tests.cohort.tables import MONTHS, clinical_table, tiny_cohort

SPEC_WITHOUT = ClinicalSpec(table=("clinical.csv",), event="event", **MONTHS)
SPEC = ClinicalSpec(table=("clinical.csv",), event="event", covariates=("age",), bad_time="drop", **MONTHS)
CLINICAL = parse_clinical(
    clinical_table(
        patient_id=["P4", "P2", "P3", "P1", "P5"],
        time_months=[12.5, 30.0, -1.0, 61.0, 8.0],
        event=[1, 0, 1, 0, 1],
        age=[60, None, 50, 70, 44],
    ),
    SPEC,
    "/somewhere/clinical.csv",
)


def genes(*patients: str) -> OmicsTable:
    values = pd.DataFrame({"TP53_rnaseq": np.arange(len(patients), dtype=np.float32)}, index=list(patients))
    return OmicsTable(values, ())


def test_patients_are_sorted_and_the_account_begins_with_everybody():
    cohort = make_cohort("c", CLINICAL)
    assert cohort.patients == ("P1", "P2", "P4", "P5")
    assert cohort.outcome.time.tolist() == [61, 30, 12.5, 8]
    table = cohort.account.to_table()
    assert table.columns.tolist() == ["step", "patients", "events", "dropped", "who"]
    assert table.to_dict("records") == [
        {"step": "in clinical.csv", "patients": 5, "events": 3, "dropped": 0, "who": ""},
        {
            "step": "with usable follow-up",
            "patients": 4,
            "events": 2,
            "dropped": 1,
            "who": "P3 (time_months -1 is negative)",
        },
    ]


def test_nobody_is_dropped_for_what_nobody_needs_and_each_need_is_a_step():
    slides = assign_slides(["P1-a", "P4-a", "P4-b", "P9-a", "P5-a"], CLINICAL.outcome.patients)
    cohort = make_cohort("c", CLINICAL, slides=slides, omics=genes("P4", "P2", "P5", "P7"))
    assert len(cohort) == 4
    assert cohort.slides == {"P1": ("P1-a",), "P4": ("P4-a", "P4-b"), "P5": ("P5-a",)}
    both = cohort.needing({"bag", "omics"})
    assert both.patients == ("P4", "P5")
    table = both.account.to_table()
    assert table["step"].tolist()[2:] == [
        "4 slides of 3 patients",
        "genes: 3 patients have them, 1 do not (kept so far), 1 are not in the clinical tables",
        "with slides",
        "with genes",
    ]
    assert table["dropped"].tolist()[2:] == [0, 0, 1, 1]
    assert table["who"].tolist()[2:] == ["", "", "P2", "P1"]
    assert "1 slide of no patient of the cohort: P9-a." in both.account.notes
    assert set(both.account.dropped) == {"P1", "P2", "P3"}


def test_every_patient_is_left_or_accounted_for():
    cohort = make_cohort("c", CLINICAL, omics=genes("P4", "P5")).needing({"omics", "clinical"})
    steps = cohort.account.steps
    assert steps[0].patients == len(cohort) + sum(len(step.dropped) for step in steps)


def test_a_patient_without_any_covariate_lacks_them():
    assert make_cohort("c", CLINICAL).needing({"clinical"}).patients == ("P1", "P4", "P5")


def test_subtypes_are_joined_with_all_three_counts_and_may_be_unknown():
    labels = pd.DataFrame({"Patient ID": ["P1", "P4", "P8", "P9", "P5"], "cls_label": [0, 1, 1, 0, None]})
    subtypes = parse_subtypes(labels, "subtypes.csv", "cls_label")
    cohort = make_cohort("c", CLINICAL, subtypes=subtypes)
    assert cohort.subtype == {"P1": "0", "P4": "1"}
    assert len(cohort) == 4
    assert cohort.account.to_table()["step"].iloc[-1] == (
        "subtypes: 2 patients have them, 2 do not (kept so far), 2 are not in the clinical tables"
    )
    assert cohort.account.notes[-1] == "subtypes.csv leaves the cls_label of 1 patients open: P5."


def test_other_times_in_the_subtype_table_are_told():
    labels = pd.DataFrame({"patient_id": ["P1", "P4", "P5"], "kind": list("aba"), "t": [61.0, 12.5, 9.0]})
    cohort = make_cohort("c", CLINICAL, subtypes=parse_subtypes(labels, "/x/subtypes.csv", "kind", time="t"))
    assert cohort.account.notes[-1] == (
        "1 of 3 patients have another time in subtypes.csv: P5. The clinical table's is used."
    )


def test_subtype_tables_are_checked():
    labels = pd.DataFrame({"patient_id": ["P1", "P1"], "kind": ["a", "b"]})
    with pytest.raises(CohortError, match="different values of 'kind' in the rows of 1 patients"):
        parse_subtypes(labels, "subtypes.csv", "kind")
    with pytest.raises(CohortError, match="has no column 'kid'"):
        parse_subtypes(labels, "subtypes.csv", "kid")
    with pytest.raises(CohortError, match="has no value in 'kind'"):
        parse_subtypes(pd.DataFrame({"patient_id": ["P1"], "kind": [None]}), "subtypes.csv", "kind")


def test_needing_what_nobody_has_shows_the_ids_of_both_sides():
    cohort = make_cohort("c", CLINICAL, omics=genes("p-1", "p-2", "p-3"))
    with pytest.raises(CohortError, match=r"None of the 4 patients of c has genes.*outcomes have P1, P2 and 2 more"):
        cohort.needing({"omics"})
    with pytest.raises(CohortError, match=r"has slides. Give cohort.slides or features in the study file"):
        cohort.needing({"bag"})
    with pytest.raises(CohortError, match="A patient cannot have 'bags'; did you mean 'bag'"):
        cohort.needing({"bags"})


def test_leaving_out_everybody_is_refused_and_all_events_when_folds_are_made():
    cohort = make_cohort("c", CLINICAL)
    with pytest.raises(CohortError, match=r"After the step 'with patches', none of the 4 patients of c is left"):
        cohort.without(dict.fromkeys(cohort.patients, "empty"), "with patches")
    left = cohort.without({"P4": "", "P5": "no tissue"}, "with patches")
    with pytest.raises(CohortError, match="None of the 2 patients of c with patches has an event"):
        make_splits(left, SplitSpec(folds=2))


def test_taking_keeps_the_order_asked_for_and_refuses_strangers():
    cohort = tiny_cohort(5, event_rate=1.0)
    assert cohort.take(["P003", "P001"]).patients == ("P003", "P001")
    with pytest.raises(CohortError, match="1 patients are not in the cohort tiny: X"):
        cohort.take(["P003", "X"])


def test_a_patient_is_in_a_cohort_once():
    with pytest.raises(CohortError, match="1 patients are in the cohort twice: A"):
        Cohort("c", Outcome(("A", "A"), np.array([1.0, 2.0]), np.array([True, True])))


def test_an_empty_account_has_the_columns_of_a_full_one():
    assert Account().to_table().columns.tolist() == ["step", "patients", "events", "dropped", "who"]


def genes_of(*ids: str) -> OmicsTable:
    values = pd.DataFrame({"TP53": np.arange(len(ids), dtype=np.float32)}, index=pd.Index(ids, name="patient"))
    return OmicsTable(values, (), "genes.csv")


def test_genes_whose_ids_are_written_otherwise_are_given_to_their_patients_with_a_counted_warning():
    table = parse_clinical(clinical_table(patient_id=["TCGA-AA-0001", "b.1", "M\u00fc", "4"]), SPEC_WITHOUT, "c.csv")
    cohort = make_cohort("x", table, omics=genes_of("TCGA-AA-0001-01A", "TCGA-AA-0001-11A", "B-1", "Mu\u0308", "004"))
    assert list(cohort.omics.values.index) == ["TCGA-AA-0001", "b.1", "M\u00fc", "004"]
    assert cohort.omics.values["TP53"].tolist() == [0, 2, 3, 4]
    warnings = "\n".join(cohort.account.warnings)
    assert "1 ids are barcodes of normal tissue" in warnings and "2 ids match only after" in warnings


def test_a_table_of_nobody_here_is_told_with_the_ids_of_both_sides():
    cohort = make_cohort("c", CLINICAL, omics=genes("X1", "X2"))
    said = "The genes are of none of the 4 patients: the outcomes have P1, P2 and 2 more, the genes X1, X2. "
    assert any(each.startswith(said) for each in cohort.account.warnings)
    some = make_cohort("c", CLINICAL, omics=genes("X1", "P2"))
    assert not any("of none of the" in each for each in some.account.warnings)


def test_two_tumours_of_one_patient_are_refused():
    table = parse_clinical(clinical_table(patient_id=["TCGA-AA-0001", "b", "c", "d"]), SPEC_WITHOUT, "c.csv")
    with pytest.raises(CohortError, match=r"genes.csv has several ids of 1 patients: TCGA-AA-0001 \(.*-01A, .*-06A\)"):
        make_cohort("x", table, omics=genes_of("TCGA-AA-0001-01A", "TCGA-AA-0001-06A"))


def test_slides_of_normal_tissue_are_left_out_beside_those_of_tumours():
    table = parse_clinical(clinical_table(patient_id=["TCGA-AA-0001", "b", "c", "d"]), SPEC_WITHOUT, "c.csv")
    slides = {"TCGA-AA-0001": ("TCGA-AA-0001-01Z-00-DX1", "TCGA-AA-0001-11A-01-TS1")}
    cohort = make_cohort("x", table, slides=slides)
    assert cohort.slides == {"TCGA-AA-0001": ("TCGA-AA-0001-01Z-00-DX1",)}
    assert "1 slides are of normal tissue" in cohort.account.warnings[0]
