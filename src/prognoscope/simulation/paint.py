"""Tissue that looks like histology and shows a patient's factors: haematoxylin and eosin, place by place.

Nuclear density and size follow proliferation, lymphocytes follow immune infiltration, dead areas follow necrosis,
and the architecture follows the subtype: glands around lumens, or solid nests.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from PIL import Image, ImageDraw

from prognoscope.simulation.layout import place_classes, smooth_field, tissue_outline
from prognoscope.simulation.nuclei import MARGIN_PX, NucleusKind, draw_sprites, keep_some, scatter, stamp
from prognoscope.simulation.stains import Stain, develop
from prognoscope.simulation.tissue_classes import (
    BACKGROUND,
    CLASSES,
    FAT,
    LYMPHOCYTES,
    NECROSIS,
    STROMA,
    TUMOUR_GLANDULAR,
    Factors,
    tissue_shares,
)

CELL_PX = 8  # of the map of classes: 4 um
FINE_PX = 4  # of the map of glands and fat cells: 2 um
TUMOUR_SHARE = (0.35, 0.5)
TISSUE_SHARE = (0.5, 0.68)
PEN_CHANCE = 0.12
PENS = ((0.12, 0.55, 0.28), (0.16, 0.26, 0.72), (0.12, 0.12, 0.15))  # light that green, blue and black ink let through

# haematoxylin and eosin between the nuclei, in the order of CLASSES
GROUND = np.array(
    [(0, 0), (0.17, 0.34), (0.20, 0.38), (0.05, 0.36), (0.16, 0.24), (0.06, 0.62), (0.0, 0.02)], np.float32
)


@dataclass(frozen=True, slots=True)
class PaintedSlide:
    """The picture at 0.5 um per pixel, and the truth about it in cells of `CELL_PX`."""

    picture: UInt8[np.ndarray, "H W 3"]
    classes: Int[np.ndarray, "h w"]  # places in CLASSES
    pen: Bool[np.ndarray, "h w"]


def paint(factors: Factors, side_px: int, stain: Stain, rng: np.random.Generator) -> PaintedSlide:
    """Paint a square slide of one patient; `side_px` is a multiple of 256."""
    cells = (side_px // CELL_PX, side_px // CELL_PX)
    inside = tissue_outline(cells, rng.uniform(*TISSUE_SHARE), rng)
    classes = place_classes(inside, tissue_shares(factors, rng, tumour=TUMOUR_SHARE), rng, roughness=0.05)
    fine_classes = classes.repeat(2, axis=0).repeat(2, axis=1)
    ground = GROUND[np.where(fine_classes == BACKGROUND, STROMA, fine_classes)]  # (h, w, 2); the edge is cut below
    room = {kind: np.ones(fine_classes.shape, np.float32) for kind in ("tumour", "lymphocyte")}
    _glands_or_nests(factors, fine_classes, ground, room, rng)
    _fat_cells(fine_classes, ground, rng)
    ground[..., 1] *= _enlarge(1 + 0.1 * smooth_field(cells, 6, rng), 2)

    with_margin = np.zeros((side_px + 2 * MARGIN_PX,) * 2, np.float32)
    haematoxylin = with_margin[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    steepness = np.abs(np.diff(inside, axis=1)).mean()  # of the outline, a cell
    edge = _enlarge(inside / (0.7 * steepness), CELL_PX).clip(0, 1)
    np.multiply(_enlarge(_blur(ground[..., 0]), FINE_PX), edge, out=haematoxylin)
    eosin = _enlarge(_blur(ground[..., 1]), FINE_PX)
    eosin *= edge
    fibres = _fibres(side_px, rng)
    fibres *= _enlarge(_blur((classes == STROMA).astype(np.float32)), CELL_PX)
    fibres += _grain(side_px, rng)
    fibres += 1
    eosin *= fibres
    _paint_nuclei(with_margin, factors, classes, fine_classes, room, side_px, rng)
    picture = develop(haematoxylin, eosin, stain)
    pen = _pen_mark(cells, rng) if rng.random() < PEN_CHANCE else np.zeros(cells, np.float32)
    _ink(picture, pen, rng)
    return PaintedSlide(picture, classes, pen > 0.5)


def nucleus_kinds(factors: Factors) -> dict[str, NucleusKind]:
    """The kinds of nuclei in a patient's slides. Proliferation makes those of the tumour larger, darker and denser."""
    p = factors.proliferation
    size, spacing = float(np.exp(0.075 * p)), float(np.exp(-0.13 * p))
    glandular = factors.tumour == TUMOUR_GLANDULAR
    tumour = NucleusKind(
        spacing_px=(17.5 if glandular else 25.0) * spacing,
        radius_px=(7.2 if glandular else 8.0) * size,
        elongation=1.5 if glandular else 1.2,
        density=0.78 + 0.09 * p,
        chromatin=0.18,
        nucleolus=0.25,
    )
    return {
        "tumour": tumour,
        "fibroblast": NucleusKind(spacing_px=38, radius_px=4.6, elongation=4.2, density=0.85),
        "lymphocyte": NucleusKind(spacing_px=15.5, radius_px=5.6, elongation=1.05, density=1.45, chromatin=0.15),
        "debris": NucleusKind(spacing_px=30, radius_px=2.4, elongation=1.3, density=1.0),
        "ghost": NucleusKind(spacing_px=30, radius_px=6.5, elongation=1.3, density=0.16, chromatin=0.1),
    }


