"""What every number needs of its input, checked once and said in a sentence."""

import numpy as np

from prognoscope.core.errors import MetricError, some


def checked_outcome(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Time as float64 and event as it is, both of one length.

    Raises:
        MetricError: Nobody is there, lengths differ, a time is negative or not finite, or events are not booleans.
    """
    time, event = np.asarray(time, dtype=np.float64), np.asarray(event)
    if event.dtype != np.bool_:
        raise MetricError(f"Events must be True (observed) or False (censored), not {event.dtype}. Compare with 1.")
    if time.ndim != 1 or time.shape != event.shape:
        raise MetricError(
            f"Times of shape {time.shape} and events of shape {event.shape} are not of the same patients."
        )
    if not len(time):
        raise MetricError("There are no patients, so nothing can be measured.")
    if not np.isfinite(time).all():
        raise MetricError(f"The times at positions {some(np.flatnonzero(~np.isfinite(time)))} are not finite.")
    if (time < 0).any():
        raise MetricError(f"The times at positions {some(np.flatnonzero(time < 0))} are negative.")
    return time, event


def checked_values(values: np.ndarray, patients: int, what: str) -> np.ndarray:
    """Values as float64, one row a patient, all of them finite. Single precision is kept as it is, not rounded.

    Raises:
        MetricError: Another number of rows, or a value that is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) != patients:
        raise MetricError(f"There are {len(values)} rows of {what} for {patients} patients.")
    bad = np.flatnonzero(~np.isfinite(values.reshape(patients, -1)).all(axis=1))
    if len(bad):
        raise MetricError(f"The {what} of {len(bad)} patients is not finite (positions {some(bad)}).")
    return values


def checked_risk(risk: np.ndarray, patients: int) -> np.ndarray:
    """Risks as float64, one a patient, all of them finite.

    Raises:
        MetricError: Another number or shape of them, or one that is not finite.
    """
    risk = checked_values(risk, patients, "risk")
    if risk.ndim != 1:
        raise MetricError(f"Risks of shape {risk.shape} are not one number a patient. Flatten them.")
    return risk


def checked_horizons(times: np.ndarray) -> np.ndarray:
    """Times at which to evaluate, as float64.

    Raises:
        MetricError: None is given, one is not finite, or they do not ascend.
    """
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or np.any(np.diff(times) <= 0):
        raise MetricError(f"Times to evaluate at must be finite and ascend, not {some(times.ravel())}.")
    return times
