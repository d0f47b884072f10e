"""What a pathologist does with the viewer, and that what is drawn is what the run says."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import opened, settled, viewing
from tests.viewer.by_hand import write_explanation
from tests.viewer.conftest import UNEXPLAINED

pytestmark = pytest.mark.browser
PATIENT, SLIDE = "SIM-0001", "SIM-0001-A"
YELLOW = np.array([253, 231, 36])  # of the highest rank
# where the heat map and the first tile lie on the screen, and how large a level-0 pixel is there
PLACES = """() => {
  const heat = document.querySelector("img.heat").getBoundingClientRect();
  const tile = [...document.querySelectorAll("img.leaflet-tile")].find((each) => /\\/0\\/0\\.jpg/.test(each.src));
  const at = tile.getBoundingClientRect(), z = Number(/tiles\\/(\\d+)/.exec(tile.src)[1]);
  const per = at.width / 256 / 2 ** (10 - z);
  return { left: heat.left - at.left, top: heat.top - at.top, width: heat.width, height: heat.height, per };
}"""


def patches(painted, method: str = "abmil", patient: str = PATIENT) -> pd.DataFrame:
    return pd.read_parquet(painted / "run" / "explanations" / method / patient / "patches.parquet")


def at(page, x: float, y: float, panel: int = 0) -> tuple[float, float]:
    """Where a level-0 pixel lies on the screen."""
    heat = page.locator("img.heat").nth(panel).bounding_box()
    method = page.locator("select[data-for=method]").nth(panel).input_value()
    told = page.evaluate(
        """async ([m, p, s]) => {
          const answer = await fetch(`/api/layer?method=${m}&patient=${p}&slide=${s}&map=attention`);
          return (await answer.json()).box_px;
        }""",
        [
            method,
            page.evaluate("new URLSearchParams(location.search).get('patient')"),
            page.locator("#slide").input_value(),
        ],
    )
    per = heat["width"] / (told[2] - told[0])
    return heat["x"] + (x - told[0]) * per, heat["y"] + (y - told[1]) * per


def link(viewer: str, **more) -> str:
    return viewer + "?" + "&".join(f"{k}={v}" for k, v in {"patient": PATIENT, "slide": SLIDE, **more}.items())


def test_the_table_is_the_run_sorted_and_filtered(page, viewer, painted):
    opened(page, viewer)
    predicted = pd.concat(
        pd.read_csv(path, float_precision="round_trip")
        for path in (painted / "run" / "abmil").glob("fold_*/predictions.csv")
    ).sort_values("risk", ascending=False)
    rows = page.locator("#people tbody tr")
    ids = rows.evaluate_all("all => all.map((each) => each.dataset.patient)")
    assert len(ids) == 20 and set(ids) == set(predicted["patient_id"]) and ids[0] == predicted["patient_id"].iloc[0]
    told = rows.first.locator("td").all_inner_texts()
    assert (
        told[1].strip() == f"{predicted['risk'].iloc[0]:.3g}".replace("-", "\u2212")
        and told[2] == f"{predicted['time'].iloc[0]:.1f}"
    )
    hidden = "(it) => it.scrollWidth - it.clientWidth"
    for width in (1280, 1366, 1400):
        page.set_viewport_size({"width": width, "height": 860})
        assert page.locator("#people-scroll").evaluate(hidden) <= 0  # all columns are seen
    page.get_by_role("button", name="Months").click()
    times = [float(each) for each in page.locator("#people tbody td:nth-child(3)").all_inner_texts()]
    assert (
        times == sorted(times) and page.locator("#people th[data-key=time]").get_attribute("aria-sort") == "ascending"
    )
    page.locator("#filter-event").select_option("1")
    assert rows.count() == int(predicted["event"].sum())
    subtype = page.locator("#filter-subtype").locator("option").nth(1).inner_text()
    page.locator("#filter-subtype").select_option(subtype)
    labels = pd.read_csv(painted / "subtypes.csv").set_index("patient_id")["subtype"]
    assert rows.count() == sum(labels[row.patient_id] == subtype and row.event for row in predicted.itertuples())
    page.get_by_role("button", name="Show all").click()
    page.locator("#filter-fold").select_option("1")
    assert rows.count() == int((predicted["fold"] == 1).sum())
    page.get_by_role("button", name="Show all").click()
    page.locator("#filter-to").fill("20")
    assert rows.count() == int((predicted["time"] <= 20).sum())
    page.get_by_role("button", name="Show all").click()
    page.locator("#filter-risk").select_option("high")
    assert 6 <= rows.count() <= 7
    page.locator("#filter-text").fill("0013")
    assert rows.count() <= 1


def test_a_walk_through_patients_by_click_and_by_key(page, viewer):
    opened(page, viewer)
    rows = page.locator("#people tbody tr")
    ids = rows.evaluate_all("all => all.map((each) => each.dataset.patient)")
    rows.nth(3).click()
    expect(page.locator("#patient-title")).to_have_text(f"Patient {ids[3]}")
    for key, place in (("j", 4), ("ArrowDown", 5), ("k", 4), ("ArrowUp", 3)):
        page.keyboard.press(key)
        expect(page.locator("#patient-title")).to_have_text(f"Patient {ids[place]}")
        expect(page.locator("#people tr.chosen")).to_have_attribute("data-patient", ids[place])
    assert f"patient={ids[3]}" in page.url
    page.go_back()
    expect(page.locator("#patient-title")).to_have_text(f"Patient {ids[4]}")


def test_the_colour_of_a_patch_is_its_rank_and_a_click_tells_its_score(page, viewer, painted):
    opened(page, link(viewer, method="abmil", map="attention", opacity=100))
    table = patches(painted)
    best = table.iloc[0]
    screen = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    x, y = at(page, best["x"] + 128, best["y"] + 128)
    assert np.abs(screen[round(y), round(x)] - YELLOW).max() <= 3
    for row in (0, len(table) // 2, len(table) - 1):
        told = table.iloc[row]
        page.mouse.click(*at(page, told["x"] + 40, told["y"] + 200))
        expect(page.locator("#patch dl")).to_contain_text(f"{int(told['x'])}, {int(told['y'])} px")
        for name in ("attention", "gradient"):
            shown = page.locator(f"#patch tr[data-map={name}] td").first.get_attribute("data-value")
            assert float(shown) == told[name]
    assert page.locator(".patch-image").evaluate("each => each.decode().then(() => each.naturalWidth)") == 448


@pytest.mark.parametrize("zoom", [8.0, 8.25, 8.5, 8.75, 9.25, 10.0])
def test_maps_lie_on_the_slide_to_the_pixel_at_every_zoom(page, viewer, painted, zoom):
    opened(page, link(viewer, method="abmil", map="attention", z=zoom, x=300, y=300))
    table, told = patches(painted), page.evaluate(PLACES)
    assert told["per"] == pytest.approx(2 ** (zoom - 10), rel=0.01)
    for axis, side in (("x", "left"), ("y", "top")):
        assert abs(told[side] - table[axis].min() * told["per"]) <= 1.5, side
    assert abs(told["width"] - (table["x"].max() + 256 - table["x"].min()) * told["per"]) <= 1.5


def test_method_map_opacity_scale_and_threshold(page, viewer):
    opened(page, link(viewer, method="abmil", map="attention"))
    heat = page.locator("img.heat")
    page.locator("select[data-for=method]").select_option("meanmil")
    expect(heat).to_have_attribute("src", re.compile("method=meanmil"))
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("m")
    expect(heat).to_have_attribute("src", re.compile("map=gradient"))
    expect(page.locator(".legend")).to_contain_text("How a patch moves the risk. In log risk.")
    page.locator("#opacity").fill("30")
    assert heat.evaluate("each => getComputedStyle(each).opacity") == "0.3"
    page.locator("#scale").select_option("value")
    expect(heat).to_have_attribute("src", re.compile("scale=value"))
    page.locator("#least").fill("80")
    expect(heat).to_have_attribute("src", re.compile("least=80"))
    expect(page.locator(".legend")).to_contain_text(re.compile(r"\d of \d+ patches shown"))
    page.locator("select[data-for=map]").select_option("none")
    expect(heat).to_have_count(0)
    settled(page)
    assert {"method=meanmil", "map=none", "opacity=30", "scale=value", "least=80"} <= set(
        page.url.split("?")[1].split("&")
    )


def test_two_methods_side_by_side_move_as_one(page, viewer):
    opened(page, link(viewer, method="abmil", map="attention"))
    page.locator("h1").click()
    page.keyboard.press("s")
    expect(page.locator(".panel")).to_have_count(2)
    expect(page.locator("img.heat")).to_have_count(2)
    settled(page)
    methods = [each.input_value() for each in page.locator("select[data-for=method]").all()]
    assert methods == ["abmil", "meanmil"]

    def apart() -> tuple[float, float, float]:
        boxes = [page.locator(".map").nth(k).bounding_box() for k in (0, 1)]
        heats = [page.locator("img.heat").nth(k).bounding_box() for k in (0, 1)]
        shift = [(heats[1][a] - boxes[1][a]) - (heats[0][a] - boxes[0][a]) for a in ("x", "y")]
        return *shift, heats[1]["width"] - heats[0]["width"]

    assert apart() == pytest.approx((0, 0, 0), abs=1)
    for k in (0, 1):
        box = page.locator(".map").nth(k).bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*middle)
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(400)
        page.mouse.down()
        page.mouse.move(middle[0] + 60, middle[1] + 35, steps=4)
        page.mouse.up()
        settled(page)
        assert apart() == pytest.approx((0, 0, 0), abs=1)
    assert "split=1" in page.url and "method2=meanmil" in page.url


def test_a_link_leads_back_to_what_was_shown(page, viewer, painted, browser):
    opened(page, link(viewer, method="meanmil", map="gradient"))
    told = patches(painted).iloc[1]
    page.mouse.click(*at(page, told["x"] + 128, told["y"] + 128))
    expect(page.locator("#patch table")).to_be_visible()
    box = page.locator(".map").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.wheel(0, -150)
    page.wait_for_timeout(600)
    settled(page)
    before, url = page.locator("img.heat").bounding_box(), page.url
    other = browser.new_page(viewport={"width": 1400, "height": 860})
    try:
        opened(other, url)
        expect(other.locator("#patch dl")).to_contain_text(f"{int(told['x'])}, {int(told['y'])} px")
        assert other.locator("select[data-for=method]").input_value() == "meanmil"
        assert other.locator("select[data-for=map]").input_value() == "gradient"
        after = other.locator("img.heat").bounding_box()
        assert [after[k] for k in before] == pytest.approx([before[k] for k in before], abs=2)
    finally:
        other.close()


def test_notes_are_kept_shown_as_text_and_removed(page, viewer, painted, browser):
    opened(page, link(viewer))
    text = "<img src=x onerror=alert(1)> necrosis & <b>ink</b>"
    told = patches(painted).iloc[0]
    page.mouse.click(*at(page, told["x"] + 128, told["y"] + 128))
    page.get_by_label("New note").fill(text)
    page.get_by_label("Your name or initials").fill("R.S.")
    page.get_by_label("about the patch that was clicked").check()
    page.get_by_role("button", name="Keep note").click()
    expect(page.locator(".note p")).to_have_text(text)
    kept = json.loads((painted / "run" / "notes.json").read_text())["notes"][-1]
    assert (kept["text"], kept["by"], kept["slide"], kept["x"]) == (text, "R.S.", SLIDE, told["x"] + 128)
    expect(page.locator("path.leaflet-interactive")).to_have_count(1)
    other = opened(browser.new_page(), link(viewer))
    try:
        other.get_by_label("New note").fill("from another tab")
        other.get_by_role("button", name="Keep note").click()
        expect(other.locator(".note")).to_have_count(2)
    finally:
        other.close()
    page.get_by_label("New note").fill("third")
    page.get_by_role("button", name="Keep note").click()
    expect(page.locator(".note")).to_have_count(3)
    for left in (2, 1, 0):
        page.locator(".note").first.get_by_role("button", name="remove").click()
        expect(page.locator(".note")).to_have_count(left)
    assert json.loads((painted / "run" / "notes.json").read_text())["notes"] == []


def test_the_most_similar_patches_lead_to_their_places(page, viewer, painted):
    opened(page, link(viewer))
    told = patches(painted).iloc[0]
    page.mouse.click(*at(page, told["x"] + 128, told["y"] + 128))
    page.get_by_role("button", name="Find the most similar patches").click()
    expect(page.locator(".neighbours li")).to_have_count(8)
    first = page.locator(".neighbours a").nth(5)
    patient, slide = first.get_attribute("title").split(", ")[:2]
    first.click()
    expect(page.locator("#patient-title")).to_have_text(f"Patient {patient}")
    expect(page.locator("#slide")).to_have_value(slide)


def test_the_view_and_the_scores_can_be_taken_along(page, viewer, painted):
    opened(page, link(viewer, method="abmil", map="attention", opacity=100))
    with page.expect_download() as waited:
        page.get_by_role("button", name="Save picture").click()
    picture = np.asarray(Image.open(waited.value.path()).convert("RGB")).astype(int)
    box, best = page.locator(".map").bounding_box(), patches(painted).iloc[0]
    x, y = at(page, best["x"] + 128, best["y"] + 128)
    assert np.abs(picture[round((y - box["y"]) * 2), round((x - box["x"]) * 2)] - YELLOW).max() <= 3
    assert waited.value.suggested_filename == f"{PATIENT}-{SLIDE}-attention.png"
    with page.expect_download() as waited:
        page.get_by_role("link", name="Scores (CSV)").click()
    assert len(pd.read_csv(waited.value.path())) == len(patches(painted))


def test_a_patient_without_an_explanation_says_what_to_do_and_shows_the_slide(page, viewer):
    opened(page, f"{viewer}?patient={UNEXPLAINED}")
    expect(page.locator(".legend")).to_contain_text("prognoscope explain")
    assert page.locator("img.leaflet-tile").count() > 0
    page.goto(f"{viewer}?patient=nobody")
    expect(page.locator("#message")).to_contain_text("no patient nobody")


def test_a_replaced_slide_is_told_in_place(page, copied):
    (copied / "slides" / f"{SLIDE}.tiff").unlink()
    (copied / "slides" / "SIM-0002-A.tiff").rename(copied / "slides" / f"{SLIDE}.tiff")
    with viewing(copied / "run") as url:
        opened(page, link(url))
        expect(page.locator("#trouble")).to_contain_text("changed or replaced")
        page.locator("#people tr[data-patient=SIM-0002]").click()
        page.locator("#slide").select_option("SIM-0002-A")
        expect(page.locator("#trouble")).to_contain_text("--slides")
        expect(page.locator("img.heat")).to_have_count(1)


def test_hostile_names_are_text(page, copied):
    place = np.array([[0.0, 0.0], [256.0, 256.0]])
    names = ("<script>window.bad=1</script>", "../../etc", "=cmd()", "<img src=x onerror=window.bad=1>", "{x}&v=1#%41")
    write_explanation(copied / "run", "abmil", UNEXPLAINED, dict.fromkeys(names, place), size_px=(1024, 1024))
    with viewing(copied / "run") as url:
        opened(page, f"{url}?patient={UNEXPLAINED}")
        for name in names:
            page.locator("#slide").select_option(name)
            expect(page.locator("img.heat")).to_have_count(1)
            settled(page)
            assert page.locator("#slide").input_value() == name
        assert page.evaluate("window.bad") is None


def test_elsewhere_the_page_opens_by_its_token_alone(page, watched, painted, browser):
    with viewing(painted / "run", "--host", "0.0.0.0") as url:
        assert "?token=" in url
        opened(page, url)
        assert "token" not in page.url
        other = browser.new_page()
        try:
            assert other.goto(url.split("?")[0]).status == 401
        finally:
            other.close()