def _paint_nuclei(
    haematoxylin: Float32[np.ndarray, "H W"],
    factors: Factors,
    classes: Int[np.ndarray, "h w"],
    fine_classes: Int[np.ndarray, "g f"],
    room: dict[str, np.ndarray],
    side_px: int,
    rng: np.random.Generator,
) -> None:
    kinds = nucleus_kinds(factors)
    infiltrating = float(np.clip(0.06 * np.exp(0.7 * factors.immune), 0, 0.4))
    chance_of_lymphocytes = np.zeros(len(CLASSES), np.float32)
    chance_of_lymphocytes[[STROMA, factors.tumour, LYMPHOCYTES]] = infiltrating, 0.3 * infiltrating, 0.95
    chances = {
        "debris": ((classes == NECROSIS) * np.float32(0.45), CELL_PX),
        "fibroblast": ((classes == STROMA) * np.float32(0.75), CELL_PX),
        "ghost": ((classes == NECROSIS) * np.float32(0.8), CELL_PX),
        "tumour": ((fine_classes == factors.tumour) * room["tumour"], FINE_PX),
        "lymphocyte": (chance_of_lymphocytes[fine_classes] * room["lymphocyte"], FINE_PX),
    }
    for name, (chance, cell_px) in chances.items():
        places = keep_some(scatter(side_px, kinds[name].spacing_px, rng), chance.astype(np.float32), cell_px, rng)
        stamp(haematoxylin, places, draw_sprites(kinds[name], rng), rng)


def _glands_or_nests(
    factors: Factors,
    classes: Int[np.ndarray, "h w"],
    ground: Float32[np.ndarray, "h w 2"],
    room: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Lumens, the nuclei's rows around them and stroma between glands; or thin septa between nests. In place."""
    where = np.nonzero(classes == factors.tumour)
    glandular = factors.tumour == TUMOUR_GLANDULAR
    near = _between_centres(where, classes.shape, (150 if glandular else 330) / FINE_PX, rng)
    of_tumour, of_stroma = GROUND[factors.tumour], GROUND[STROMA]
    if not glandular:
        septum = np.clip((near - 0.468) / 0.012, 0, 1)[:, None]
        ground[where] = of_tumour + septum * (of_stroma - of_tumour)
        room["tumour"][where] = 1 - septum[:, 0]
        return
    near = near + 0.015 * smooth_field(classes.shape, 60, rng, octaves=1)[where]
    lumen = np.clip((0.215 - near) / 0.03, 0, 1)[:, None]
    gap = np.clip((near - 0.425) / 0.02, 0, 1)[:, None]
    secretion = np.array([0.01, 0.07], np.float32) * rng.uniform(0.3, 1.5)
    ground[where] = of_tumour + lumen * (secretion - of_tumour) + gap * (of_stroma - of_tumour)
    depth_of_rows = 0.1 + 0.02 * factors.proliferation  # they pile up where cells divide
    room["lymphocyte"][where] = near > 0.25
    room["tumour"][where] = (near > 0.41 - depth_of_rows) & (near < 0.42)


def _fat_cells(classes: Int[np.ndarray, "h w"], ground: Float32[np.ndarray, "h w 2"], rng: np.random.Generator) -> None:
    where = np.nonzero(classes == FAT)
    near = _between_centres(where, classes.shape, 130 / FINE_PX, rng)
    membrane = np.clip((near - 0.468) / 0.014, 0, 1)[:, None]
    ground[where] = GROUND[FAT] + membrane * (np.array([0.08, 0.34], np.float32) - GROUND[FAT])


def _between_centres(
    where: tuple[np.ndarray, ...], shape: tuple[int, int], spacing: float, rng: np.random.Generator
) -> Float32[np.ndarray, " n"]:
    """d1 / (d1 + d2) of the distances to the two nearest of scattered centres: 0 on a centre, 1/2 between two."""
    bend = 0.16 * spacing
    y, x = (axis + bend * smooth_field(shape, 14, rng, octaves=2)[where] for axis in where)
    knots = [int(side / spacing) + 5 for side in shape]
    centres = rng.uniform(-0.33, 0.33, (2, *knots)).astype(np.float32)
    row, column = np.floor(y / spacing).astype(np.int64) + 2, np.floor(x / spacing).astype(np.int64) + 2
    first = np.full(len(y), np.inf, np.float32)
    second = first.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r = np.clip(row + down, 0, knots[0] - 1)
            c = np.clip(column + right, 0, knots[1] - 1)
            to_y = (r - 1.5 + centres[0, r, c]) * spacing - y
            to_x = (c - 1.5 + centres[1, r, c]) * spacing - x
            distance = np.hypot(to_y, to_x).astype(np.float32)
            np.minimum(second, np.maximum(first, distance), out=second)
            np.minimum(first, distance, out=first)
    return first / np.maximum(first + second, 1e-6)


def _fibres(side_px: int, rng: np.random.Generator) -> Float32[np.ndarray, "H W"]:
    """Wavy bundles about 0: the contour lines of a tilted, cloudy plane, coloured by smooth noise."""
    cells = side_px // CELL_PX
    tilt = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:cells, :cells].astype(np.float32) * CELL_PX
    plane = x * np.cos(tilt) + y * np.sin(tilt) + 130 * smooth_field((cells, cells), 5, rng, octaves=2)
    plane = plane + 4 * smooth_field((cells, cells), 60, rng, octaves=2)
    colours = rng.standard_normal(4096)
    broad = np.convolve(np.tile(colours, 2), np.hanning(11) / 5.5, "same")[2048:6144]
    colours = (0.08 * colours + 0.5 * broad).astype(np.float32)
    phase = _enlarge((plane * 0.5).astype(np.float32), CELL_PX)
    return colours.take(phase.astype(np.int32), mode="wrap")


