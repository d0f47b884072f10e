"""What every figure of a report owes: it draws from little data, draws its data and nothing else, always alike."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from prognoscope.analysis.risk_cuts import high_risk
from prognoscope.report.figures import FIGURES, height_of, render
from prognoscope.report.page_section import Plate
from prognoscope.report.sections import SECTIONS
from prognoscope.report.style import GRID, IN_THE_DARK, figure_style, inline_svg, method_colours
from prognoscope.runs.read import Run

NASTY = "<b>&$x_1$"
LONG = "late_fusion-of_a_Cox_model_and_an-attention.network_with_all_of_the_genes-2026"
MINIMAL = {
    "c_index": {"method": "m", "label": NASTY, "kind": "method", "optimistic": True, "value": 0.6, "low": np.nan}
    | {"high": np.nan, "fold_0": 0.6},
    "differences": {
        "method_a": "m",
        "method_b": NASTY,
        "optimistic": True,
        "difference": -0.01,
        "low": -0.05,
        "high": 0.04,
    }
    | {"supported": False},
    "survival": {"method": NASTY, "optimistic": False, "group": "High risk", "patients": 1, "median": np.inf}
    | {"median_low": np.inf, "median_high": np.inf, "log_rank_p": np.nan, "time": 0.0, "survival": 1.0, "low": 1.0}
    | {"high": 1.0, "at_risk": 1, "events": 0, "censored": 0},
    "incidence": {
        "method": NASTY,
        "optimistic": False,
        "group": "High risk",
        "patients": 1,
        "others": 0,
        "gray_p": np.nan,
    }
    | {"time": 0.0, "incidence": 0.0, "low": 0.0, "high": 0.0, "at_risk": 1},
    "group_means": {"method": NASTY, "optimistic": False, "reading": "time_by_risk", "group": "Low risk", "patients": 1}
    | dict.fromkeys(("mean", "low", "first_quartile", "median", "third_quartile", "high"), 3.0)
    | {"t": 0.5, "p": 0.6},
    "loss": {"method": NASTY, "fold": "0", "epoch": 0, "train_loss": 1.0, "validation_loss": np.nan, "chosen": True},
    "epoch_c_index": {"method": NASTY, "fold": "0", "epoch": 0, "validation_c_index": 0.5, "test_c_index": 0.6}
    | {"chosen": False},
    "calibration": {
        "method": NASTY,
        "optimistic": False,
        "horizon": 24.0,
        "group": 0,
        "patients": 9,
        "events": 3,
        "predicted": 0.7,
    }
    | {"observed": 0.6, "low": 0.4, "high": 0.8},
    "reconstruction": {"method": NASTY, "optimistic": False, "group": "Oncogenes", "gene": "MYC", "folds": 5}
    | {"spearman": 0.2},
    "components": {"method": NASTY, "optimistic": False, "fold": "0", "patient_id": "P", "component": "gene", "x": 0.1}
    | {"group": "High risk", "y": 2.0, "silhouette": 0.3},
    "comparison": {"column": "blca", "metric": "c_index", "method": NASTY, "optimistic": True, "value": 0.6}
    | {"difference": 0.0, "low": 0.0, "high": 0.0, "part_0": 0.0},
    "optimism": {"method": NASTY, "optimistic": True, "since": "last", "added": 0.05, "noise_added": 0.06}
    | {"noise_low": 0.01, "noise_high": 0.1, "fold_0": 0.05},
    "sweep": {"column": "", "metric": "c_index", "method": NASTY, "optimistic": True, "setting": "k", "line": ""}
    | {"value": "4", "row": "k = 4", "is_own": True, "mean": 0.6, "difference": 0.0, "low": np.nan, "high": np.nan},
    "patient_survival": {"method": NASTY, "patient_id": "", "months": 3.0, "survival": 0.9},
    "contributions": {"method": NASTY, "name": NASTY, "value": -0.2},
    "hazard_ratios": {"method": NASTY, "optimistic": True, "covariates": "age and sex", "columns": 2, "patients": 60}
    | {"events": 30, "ratio": 1.5, "low": 0.9, "high": 2.5, "statistic": 2.1, "p": 0.15}
    | dict.fromkeys(("c_clinical", "c_both", "added", "added_low", "added_high", "added_p"), np.nan),
    "added_value": {"method": NASTY, "optimistic": False, "c_clinical": 0.6, "c_both": 0.62, "added": 0.02}
    | {"added_low": -0.03, "added_high": 0.07},
    "subgroups": {"method": "m", "optimistic": False, "group": "sex", "level": NASTY, "patients": 20, "events": 3}
    | dict.fromkeys(("ratio", "low", "high", "interaction_p"), np.nan),
    "decision_curve": {"method": NASTY, "optimistic": False, "horizon": 24.0, "threshold": 0.2, "net_benefit": 0.1},
    "auc_over_time": {"method": NASTY, "optimistic": False, "time": 12.0, "auc": 0.6},
    "brier_over_time": {"method": NASTY, "optimistic": False, "time": 12.0, "brier": 0.2},
}
OF_A_PATIENT = ("patient_survival", "contributions")
OF_A_RUN = [
    name for name in FIGURES if name not in ("comparison", "optimism", "sweep", "incidence", *OF_A_PATIENT)
]  # the page of a run has these


def drawn(name: str, data: pd.DataFrame):
    with figure_style():
        axes = Figure().add_subplot()
        FIGURES[name].draw(data, axes, method_colours(["m"]))
        return axes


def plates_of(run) -> list[Plate]:
    return [each for section in SECTIONS for each in section.plates(run) if isinstance(each, Plate)]


def points(axes) -> list[tuple[float, float]]:
    return [tuple(point) for line in axes.lines for point in np.column_stack(line.get_data()).astype(float)]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_draws_from_one_row_with_a_nasty_name(name):
    svg = render(name, pd.DataFrame([MINIMAL[name]]))
    root = ElementTree.fromstring(svg)
    text = "".join(root.itertext())
    assert NASTY in text
    assert "<b>" not in svg


def long_named(name: str) -> pd.DataFrame:
    """Two rows whose names are as long as somebody may choose them, and as a run by the papers' protocol has them."""
    row = {key: LONG if value in (NASTY, "age and sex") else value for key, value in MINIMAL[name].items()}
    row |= {key: True for key in row if key == "optimistic"}
    return pd.DataFrame([row, {**row, **{key: f"{LONG}-2" for key in ("label", "method_b", "name") if key in row}}])


