import io
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.testclient import TestClient

from prognoscope.report.page import write_report
from prognoscope.runs.read import open_finished
from prognoscope.slides.readers import open_slide
from prognoscope.viewer.access import Guard
from prognoscope.viewer.app import Viewer
from prognoscope.viewer.facts import Facts
from prognoscope.viewer.serve import _leaflet
from tests.viewer.by_hand import MAPS, write_explanation
from tests.viewer.conftest import UNEXPLAINED

PATIENT, SLIDE = "SIM-0001", "SIM-0001-A"
MAP = {"method": "abmil", "patient": PATIENT, "slide": SLIDE, "map": "attention"}
HOSTILE = [
    "../../etc/passwd",
    "..",
    "/etc/passwd",
    "<script>alert(1)</script>",
    "=cmd()",
    "SIM-0001\0",
    "%2e%2e%2f",
    ".",
]


def client_of(run, *, slides=None, token="", **more) -> TestClient:
    app = Guard(Viewer(Facts(open_finished(run), slides), _leaflet()).app(), token)
    return TestClient(app, base_url="http://127.0.0.1:8765", follow_redirects=False, **more)


@pytest.fixture(scope="module")
def client(painted):
    return client_of(painted / "run")


def patches(painted, method="abmil", patient=PATIENT) -> pd.DataFrame:
    return pd.read_parquet(painted / "run" / "explanations" / method / patient / "patches.parquet")


def test_the_page_and_all_that_it_loads_are_served_from_here(client):
    page = client.get("/")
    assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
    names = [
        "main.js",
        "people.js",
        "panel.js",
        "details.js",
        "export.js",
        "state.js",
        "api.js",
        "dom.js",
        "viewer.css",
    ]
    for name in [*names, "leaflet.js", "leaflet.css"]:
        found = client.get(f"/static/{name}")
        assert found.status_code == 200 and "http://" not in found.text.replace("http://www.w3.org", ""), name


def test_the_run_is_told_as_its_tables_have_it(client, painted):
    told = client.get("/api/run").json()
    predicted = pd.concat(
        pd.read_csv(p, float_precision="round_trip") for p in (painted / "run" / "abmil").glob("fold_*/predictions.csv")
    )
    by_patient = {row["patient"]: row for row in told["patients"]}
    assert len(by_patient) == len(predicted) == 20 and [each["title"] for each in told["methods"]] == [
        "abmil",
        "meanmil",
    ]
    for row in predicted.itertuples():
        own = by_patient[row.patient_id]
        assert own["by_method"]["abmil"]["risk"] == row.risk and own["by_method"]["abmil"]["fold"] == row.fold
        assert (own["time"], own["event"]) == (row.time, bool(row.event))
    assert by_patient[UNEXPLAINED]["explained"] == [] and by_patient[PATIENT]["explained"] == ["abmil", "meanmil"]
    originals = client.get("/api/originals").json()
    subtypes = pd.read_csv(painted / "subtypes.csv").set_index("patient_id")["subtype"]
    assert originals["subtypes"] == subtypes.to_dict() and originals["troubles"] == []


def test_a_slide_its_tiles_and_its_map_lie_on_each_other(client, painted):
    slide = client.get("/api/slide", params={"slide": SLIDE}).json()
    assert (slide["size_px"], slide["mpp"], slide["top"], slide["trouble"]) == ([1024, 1024], 0.5, 10, "")
    tile = client.get("/tiles/10/1/2.jpg", params={"slide": SLIDE})
    with open_slide(painted / "slides" / f"{SLIDE}.tiff") as original:
        pixels = original.read(256, 512, 0, 256, 256)
    shown = np.asarray(Image.open(io.BytesIO(tile.content))).astype(int)
    assert np.abs(shown - pixels).mean() < 3 and tile.headers["content-type"] == "image/jpeg"
    told = client.get("/api/layer", params=MAP).json()
    table = patches(painted)
    left, top, right, bottom = told["box_px"]
    assert (left, top) == (table["x"].min(), table["y"].min())
    assert (right, bottom) == (table["x"].max() + 256, table["y"].max() + 256)
    assert told["patches"] == len(table) and told["high"] == 0.5 and told["faithfulness"]["deletion_area"] == 0.21
    picture = np.asarray(Image.open(io.BytesIO(client.get("/layer.png", params=MAP).content)))
    first = table.iloc[0]
    at = int((first["y"] - top) / 256), int((first["x"] - left) / 256)
    assert picture[at].tolist() == [253, 231, 36, 255], "the highest attention has the last colour"


