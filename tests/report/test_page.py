"""The page: whole in one file, the same every time, safe against names, and patient with what is missing."""

import json
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
from PIL import Image

from prognoscope.core.errors import InputError, MissingFileError
from prognoscope.report.page import write_report
from prognoscope.report.page_section import Plate, Section, draw_section
from prognoscope.report.sections import SECTIONS
from prognoscope.runs.layout import RunFiles
from prognoscope.runs.read import Run
from prognoscope.runs.tables import PREVIEWS
from tests.report.fake_run import write_fake_run
from tests.report.sections import html_of, section_called, text_of

LOADING = {"src", "href", "xlink:href", "data", "poster", "action", "srcset", "background"}


class Loads(HTMLParser):
    """What a page would fetch or run, its ids, and its tags that are not closed."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.tags, self.ids, self.handlers, self.images = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in LOADING]
        self.ids += [value for name, value in attributes if name == "id"]
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        if tag == "svg":
            self.images.append(dict(attributes))


def tell(run_folder, **values):
    path = run_folder / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change(path, **columns):
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.assign(**columns).to_csv(path, index=False)


def test_the_page_needs_nothing_but_itself(finished_run):
    html = (finished_run / "report.html").read_text()
    page = Loads(html)
    assert page.tags.count("script") == 1 and '<script>\n"use strict"' in html  # which sorts tables
    assert not re.search(r"fetch\(|XMLHttp|import\(|eval\(|innerHTML|document\.write", html)
    assert not {"iframe", "object", "embed", "base", "img", "form"} & set(page.tags)
    assert not page.handlers
    for link in page.links:
        assert link.startswith(("#", "figures/")) or link in ("data:,", "tripod_ai.md", "model_card.md")
        assert not link.startswith("#") or link[1:] in page.ids
        assert link.startswith(("#", "data:")) or (finished_run / link).is_file()
    assert page.tags.count("link") == 1
    assert "@import" not in html and "@font-face" not in html
    assert not re.findall(r"url\((?!#)", html)
    assert set(re.findall(r"https?://[^\"<\s]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_ids_are_unique_and_every_picture_says_what_it_shows(finished_run):
    page = Loads((finished_run / "report.html").read_text())
    assert len(set(page.ids)) == len(page.ids)
    assert len(page.images) == len(list((finished_run / "figures").glob("*.svg")))
    assert all(image["role"] == "img" and len(image["aria-label"]) > 20 for image in page.images)


def test_contents_and_order_follow_from_the_list_of_sections(finished_run):
    html = (finished_run / "report.html").read_text()
    told = re.findall(r'<li><a href="#([a-z]+)">([^<]+)</a></li>', html)
    there = [(each.id, each.title) for each in SECTIONS if f'id="{each.id}"' in html]
    assert told == there and {"verdict", "methods", "calibration", "genes", "provenance"} <= {name for name, _ in told}
    places = [html.index(f'id="{name}"') for name, _ in told]
    assert places == sorted(places)


def test_a_section_with_nothing_to_say_is_neither_on_the_page_nor_in_its_contents(run_copy, undrawn, monkeypatch):
    silent = Section("other", "Silent", lambda run: {})
    telling = Section("other", "Telling", lambda run: {"rows": [("a", "b"), ("1", run.name)]})
    monkeypatch.setattr("prognoscope.report.page.SECTIONS", (silent, telling))
    html = write_report(run_copy).read_text()
    assert "Silent" not in html and '<a href="#other">Telling</a>' in html and "simulated</td>" in html


def test_the_same_run_gives_the_same_bytes(small_run, run_copy, tmp_path, undrawn):
    again = shutil.copytree(small_run, tmp_path / "another name")
    write_report(run_copy)
    write_report(again)
    for path in [run_copy / "report.html", *sorted((run_copy / "figures").iterdir())]:
        assert (again / path.relative_to(run_copy)).read_bytes() == path.read_bytes(), path.name


def test_a_second_report_replaces_the_first(run_copy, undrawn, only):
    only("survival")
    write_report(run_copy)
    assert (run_copy / "figures" / "survival_snn.svg").exists()
    for path in (run_copy / "snn").rglob("*"):
        if path.is_file():
            path.unlink()
    write_report(run_copy)
    assert not (run_copy / "figures" / "survival_snn.svg").exists()


def test_names_cannot_break_out_of_the_page(run_copy):
    nasty = '<script>alert("1")<&\'$\\frac$'
    (run_copy / "mcti").rename(run_copy / nasty)
    for name in ("metrics.csv", "comparison.csv"):
        table = pd.read_csv(run_copy / name, dtype=str, keep_default_na=False).replace("mcti", nasty)
        table.to_csv(run_copy / name, index=False)
    change(run_copy / "account.csv", who=f"{nasty}; " * 7, step=nasty)
    about = {"name": nasty, "command": nasty, "protocol": nasty, "optimistic": {nasty: nasty}, "notes": [nasty]}
    tell(run_copy, **about, versions={nasty: nasty}, inputs={nasty: nasty})
    (run_copy / "study.yaml").write_text(f"name: x\n# </pre>{nasty}\n")
    page = write_report(run_copy)
    html = page.read_text()
    assert html.count("<script") == 1 and "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert not Loads(html).handlers
    assert Loads(html).tags.count("script") == 1 and "frac" not in Loads(html).tags
    for name in ("tripod_ai.md", "model_card.md"):
        assert not re.search(r"(?<!\\)<script", (run_copy / name).read_text())
    assert all(path.name.isascii() and "<" not in path.name for path in (run_copy / "figures").iterdir())


def test_optimistic_numbers_are_called_so_beside_every_one_of_them(run_copy):
    tell(run_copy, protocol="paper", optimistic={"mcti": "the best epoch was chosen on the held-out fold"})
    run = Run(run_copy)
    drawn = draw_section(section_called("methods"), run)
    row = next(part for part in drawn.html.split("<tr") if "mcti</th>" in part and 'class="sub"' in part)
    cells = [cell for cell in row.split("<td")[1:] if re.search(r"\d", cell)]
    assert cells and all("optimistic" in cell for cell in cells)
    assert "mcti (optimistic)" in drawn.plates[0][1]
    _, svg = draw_section(section_called("survival"), run).plates[-1]
    assert "mcti (optimistic)" in svg
    text = text_of(html_of(run, "verdict"))
    assert "The numbers of mcti are optimistic and are not to be set beside honest ones." in text
    assert "this is no fair lead" in text


@pytest.mark.parametrize(
    ("choose", "words"), [("last", "the last one counts"), ("validation_loss", "on an inner validation part")]
)
def test_the_page_says_which_epoch_counts(run_copy, choose, words):
    tell(run_copy, choose=choose)
    assert words in text_of(html_of(run_copy, "verdict"))


def test_a_run_of_one_method_is_not_compared(tmp_path):
    run = Run(write_fake_run(tmp_path, skill={"coxph": 0.8}, patients=60, folds=2))
    assert "no other method to set it against" in html_of(run, "verdict")
    assert "One method has nothing to be compared with." in html_of(run, "differences")
    assert "coxph: no training curve, because no epochs were kept." in html_of(run, "training")
    assert "No method kept the C-index" in html_of(run, "choice")


def test_a_constant_risk_is_said_and_not_drawn(run_copy):
    for path in (run_copy / "snn").glob("fold_*/predictions.csv"):
        change(path, risk="-2.5")
    drawn = draw_section(section_called("survival"), Run(run_copy))
    assert "snn: no curves. All 72 patients are at low risk" in drawn.html
    assert [plate.stem for plate, _ in drawn.plates] == ["survival_coxph", "survival_mcti"]


def test_patients_held_out_twice_are_not_pooled(run_copy, undrawn):
    for method in ("coxph", "snn", "mcti"):
        folds = [run_copy / method / f"fold_{fold}" / "predictions.csv" for fold in (0, 1)]
        table = pd.read_csv(folds[1], dtype=str)
        pd.concat([table, pd.read_csv(folds[0], dtype=str).head(1).assign(fold="1")]).to_csv(folds[1], index=False)
    run = Run(run_copy)
    assert "snn: no curves. 1 patients are held out in several folds" in html_of(run, "survival")
    assert "snn: no calibration. 1 patients are held out more than once" in html_of(run, "calibration")


def test_a_missing_fold_is_named_and_the_others_are_shown(run_copy, undrawn):
    (run_copy / "snn" / "fold_2" / "predictions.csv").unlink()
    run = Run(run_copy)
    assert "snn has no predictions for fold 2; its numbers rest on the other folds." in html_of(run, "verdict")
    assert 'id="figure-calibration_snn"' in html_of(run, "calibration")


@pytest.mark.parametrize("name", ["provenance.json", "account.csv", "splits.csv", "comparison.csv", "study.yaml"])
def test_a_report_does_without(name, run_copy, undrawn):
    (run_copy / name).unlink()
    text = text_of(write_report(run_copy).read_text())
    assert "C-index" in text
    assert name == "study.yaml" or name in text


def test_a_report_does_without_everything_that_can_be_missing(run_copy, undrawn):
    for name in ["provenance.json", "account.csv", "splits.csv", "outcomes.csv", "comparison.csv", "study.yaml"]:
        (run_copy / name).unlink()
    for pattern in ("*/fold_*/history.csv", "*/fold_*/model.json"):
        for path in run_copy.glob(pattern):
            path.unlink()
    metrics = pd.read_csv(run_copy / "metrics.csv", dtype=str, keep_default_na=False)
    metrics[(metrics["metric"] == "c_index") & (metrics["fold"] == "all")].to_csv(run_copy / "metrics.csv", index=False)
    text = text_of(write_report(run_copy).read_text())
    assert "snn: no calibration. The table of splits" in text
    assert "no paired interval was computed" in text


def test_an_undefined_metric_is_a_dash(run_copy, undrawn):
    table = pd.read_csv(run_copy / "metrics.csv", dtype=str, keep_default_na=False)
    table.loc[table["metric"] == "auc", ["value", "low", "high", "sd"]] = ""
    table.loc[(table["metric"] == "c_index") & (table["method"] == "snn"), ["value", "low", "high", "sd"]] = ""
    table.to_csv(run_copy / "metrics.csv", index=False)
    text = text_of(write_report(run_copy).read_text())
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_a_folder_that_is_no_run_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="There is no run folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match="The table of results .*metrics.csv does not exist"):
        write_report(tmp_path)
    (tmp_path / "metrics.csv").write_text("method,metric,fold,value,low,high,sd\n")
    with pytest.raises(InputError, match="No method in .* has predictions yet. Finish it with `prognoscope run`"):
        write_report(tmp_path)


def test_a_file_that_cannot_be_used_leaves_the_earlier_report_alone(run_copy, undrawn, only):
    only("methods", "survival")
    before = write_report(run_copy).read_bytes()
    (run_copy / "snn" / "fold_0" / "predictions.csv").write_text("patient_id,fold\n")
    with pytest.raises(InputError, match="fold_0.* has no column risk, time, event, S_0"):
        write_report(run_copy)
    assert (run_copy / "report.html").read_bytes() == before and (run_copy / "figures" / "c_index.svg").is_file()


def test_slides_are_shown_without_other_files_and_with_names_escaped(run_copy):
    files = RunFiles(run_copy)
    files.previews.mkdir()
    Image.new("RGB", (40, 30), "pink").save(files.previews / "01.jpg")
    row = {"slide": "<b>P1</b>/HE", "patient_id": "P1", "file": "01.jpg", "left_out": "no tissue was found: it is even"}
    PREVIEWS.write(files.previews / "previews.csv", pd.DataFrame([row]))
    section = html_of(Run(run_copy), "slides")
    assert "&lt;b&gt;P1&lt;/b&gt;/HE of P1<br><strong>Left out:</strong> no tissue was found: it is even" in section
    assert re.findall(r'src="([^"]{0,23})', section) == ["data:image/jpeg;base64,"]
    assert "<b>" not in section


def test_groups_that_a_calibration_cannot_draw_are_counted(run, monkeypatch):
    late = run.held_out.time.max()  # so that only the group of the last patient is seen until then
    monkeypatch.setattr("prognoscope.report.sections.calibration_plots.calibration_horizon", lambda _: float(late))
    plate = next(each for each in section_called("calibration").plates(run) if isinstance(each, Plate))
    unseen = int(plate.data["observed"].isna().sum())
    assert unseen and f"Not drawn: {unseen} group" in plate.caption