@pytest.mark.parametrize("name", FIGURES)
def test_long_names_neither_leave_a_figure_nor_lie_on_each_other(name):
    data = long_named(name)
    drawing = FIGURES[name]
    with figure_style():
        size = (drawing.width_in, height_of(drawing, data))
        figure = Figure(figsize=size, layout="constrained")
        drawing.draw(data, axes := figure.add_subplot(), {LONG: "#0072b2"})
        figure.draw_without_rendering()
    box, whole = axes.get_tightbbox(), figure.bbox
    assert box.x0 > -1 and box.y0 > -1 and box.x1 < whole.x1 + 1 and box.y1 < whole.y1 + 1
    labels = [each.get_window_extent() for each in axes.get_yticklabels() if LONG[:4] in each.get_text()]
    title = next(each for each in axes.get_children() if getattr(each, "get_text", str)() == axes.get_title(loc="left"))
    labels += [title.get_window_extent(), *([axes.get_legend().get_window_extent()] if axes.get_legend() else [])]
    assert not [(a, b) for i, a in enumerate(labels) for b in labels[:i] if a.overlaps(b)]


def test_lines_of_one_colour_are_told_apart_by_their_dashes():
    names = [f"method_{i}" for i in range(20)]
    data = pd.DataFrame([MINIMAL["auc_over_time"] | {"method": name} for name in names])
    with figure_style():
        FIGURES["auc_over_time"].draw(data, axes := Figure().add_subplot(), method_colours(names))
    looks = [(to_hex(line.get_color()), str(line.get_linestyle()), line._unscaled_dash_pattern) for line in axes.lines]
    assert len(set(looks[:20])) == 20


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_bytes_every_time_and_carries_no_date(name):
    data = pd.DataFrame([MINIMAL[name]])
    svg = render(name, data)
    assert svg == render(name, data)
    assert "<metadata" not in svg
    assert "date" not in svg.lower()


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_a_title_in_sentence_case_and_leaves_the_users_settings_alone(name):
    import matplotlib

    before = dict(matplotlib.rcParams)
    title = drawn(name, pd.DataFrame([MINIMAL[name]])).get_title(loc="left")
    assert title
    assert not re.search(r"[a-z] [A-Z][a-z]", title)
    assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="module")
