"""How far predicted survival is from what happened, weighted for censoring."""

import numpy as np
from jaxtyping import Bool, Float

from prognoscope.core.errors import MetricError
from prognoscope.core.outcome import Outcome
from prognoscope.evaluation.checks import checked_horizons, checked_outcome, checked_values
from prognoscope.evaluation.curves import censoring_curve


def brier_terms(
    survival: Float[np.ndarray, "P T"],
    times: Float[np.ndarray, " T"],
    *,
    time: Float[np.ndarray, " P"],
    event: Bool[np.ndarray, " P"],
    train: Outcome,
    competing: Bool[np.ndarray, " P"] | None = None,
) -> Float[np.ndarray, "P T"]:
    """What each patient adds to the Brier score at each time.

    The score is the mean over patients: 0 is perfect, 0.25 is what S = 1/2 for everybody gives. Where other events
    compete, S is one minus the cumulative incidence of the event of interest, of which those with a competing one are
    free for ever: they count as such from then on, with the weight of their own time.

    Args:
        survival: The predicted chance of outliving each of `times`.
        train: The patients from whom the censoring distribution is estimated.

    Raises:
        MetricError: Shapes do not fit, times lie outside [first, last) test time, or weights are not defined.

    Source: Graf et al.: Assessment and comparison of prognostic classification schemes for survival data.
        Statistics in Medicine 1999. Schoop et al.: Quantifying the predictive accuracy of time-to-event models in the
        presence of competing risks. Biometrical Journal 2011.
    """
    time, event = checked_outcome(time, event)
    times = checked_horizons(times)
    survival = checked_values(survival, len(time), "survival")
    if survival.shape[1:] != times.shape:
        raise MetricError(f"Survival of shape {survival.shape} does not fit {len(times)} times.")
    check_within(times, time)
    curve = censoring_curve(train)
    died = event[:, None] & (time[:, None] <= times)  # (P, T)
    alive = time[:, None] > times
    ended = died if competing is None else died | (competing[:, None] & (time[:, None] <= times))
    weight_of_end = np.zeros(len(time))
    counts = ended.any(axis=1)
    weight_of_end[counts] = curve.weights(time[counts])
    terms = died * weight_of_end[:, None] * survival**2 + alive * curve.weights(times) * (1 - survival) ** 2
    return terms if competing is None else terms + (ended & ~died) * weight_of_end[:, None] * (1 - survival) ** 2


def integrate(scores: Float[np.ndarray, "*rest T"], times: Float[np.ndarray, " T"]) -> Float[np.ndarray, "*rest"]:
    """The mean over the span of `times`, by trapezia.

    Raises:
        MetricError: There is only one time.
    """
    if len(times) < 2:
        raise MetricError("An integral over time needs at least two times.")
    return np.asarray(np.trapezoid(scores, times, axis=-1) / (times[-1] - times[0]))


def check_within(times: Float[np.ndarray, " T"], time: Float[np.ndarray, " P"]) -> None:
    """Times to evaluate at lie in [first, last) of the test times, so that somebody is known on either side."""
    if times[0] < time.min() or times[-1] >= time.max():
        raise MetricError(
            f"Times to evaluate at, {times[0]:g} to {times[-1]:g} months, must lie within the test patients' times, "
            f"from {time.min():g} to below {time.max():g} months."
        )