def test_a_patch_says_what_its_table_says(client, painted):
    table = patches(painted)
    row = table.iloc[3]
    place = {k: MAP[k] for k in ("method", "patient", "slide")} | {"x": row["x"] + 200, "y": row["y"] + 13}
    told = client.get("/api/patch", params=place).json()
    assert (told["x"], told["y"], told["side_px"]) == (row["x"], row["y"], 256.0)
    assert {each["map"]: each["value"] for each in told["scores"]} == {n: row[n] for n in ("attention", "gradient")}
    assert client.get("/api/patch", params=place | {"x": -500}).json() is None
    picture = client.get("/patch.jpg", params={"slide": SLIDE, "x": row["x"], "y": row["y"], "side": 256, "px": 128})
    assert Image.open(io.BytesIO(picture.content)).size == (128, 128)


def test_the_nearest_patches_are_those_of_the_smallest_angle(client, painted):
    row = patches(painted).iloc[2]
    told = client.get("/api/neighbours", params={"slide": SLIDE, "x": int(row["x"]), "y": int(row["y"])}).json()
    likeness = [each["likeness"] for each in told["found"]]
    assert len(likeness) == 8 and likeness == sorted(likeness, reverse=True) and likeness[0] <= 1
    assert (SLIDE, row["x"], row["y"]) not in {(each["slide"], each["x"], each["y"]) for each in told["found"]}
    nowhere = client.get("/api/neighbours", params={"slide": SLIDE, "x": 1, "y": 1})
    assert nowhere.status_code == 422 and "none at 1, 1" in nowhere.json()["error"]


def test_scores_can_be_taken_along(client, painted):
    answer = client.get("/patches.csv", params=MAP)
    assert answer.headers["content-disposition"].startswith("attachment")
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(answer.text)),
        pd.read_csv(painted / "run" / "explanations" / "abmil" / PATIENT / "patches.csv"),
    )


def test_geojson_is_offered_where_it_was_kept(copied):
    (copied / "run" / "explanations" / "abmil" / PATIENT / f"{SLIDE}.attention.geojson").write_text('{"type": "x"}')
    client = client_of(copied / "run")
    assert client.get("/api/layer", params=MAP).json()["geojson"] is True
    assert client.get("/map.geojson", params=MAP).json() == {"type": "x"}
    assert client.get("/map.geojson", params=MAP | {"map": "gradient"}).status_code == 404


def test_the_survival_curve_is_a_picture_that_names_the_methods(client):
    figure = client.get("/curve.svg", params={"patient": PATIENT})
    assert figure.headers["content-type"].startswith("image/svg") and "meanmil, this patient" in figure.text


@pytest.mark.parametrize("name", HOSTILE)
def test_only_what_the_run_knows_is_served(client, name):
    asked = [
        ("/tiles/10/0/0.jpg", {"slide": name}, (404,)),
        ("/patch.jpg", {"slide": name, "x": 0, "y": 0, "side": 256, "px": 64}, (404,)),
        ("/api/patient", {"patient": name}, (422,)),
        ("/api/slide", {"slide": name}, (422,)),
        ("/curve.svg", {"patient": name}, (422,)),
        ("/api/notes", {"patient": name}, (422,)),
        *(
            (path, MAP | {key: name}, (404, 422))
            for path in ("/api/layer", "/layer.png", "/map.geojson")
            for key in MAP
        ),
        *(("/patches.csv", MAP | {key: name}, (422,)) for key in ("method", "patient", "slide")),
        *(("/api/patch", MAP | {"x": 5, "y": 5, key: name}, (422,)) for key in ("method", "patient", "slide")),
    ]
    for path, query, codes in asked:
        answer = client.get(path, params=query)
        assert answer.status_code in codes, (path, query)
        assert "root:" not in answer.text
    for path in (f"/static/{name}", f"/{name}", f"/static/../{name}", "/run/study.yaml", "/static/../app.py"):
        answer = client.get(quote(path, safe="/.%"))
        assert answer.status_code in (307, 404) or answer.text == client.get("/").text, path  # a client may shorten ..


