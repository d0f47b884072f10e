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
from prognoscope.study.apply.ensemble import Ensemble
from prognoscope.study.content import BY_NAME, content_of, genes_by_name

# parts of a fingerprint -> what a patient must have of it, and how that is called
COMPARED = {"embeddings": ("bag", "embeddings"), "genes": ("omics", "genes"), BY_NAME: ("omics", "genes")}
MOST_ALIKE = 0.05  # of patients: where more contents than this are of several, equal ones tell nobody


def find_overlap(ensemble: Ensemble, run: Run, cohort: Cohort, embeddings: PackedEmbeddings | None) -> dict[str, str]:
    """Patient -> why this is one of those whom the method of the run learned from; see `known_patients`."""
    left_out, manifest = run.left_out(ensemble.title), read_manifest(run.folder)
    taught = [each for each in run.outcomes.patients if each not in left_out]
    before = {} if manifest is None else manifest.made_of.parts
    scaler = ensemble.voices[0].trained.preparation.omics
    genes = () if scaler is None else (*scaler.columns, *scaler.constant)
    return known_patients(cohort, embeddings, taught=taught, before=before, genes=genes)


def known_patients(
    cohort: Cohort,
    embeddings: PackedEmbeddings | None,
    *,
    taught: Sequence[str],
    before: Mapping[str, object],
    genes: Sequence[str] = (),
) -> dict[str, str]:
    """Patient -> why this is one of those who taught, "" under the same id.

    Ids are compared as tables of a cohort are: case, blanks, dots, dashes and what follows a patient's barcode do not
    count. Under another id, somebody is told by embeddings that are equal to the last digit, or by equal genes.

    Args:
        before: The parts of the fingerprint of those who taught.
        genes: The columns of training, by which patients of any table are compared that has them.
    """
    ids = {fold_id(person_in(each)): each for each in taught}
    found = {}
    for patient in cohort.patients:
        if (known := ids.get(fold_id(person_in(patient)))) is not None:
            found[patient] = "" if known == patient else f"is {known} there"
    if others := [patient for patient in cohort.patients if patient not in found]:
        now = dict(content_of(cohort.take(others), embeddings).parts)
        if cohort.omics is not None and genes and set(genes) <= set(cohort.omics.values.columns):
            now[BY_NAME] = genes_by_name(cohort.omics.values, genes, others)
        for part, (what, words) in COMPARED.items():
            told, having = now.get(part), cohort.having(what)
            of_them = {p: each for p, each in told.items() if p in having} if isinstance(told, Mapping) else {}
            for patient, known in known_again(of_them, before.get(part)).items():
                found.setdefault(patient, f"has the {words} of {known}")
    return found


def known_again(now: Mapping[str, str], before: object) -> dict[str, str]:
    """Patient -> whose content of before is equal.

    What several had before is of nobody, as of those who have nothing measured; where much is, as in a table of a few
    genes that are 0 or 1, equal contents are chance.
    """
    if not isinstance(before, Mapping):
        return {}
    known = {told: patient for patient, told in before.items() if told}
    shared = {told for told, n in Counter(before.values()).items() if n > 1}
    if len(shared) > 1 + MOST_ALIKE * len(before):
        return {}
    return {p: known[told] for p, told in now.items() if told in known and told not in shared}


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
