"""Published names of MaxMIL's parameters, those of MeanMIL: MCTI's `MaxPoolMLP`, and CMTA's patch projection."""

from prognoscope.models.released.meanmil import NAMES, arguments

__all__ = ["NAMES", "arguments"]
