"""From values to colours that everybody tells apart, and the ticks that say which is which."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps

from prognoscope.report.heatmap.patch_map import PatchMap

LOW, HIGH = 1, 99  # percentiles beyond which colours stay the same
SEQUENTIAL, SIGNED = "viridis", "RdBu_r"  # by lightness alone, and red against blue: no colour vision is excluded
SIGNED_PART = 0.1, 0.9  # its dark ends look grey over tissue, less than what lies before them
STEPS = 256
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class ColourScale:
    """Colours for the values from `low` to `high`; what lies beyond takes the colour of the end."""

    low: float
    high: float
    is_signed: bool
    ticks: tuple[tuple[float, str], ...]  # value and label, from low to high
    note: str  # how values become colours, as a sentence

    @classmethod
    def of(cls, patch_map: PatchMap) -> "ColourScale":
        """The scale of a map: between its 1st and 99th percentile; of a signed map as far below 0 as above."""
        known = patch_map.values[patch_map.has_value].astype(np.float64)
        if not len(known):
            return cls(0.0, 1.0, patch_map.is_signed, (), "No patch has a value.")
        least, middle, most = (float(each) for each in np.percentile(known, [LOW, 50, HIGH]))
        names = {f"p{LOW}": least, "p50": middle, f"p{HIGH}": most}
        note = f"Colours end at the {LOW}st and {HIGH}th percentile of the patches (p{LOW}, p{HIGH})."
        if least == most:  # nearly all are the same
            least, most = float(known.min()), float(known.max())
            names = {"lowest": least, "p50": middle, "highest": most}
            note = "Colours run from the lowest to the highest value."
        if least == most:
            names, note = {"all": least}, "All patches have the same value."
        if patch_map.is_signed:
            most = max(abs(least), abs(most)) or 1.0
            least = -most
            note = (
                f"Red raises the risk, blue lowers it; colours end at p{LOW} or p{HIGH}, whichever is farther from 0."
            )
            ends = {"": least, " ": 0.0, "  ": most}
            names |= {name: at for name, at in ends.items() if at not in names.values()}
        elif least == most:
            least, most = least - (abs(least) or 1.0) / 2, most + (abs(most) or 1.0) / 2
        labels = ((at, f"{name} = {said(at)}" if name.strip() else said(at)) for name, at in names.items())
        ticks = sorted(labels)
        return cls(least, most, patch_map.is_signed, tuple(ticks), note)

    def place(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Where values lie between the ends of the scale, from 0 to 1; NaN stays NaN."""
        return np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)

    def rgb(self, values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
        """The colours of values; black where there is none."""
        name, ends = (SIGNED, SIGNED_PART) if self.is_signed else (SEQUENTIAL, (0, 1))
        table = colormaps[name](np.linspace(*ends, STEPS))[:, :3]
        place = self.place(np.asarray(values, np.float64))
        steps = np.rint(np.nan_to_num(place) * (STEPS - 1)).astype(np.int64)
        colours = np.rint(table * 255).astype(np.uint8)[steps]
        colours[np.isnan(place)] = 0
        return colours


def said(value: float) -> str:
    """A number in three digits, with a real minus."""
    return f"{value:.3g}".replace("-", MINUS)