def _grain(side_px: int, rng: np.random.Generator) -> Float32[np.ndarray, "H W"]:
    """Fine and middling unevenness about 0, repeated every 512 pixels."""
    fine = 0.05 * rng.standard_normal((512, 512)).astype(np.float32)
    tile = fine + 0.09 * smooth_field((512, 512), 90, rng, octaves=2)
    times = -(-side_px // 512)
    return np.tile(tile, (times, times))[:side_px, :side_px]


def _pen_mark(cells: tuple[int, int], rng: np.random.Generator) -> Float32[np.ndarray, "h w"]:
    """A felt-tip arc along some part of the margin of the tissue: 1 on ink."""
    height, width = (4 * side for side in cells)  # drawn larger, then reduced: soft edges
    start, sweep = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 2.2)
    angles = np.linspace(start, start + sweep, 80)
    tremble = np.convolve(rng.standard_normal(99), np.hanning(22)[1:-1] / 10, "valid")
    radius = rng.uniform(0.72, 0.9) * (1 + 0.05 * tremble)
    line = np.stack([width / 2 * (1 + radius * np.cos(angles)), height / 2 * (1 + radius * np.sin(angles))], axis=1)
    sheet = Image.new("L", (width, height))
    ImageDraw.Draw(sheet).line([tuple(at) for at in line.tolist()], fill=255, width=width // 36, joint="curve")
    return np.asarray(sheet.reduce(4), np.float32) / 255


def _ink(picture: UInt8[np.ndarray, "H W 3"], pen: Float32[np.ndarray, "h w"], rng: np.random.Generator) -> None:
    if not pen.any():
        return
    through = np.array(PENS[rng.integers(len(PENS))], np.float32)
    rows, columns = (np.flatnonzero(pen.any(axis=axis)) for axis in (1, 0))
    top, left, bottom, right = max(rows[0] - 1, 0), max(columns[0] - 1, 0), rows[-1] + 2, columns[-1] + 2
    part = pen[top:bottom, left:right]
    view = picture[top * CELL_PX : bottom * CELL_PX, left * CELL_PX : right * CELL_PX]
    size = (part.shape[1] * CELL_PX, part.shape[0] * CELL_PX)
    ink = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    for channel in range(3):
        view[..., channel] = view[..., channel] * (1 - ink * (1 - through[channel]))


def _enlarge(field: Float32[np.ndarray, "h w"], times: int) -> Float32[np.ndarray, "H W"]:
    """Each cell as times x times pixels, linear between the middles of cells."""
    return _enlarge_rows(np.ascontiguousarray(_enlarge_rows(np.ascontiguousarray(field.T), times).T), times)


def _enlarge_rows(field: Float32[np.ndarray, "h w"], times: int) -> Float32[np.ndarray, "H w"]:
    padded = np.concatenate([field[:1], field, field[-1:]])
    steps = np.diff(padded, axis=0)
    rows = np.empty((len(field), times, field.shape[1]), np.float32)
    for phase in range(times):
        t = (phase + 0.5) / times - 0.5  # of a cell, from the middle of this one
        start = 0 if t < 0 else 1
        np.multiply(steps[start : start + len(field)], np.float32(t + 1 - start), out=rows[:, phase])
        rows[:, phase] += padded[start : start + len(field)]
    return rows.reshape(-1, field.shape[1])


def _blur(field: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    padded = np.pad(field, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