@pytest.mark.parametrize(
    "query", [{"x": "nan"}, {"y": "1e99"}, {"side": "0"}, {"side": "inf"}, {"px": "many"}, {"x": ""}]
)
def test_numbers_that_are_none_are_refused(client, query):
    answer = client.get("/patch.jpg", params={"slide": SLIDE, "x": 0, "y": 0, "side": 256, "px": 64} | query)
    assert answer.status_code == 422 and answer.json()["error"]


def test_a_run_without_explanations_says_how_to_make_them(client):
    told = client.get("/api/patient", params={"patient": UNEXPLAINED}).json()
    assert told["methods"] == {} and told["cure"].startswith("prognoscope explain ") and UNEXPLAINED in told["cure"]


def test_hostile_ids_in_explanations_are_text_and_never_places(copied):
    coords = np.array([[0.0, 0.0], [256.0, 0.0]])
    for k, name in enumerate(("../../etc", "<script>alert(1)</script>", "=cmd()")):
        write_explanation(copied / "run", "abmil", PATIENT, {name: coords}, folder=f"odd-{k}")
        client = client_of(copied / "run")
        assert name in client.get("/api/patient", params={"patient": PATIENT}).json()["slides"]
        asked = MAP | {"slide": name}
        assert client.get("/api/layer", params=asked).json()["patches"] == 2
        assert client.get("/map.geojson", params=asked).status_code == 404
        assert client.get("/tiles/8/0/0.jpg", params={"slide": name}).status_code == 404
        table = client.get("/patches.csv", params=asked)
        assert "/" not in table.headers["content-disposition"].split("''")[1]
        assert not any(line.startswith(("=", '"=')) for line in table.text.splitlines())


def test_what_the_report_links_to_is_served_and_nothing_beside_it(copied, sketched):
    write_report(copied / "run")
    client = client_of(copied / "run")
    report = client.get("/report.html").text
    page = re.search(rf'href="(patients/{PATIENT}\.html)"', report)[1]
    shown = client.get(f"/{page}")
    assert shown.status_code == 200 and "script-src 'unsafe-inline'" in shown.headers["content-security-policy"]
    link = re.search(r'href="\.\./(explanations/[^"]+/explanation\.json)"', shown.text)[1]
    assert client.get(f"/{link}").json()["patient"] == PATIENT
    folder = link.removesuffix("explanation.json")
    for path in (f"{folder}manifest.json", "patients/report.html", "explanations/a/b/c", "explanations/abmil/b/c"):
        assert client.get(f"/{path}").status_code == 404, path
    for odd in set(HOSTILE) - {".", ".."}:  # of which clients make other paths
        assert client.get(f"/patients/{quote(odd, safe='')}").status_code in (404, 307)
        assert client.get(f"/{folder}{quote(odd, safe='')}").status_code in (404, 307)


def test_a_damaged_explanation_is_left_out_and_told(copied, caplog):
    place = copied / "run" / "explanations" / "abmil" / PATIENT
    (place / "explanation.json").write_text("{")
    (copied / "run" / "explanations" / "meanmil" / PATIENT / "patches.parquet").write_bytes(b"nothing")
    client = client_of(copied / "run")
    assert list(client.get("/api/patient", params={"patient": PATIENT}).json()["methods"]) == ["meanmil"]
    assert str(place) in caplog.text
    answer = client.get("/api/layer", params=MAP | {"method": "meanmil"})
    assert answer.status_code == 422 and "is not what the run wrote there" in answer.json()["error"]


