"""The runs of several endpoints, in the order that their study gives, wherever it can be read."""

import pytest

from prognoscope.runs.seeds import runs_in

IN_ORDER = b"cohort: {clinical: {endpoints: {PFI: {}, DSS: {}}}}"


@pytest.mark.parametrize(
    ("study", "names"),
    [
        (IN_ORDER, ["endpoint_PFI", "endpoint_DSS"]),
        (None, ["endpoint_DSS", "endpoint_PFI"]),
        (b"cohort: [", ["endpoint_DSS", "endpoint_PFI"]),
        (b"cohort: \xff\xfe", ["endpoint_DSS", "endpoint_PFI"]),
        (b"- 1", ["endpoint_DSS", "endpoint_PFI"]),
    ],
    ids=["whole", "none", "cut", "no text", "no study"],
)
def test_runs_are_in_the_order_of_their_study_or_of_their_names(tmp_path, study, names):
    for name in ("endpoint_DSS", "endpoint_PFI"):
        (tmp_path / name).mkdir()
        if study is not None:
            (tmp_path / name / "study.yaml").write_bytes(study)
    assert [run.name for run in runs_in(tmp_path)] == names
