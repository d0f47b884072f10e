"""Slides that cannot be used, taken out of a cohort and told in its account; too many of them stop everything."""

from collections.abc import Mapping
from dataclasses import replace

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.errors import CohortError, some
from prognoscope.features.store import BadFileError
from prognoscope.study.sections import CohortSpec


def too_many(bad: int, of: int, most_bad: float) -> bool:
    """Whether more are bad than a study allows."""
    return bad > most_bad * of


def without_slides(cohort: Cohort, failed: Mapping[str, str | BadFileError], where: CohortSpec, of: int) -> Cohort:
    """The cohort without slides that gave no embeddings, which its account tells.

    Args:
        failed: Slide -> why.
        of: How many slides there were before any was left out.

    Raises:
        CohortError: More slides than the study allows are lost.
    """
    if not failed:
        return cohort
    slides = {p: tuple(s for s in each if s not in failed) for p, each in cohort.slides.items()}
    left = sum(map(len, slides.values()))
    lost = sum(map(len, cohort.slides.values())) - left
    named = some(f"{slide} ({_reason(why)})" for slide, why in failed.items())
    if not left:
        slide, reason = next(iter(failed.items()))
        raise CohortError(f"None of the {lost} slides gave embeddings; of {slide}: {reason}.".replace("..", "."))
    name, most_bad = ("slides", where.slides.most_bad) if where.slides else ("features", 1.0)
    if where.features is not None:
        most_bad = where.features.most_bad
    if too_many(of - left, of, most_bad):
        raise CohortError(
            f"{of - left} of {of} slides gave no embeddings, more than cohort.{name}.most_bad allows ({most_bad:g} of "
            f"them): {named}. Mend these, or allow more."
        )
    account = cohort.account.then(f"{lost} slides left out: {named}", cohort.outcome)
    return replace(cohort, slides={p: s for p, s in slides.items() if s}, account=account)


def _reason(why: str | BadFileError) -> str:
    return why.what if isinstance(why, BadFileError) else why