def plates(finished_run):
    return plates_of(Run(finished_run))


@pytest.mark.parametrize("figure", OF_A_RUN)
def test_csv_files_hold_what_is_drawn(figure, finished_run, plates):
    of_figure = [plate for plate in plates if plate.figure == figure]
    assert of_figure
    for plate in of_figure:
        kept = pd.read_csv(
            finished_run / "figures" / f"{plate.stem}.csv", dtype={"fold": str}, float_precision="round_trip"
        )
        pd.testing.assert_frame_equal(kept, plate.data, check_dtype=False, check_exact=False, rtol=1e-12)
    svg = (finished_run / "figures" / f"{plate.stem}.svg").read_text()  # of the last, as drawing takes long
    assert svg == render(figure, kept, method_colours(Run(finished_run).methods))


def test_the_c_index_figure_shows_every_value_interval_and_fold(run):
    plate = next(plate for plate in plates_of(run) if plate.figure == "c_index")
    seen = points(drawn("c_index", plate.data))
    for y, row in enumerate(plate.data.to_dict("records")):
        assert {(row[key], y) for key in ("value", "low", "high")} <= set(seen)
        assert {(row[key], y + 0.27) for key in row if key.startswith("fold_")} <= set(seen)


def test_survival_curves_go_through_their_data_and_mark_the_censored(run):
    plate = next(plate for plate in plates_of(run) if plate.figure == "survival")
    axes = drawn("survival", plate.data)
    seen = points(axes)
    assert set(zip(plate.data["time"], plate.data["survival"], strict=True)) <= set(seen)
    marks = [line for line in axes.lines if line.get_marker() == "|"]
    assert sum(len(line.get_xdata()) for line in marks) == (plate.data["censored"] > 0).sum()


def test_numbers_at_risk_are_those_followed_until_the_tick_or_longer(run):
    plate = next(plate for plate in plates_of(run) if plate.figure == "survival")
    held_out = run.methods["coxph"].predictions
    is_high = high_risk(run, "coxph")
    axes = drawn("survival", plate.data)
    texts = [text.get_text() for text in axes.texts]
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= axes.get_xlim()[1]]
    high = texts[texts.index("High") + 1 : texts.index("Low")]
    assert high == [str((held_out["time"][is_high] >= tick).sum()) for tick in ticks]


def test_a_method_has_one_colour_in_all_figures(finished_run):
    colours = method_colours(Run(finished_run).methods)
    for name, colour in colours.items():
        for stem in ("c_index", f"calibration_{name}"):
            assert to_hex(colour) in (finished_run / "figures" / f"{stem}.svg").read_text()
    assert len(set(colours.values())) == len(colours)


def test_ids_of_figures_do_not_meet_on_a_page():
    svg = render("loss", pd.DataFrame([MINIMAL["loss"]]))
    one, other = (inline_svg(svg, prefix, "a &amp; b") for prefix in ("one", "other"))
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert ids[0] and not ids[0] & ids[1]
    for text, own in zip((one, other), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= own
        assert set(re.findall(r'href="#([^"]+)"', text)) <= own


def test_every_colour_of_a_figure_on_a_page_can_be_seen_in_the_dark(finished_run):
    html = (finished_run / "report.html").read_text()
    set_there = set(re.findall(r"--c([0-9a-f]{6}): #", html))
    used = set(re.findall(r"var\(--c([0-9a-f]{6}),#\1\)", html))
    assert used and used <= set_there == {colour[1:] for colour in IN_THE_DARK}
    rest = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", html))
    assert all(
        luminance(colour) > 0.15
        for colour in rest | set(IN_THE_DARK.values()) - {IN_THE_DARK["#ffffff"]} - {IN_THE_DARK[GRID]}
    )


def luminance(colour: str) -> float:
    """As WCAG has it, 0 black, 1 white."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
