"""Published names of MaxMIL's parameters, those of MeanMIL: MCTI's `MaxPoolMLP`, and CMTA's patch projection."""

from prognoscope.models.meanmil.names import NAMES, arguments

__all__ = ["NAMES", "arguments"]
