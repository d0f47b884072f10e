"""New patients who are none: those whom the models learned from, by id or by what is measured of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import CohortError, some
from prognoscope.core.ids import fold_id, person_in
from prognoscope.core.words import count
from prognoscope.features.store import PackedEmbeddings
from prognoscope.runs.manifest import read_manifest
from prognoscope.runs.read import Run
from prognoscope.study.content import content_of

COMPARED = {"embeddings": "embeddings", "genes": "genes"}  # parts of a fingerprint, and how they are called


def find_overlap(run: Run, title: str, cohort: Cohort, embeddings: PackedEmbeddings | None) -> dict[str, str]:
    """Patient -> why this is one of those whom a method of a run learned from.

    Ids are compared as tables of a cohort are: case, blanks, dots, dashes and what follows a patient's barcode do not
    count. Under another id, somebody is told by embeddings that are equal to the last digit, or by equal genes.
    """
    left_out = run.left_out(title)
    taught = {fold_id(person_in(each)): each for each in run.outcomes.patients if each not in left_out}
    found = {}
    for patient in cohort.patients:
        if (known := taught.get(fold_id(person_in(patient)))) is not None:
            found[patient] = "" if known == patient else f"is {known} there"
    others = [patient for patient in cohort.patients if patient not in found]
    if others:
        manifest = read_manifest(run.folder)
        before = {} if manifest is None else manifest.made_of.parts
        now = content_of(cohort.take(others), embeddings).parts
        for part, words in COMPARED.items():
            for patient, known in _equal(now.get(part), before.get(part), others).items():
                found.setdefault(patient, f"has the {words} of {known}")
    return found


def _equal(now: object, before: object, patients: Sequence[str]) -> dict[str, str]:
    if not isinstance(now, Mapping) or not isinstance(before, Mapping):
        return {}
    known = {told: patient for patient, told in before.items() if told}
    shared = {told for told, n in Counter(before.values()).items() if n > 1}  # as of those who have nothing measured
    return {p: known[now[p]] for p in patients if now.get(p) in known and now[p] not in shared}


def refuse_overlap(overlap: Mapping[str, str], title: str, of: int) -> None:
    """Refuse to call what a model remembers a prediction.

    Raises:
        CohortError: Somebody was learned from.
    """
    if overlap:
        named = some(f"{patient} ({why})" if why else patient for patient, why in overlap.items())
        raise CohortError(
            f"{title} learned from {len(overlap)} of {count(of, 'patient')}: {named}. What it says of them is partly "
            "remembered, so it is no prediction. Leave them out with --overlap drop; --overlap keep predicts and flags "
            "them; what the run itself predicted of them, held out, is in its predictions.csv files."
        )
