"""Names of files for whatever somebody is called."""

from hypothesis import example, given
from hypothesis import strategies as st

from prognoscope.core.file_names import safe_name


@given(text=st.text(min_size=1, max_size=300))
@example("../../etc/passwd")
@example("..")
@example("<script>alert(1)</script>")
@example("=cmd()")
@example("con.txt")
@example(".hidden")
@example("a/b")
def test_a_name_stays_in_its_folder_is_seen_and_is_taken_by_any_disk(text):
    name = safe_name(text)
    assert name.isascii() and 0 < len(name.encode()) <= 120
    assert not set(name) & set('/\\:*?"<>|\0\n ') and name[0] not in ".-_~" and name[-1] not in ". "
    assert name.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1"}


@given(one=st.text(min_size=1), other=st.text(min_size=1))
@example("a/b", "a_b")
@example("a/b", "a\\b")
def test_other_texts_have_other_names(one, other):
    assert (one == other) == (safe_name(one) == safe_name(other))


@given(text=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,40}[A-Za-z0-9])?", fullmatch=True))
@example("TCGA-A1-A0SB")
@example("P001.HE_2")
def test_a_plain_name_is_kept(text):
    kept = safe_name(text)
    assert kept == text or text.lower().startswith(("con", "prn", "aux", "nul", "com", "lpt"))
