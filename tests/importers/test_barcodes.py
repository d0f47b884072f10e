"""Barcodes: whose a sample is, of which tissue, and which of several stands for a patient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prognoscope.core.errors import CohortError
from prognoscope.importers.barcodes import (
    PRIMARY,
    TISSUES,
    Sample,
    as_barcode,
    choose,
    need_tissues,
    sample_in,
    tissue_of,
)

CHARACTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=4, max_size=4)
PERSONS = st.builds(lambda site, person: f"TCGA-{site[:2]}-{person}", CHARACTERS, CHARACTERS)
PARTS = st.builds(
    lambda tissue, vial, rest: f"{tissue}{vial}{rest}",
    st.sampled_from(sorted(TISSUES)),
    st.sampled_from(["", "A", "B", "Z"]),
    st.sampled_from(["", "-11R-A38B-07", "-01-TSA", "-00-DX1"]),
)
SAMPLES = st.builds(lambda person, part: (f"{person}-{part}", person, part[:2]), PERSONS, PARTS)


@given(SAMPLES, st.sampled_from("-._"), st.booleans())
def test_a_barcode_tells_person_and_tissue_however_it_is_written(sample, mark, is_small):
    barcode, person, tissue = sample
    written = barcode.replace("-", mark)
    found = sample_in(written.lower() if is_small else written)
    assert (found.name, found.patient, found.tissue) == (barcode, person, tissue)
    assert sample_in(found.name) == found and as_barcode(as_barcode(written)) == as_barcode(written)


@given(PERSONS)
def test_the_barcode_of_a_person_is_of_no_tissue_and_other_names_are_their_own(person):
    assert sample_in(person) == Sample(person, person)
    assert sample_in(f" P{person} ").patient == f"P{person}"
    assert sample_in(f"{person}-01AB").patient == f"{person}-01AB"  # no barcode


@given(st.lists(SAMPLES, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_each_patient_with_a_wanted_sample_has_one_and_the_order_of_files_decides_nothing(told, random):
    samples = [sample_in(barcode) for barcode, _, _ in told]
    chosen = choose(samples, PRIMARY)
    assert set(chosen.sample_of) == {s.patient for s in samples if s.tissue in PRIMARY}
    assert len(chosen.sample_of) + len(chosen.left) == len(samples)
    random.shuffle(samples)
    assert choose(samples, PRIMARY).sample_of == chosen.sample_of


@given(PERSONS, PARTS, PARTS)
def test_the_preferred_tissue_counts_then_the_first_by_barcode(person, one, other):
    samples = [sample_in(f"{person}-{part}") for part in dict.fromkeys((one, other))]
    wanted = ("06", "01")
    best = sorted((s for s in samples if s.tissue in wanted), key=lambda s: (wanted.index(s.tissue), s.name))
    assert choose(samples, wanted).sample_of == ({person: best[0]} if best else {})


def test_samples_of_target_and_of_sheets_are_known_and_words_are_codes():
    assert sample_in("TARGET-20-PAEFGT-03A") == Sample("TARGET-20-PAEFGT-03A", "TARGET-20-PAEFGT", "03")
    known = {"C3L-00001-03": Sample("C3L-00001-03", "C3L-00001", "01")}
    assert sample_in("C3L-00001-03", known).patient == "C3L-00001"
    words = "Primary Tumor", "Metastasis", "strange", None
    assert [tissue_of(word) for word in words] == ["01", "06", "", ""]
    more = "Lymphoid Normal", "Local Recurrence", "Distant organ metastasis"  # of the GDC, of MSK, of GENIE
    assert [tissue_of(word) for word in more] == ["11", "02", "06"]
    others = "Cell Lines", "Xenograft Tissue", "Cell Line Derived Xenograft Tissue"
    assert [tissue_of(word) for word in others] == ["50", "60", "61"]
    assert {tissue_of(word) for word in ("Normal Tissue", "Normal Adjacent Tissue", "Tissue, normal")} == {"11"}
    need_tissues([sample_in("TARGET-20-PAEFGT-04A").tissue, "40"])  # relapses of TARGET


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("Non-metastatic primary", ""),
        ("Primary Tumor (no recurrence)", ""),
        ("Not recurrent", ""),
        ("No evidence of metastasis", ""),
        ("Abnormal tissue", ""),
        ("Not metastatic, local recurrence", "02"),
    ],
)
def test_what_words_deny_is_no_tissue(word, code):
    assert tissue_of(word) == code


def test_a_code_that_is_none_is_refused():
    with pytest.raises(CohortError, match=r"There is no sample type '1'; known: 01 \(primary tumour\)"):
        need_tissues(["1"])
