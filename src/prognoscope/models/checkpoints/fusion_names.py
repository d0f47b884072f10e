"""Published names of the late fusion that MCAT, CMTA and PORPOISE share, concatenated or bilinear."""

IN_BILINEAR = {"h": "narrow", "z": "gate", "o": "mix"}


def fusion_names(ours: str) -> dict[str, str]:
    """Published names -> ours, for a fusion that is the part `ours` of a network."""
    sides = {f"mm.linear_{theirs}{i + 1}": f"{ours}.{part}.{i}" for theirs, part in IN_BILINEAR.items() for i in (0, 1)}
    return {"mm": ours, **sides, "mm.encoder1": f"{ours}.widen", "mm.encoder2": f"{ours}.end"}