def test_notes_are_kept_in_the_run_escaped_by_nobody_and_lost_by_nobody(copied):
    client = client_of(copied / "run")
    text = "<img src=x onerror=alert(1)> \u2013 =cmd()"
    told = client.post(
        "/api/notes", json={"patient": PATIENT, "text": text, "by": "R", "slide": SLIDE, "x": 10, "y": 20}
    )
    assert told.status_code == 201 and told.json()[0]["text"] == text
    assert json.loads((copied / "run" / "notes.json").read_text())["notes"][0]["text"] == text
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: client.post("/api/notes", json={"patient": PATIENT, "text": f"note {k}"}), range(24)))
    notes = client.get("/api/notes", params={"patient": PATIENT}).json()
    assert len(notes) == 25 and {each["text"] for each in notes} >= {f"note {k}" for k in range(24)}
    gone = {"id": notes[0]["id"], "patient": PATIENT}
    assert len(client.request("DELETE", "/api/notes", json=gone).json()) == 24
    assert client.get("/api/run").json()["patients"][0]["notes"] == 24


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ({"patient": PATIENT, "text": "  "}, "empty"),
        ({"patient": PATIENT, "text": "x" * 4001}, "4000 is the most"),
        ({"patient": PATIENT, "text": "x" * 40_000}, "too long"),
        ({"patient": "nobody", "text": "x"}, "no such patient"),
        ({"patient": PATIENT, "text": "x", "slide": "SIM-0002-A"}, "another patient"),
        ({"patient": PATIENT, "text": "x", "slide": "../.."}, "no such slide"),
        ({"patient": PATIENT, "text": ["x"]}, "no text"),
        ({"patient": PATIENT, "text": "x", "x": "1", "y": 2}, "two numbers"),
        ([1], "object"),
    ],
)
def test_a_note_that_cannot_be_is_refused_in_a_sentence(client, note, told):
    answer = client.post("/api/notes", json=note)
    assert answer.status_code == 422 and told in answer.json()["error"]


def test_other_pages_cannot_write_notes(client):
    sent = json.dumps({"patient": PATIENT, "text": "x"})
    answer = client.post("/api/notes", content=sent, headers={"content-type": "text/plain"})
    assert answer.status_code == 422, "a form of another page may send text unasked, but no JSON"


def test_damaged_notes_are_not_written_over(copied):
    (copied / "run" / "notes.json").write_text("{")
    client = client_of(copied / "run")
    answer = client.post("/api/notes", json={"patient": PATIENT, "text": "x"})
    assert answer.status_code == 422 and "notes.json" in answer.json()["error"]
    assert (copied / "run" / "notes.json").read_text() == "{" and client.get("/api/run").status_code == 200


def test_a_run_that_cannot_be_written_says_so(copied, monkeypatch):
    client = client_of(copied / "run")

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("prognoscope.viewer.notes.claimed", refused)
    answer = client.post("/api/notes", json={"patient": PATIENT, "text": "x"})
    assert answer.status_code == 500 and "notes.json could not be written" in answer.json()["error"]


def test_a_method_without_maps_and_a_slide_without_patches_open_all_the_same(copied):
    run = copied / "run"
    for method, coords, maps in (("abmil", [[0, 0]], ()), ("meanmil", np.zeros((0, 2)), MAPS)):
        shutil.rmtree(run / "explanations" / method / PATIENT)
        write_explanation(run, method, PATIENT, {SLIDE: np.array(coords, float)}, maps=maps)
    client = client_of(run)
    assert client.get("/api/patient", params={"patient": PATIENT}).json()["methods"]["abmil"]["maps"] == []
    assert client.get("/api/layer", params=MAP | {"method": "meanmil"}).json()["patches"] == 0


def test_on_loopback_only_this_machine_s_names_are_answered(painted):
    client = client_of(painted / "run")
    for host in ("evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "192.168.0.1:8765"):
        assert client.get("/api/run", headers={"host": host}).status_code == 421, host
    for host in ("localhost:8765", "127.0.0.1", "[::1]:8765"):
        assert client.get("/", headers={"host": host}).status_code == 200, host


def test_elsewhere_a_token_is_asked_for_once_and_a_cookie_from_then_on(painted):
    client = client_of(painted / "run", token="right")
    for path in ("/", "/?token=wrong", "/?token=", "/api/run?token=righ", "/static/main.js"):
        answer = client.get(path)
        assert answer.status_code == 401 and "prognoscope view" in answer.text, path
    first = client.get("/?patient=SIM-0001&token=right")
    assert first.status_code == 303 and first.headers["location"] == "/?patient=SIM-0001"
    assert "HttpOnly" in first.headers["set-cookie"] and "SameSite=Strict" in first.headers["set-cookie"]
    assert client.get("/api/run").status_code == 200
    client.cookies.clear()
    assert client.get("/api/run").status_code == 401


def test_the_report_of_the_run_is_served_and_nothing_beside_it(client, painted):
    assert client.get("/report.html").text == (painted / "run" / "report.html").read_text(encoding="utf-8")
    for name in ("study.yaml", "metrics.csv", "abmil/fold_0/model.safetensors", "../study.yaml"):
        assert client.get(f"/{name}").status_code == 404
