// Ties the parts together: one patient, one slide, one or two maps, always with an address of its own.
import { address, get } from "./api.js";
import * as details from "./details.js";
import { byId, fill, make } from "./dom.js";
import { savePicture } from "./export.js";
import { Panel } from "./panel.js";
import * as people from "./people.js";
import { keepAddress, readAddress, state } from "./state.js";

const shown = { run: null, patient: null, slide: null, notes: [], panels: [], patch: null };
let isSyncing = false;
let asking = null;

const say = (text) => { byId("message").textContent = text; };
const guarded = (work) => async (...args) => {
  try {
    return await work(...args);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message);
    return undefined;
  }
};

const handlers = {
  moved(panel) {
    if (isSyncing || shown.panels.length < 2) return;
    isSyncing = true;
    for (const other of shown.panels) {
      if (other !== panel) other.leaflet.setView(panel.leaflet.getCenter(), panel.leaflet.getZoom(), { animate: false });
    }
    isSyncing = false;
  },
  rested(panel) {
    if (panel !== shown.panels[0] || !panel.slide?.size_px || isPlacing) return;
    Object.assign(state, panel.isWhole ? { x: undefined, y: undefined, z: undefined } : panel.view());
    keepAddress();
  },
  clicked: guarded(async (panel, at) => {
    await showPatchAt(at.x, at.y);
    byId("patch-title").scrollIntoView({ block: "nearest" });
    byId("patch").scrollIntoView({ block: "nearest" });
  }),
  changed(panel) {
    if (panel === shown.panels[0]) details.showGenes(shown.patient?.methods[panel.get("method")]);
    offerFiles();
    keepAddress();
    if (state.px !== undefined && state.px !== null) guarded(refreshPatch)();
  },
  layered(panel, about) { if (panel === shown.panels[0]) offerFiles(about); },
};
let isPlacing = false;

function buildPanels() {
  const isSplit = state.split === "1";
  for (const panel of shown.panels) panel.unmount();
  const names = isSplit ? [["left map", ""], ["right map", "2"]] : [["map", ""]];
  shown.panels = names.map(([name, suffix]) => new Panel(name, suffix, handlers));
  byId("panels").replaceChildren(...shown.panels.map((panel) => panel.element));
  for (const panel of shown.panels) panel.mount(isSplit);
  byId("split").setAttribute("aria-pressed", String(isSplit));
}

async function choosePatient(id, { isNew = true, keep = false } = {}) {
  const row = people.foundPatient(id);
  if (!row) throw new Error(`The run has no patient ${id}. Choose one from the table.`);
  const ask = (asking = {});
  state.patient = id;
  if (!keep) for (const name of ["slide", "z", "x", "y", "px", "py"]) state[name] = undefined;
  if (isNew) keepAddress(true);
  people.markChosen();
  say("");
  const about = await get("/api/patient", { patient: id });
  if (ask !== asking) return;
  shown.patient = about;
  document.title = `${id} · ${shown.run.name} · Prognoscope`;
  details.showPatient(row, about.methods);
  for (const panel of shown.panels) panel.offerMethods(about);
  details.showGenes(about.methods[state.method]);
  const slides = about.slides;
  fill(byId("slide"), slides.length ? slides.map((each) => [each, each]) : [["", "none"]], state.slide);
  byId("slide").disabled = slides.length < 2;
  await Promise.all([chooseSlide(slides.length ? byId("slide").value : "", { keep, ask }), loadNotes(id)]);
}

async function chooseSlide(id, { keep = false, ask = (asking = {}) } = {}) {
  state.slide = id;
  if (!keep) for (const name of ["z", "x", "y", "px", "py"]) state[name] = undefined;
  details.clearPatch();
  const slide = id ? await get("/api/slide", { slide: id }) : null;
  if (ask !== asking) return;
  shown.slide = slide;
  const trouble = slide?.trouble ?? "";
  byId("trouble").textContent = trouble;
  byId("trouble").hidden = !trouble;
  const view = keep && Number.isFinite(state.x) && Number.isFinite(state.y) ? { x: state.x, y: state.y, z: Number.isFinite(state.z) ? state.z : slide?.top ?? 0 } : null;
  isPlacing = true;
  for (const panel of shown.panels) {
    panel.leaflet.invalidateSize({ animate: false });
    panel.showSlide(slide, view);
  }
  isPlacing = false;
  tellEmpty();
  await Promise.all(shown.panels.map((panel) => panel.drawLayer()));
  pinNotes();
  offerFiles();
  if (keep && Number.isFinite(state.px) && Number.isFinite(state.py)) await refreshPatch();
  keepAddress();
}

function tellEmpty() {
  const hasMaps = Object.keys(shown.patient.methods).length > 0;
  for (const panel of shown.panels) {
    if (!shown.slide) panel.tell(make("strong", {}, "This patient has no slides."), make("p", {}, "What methods say of the genes and the survival is on the right."));
    else if (!hasMaps && !shown.slide.picture) panel.tell(make("strong", {}, "Nothing is kept to be shown here yet."), explainCure());
    else if (!shown.slide.size_px) panel.tell(make("strong", {}, "There is neither a picture nor a place of any patch."), make("p", {}, "The embeddings of this slide have no coordinates, so no map can be placed."));
    else panel.tell();
  }
}
const explainCure = () => make("p", {}, "Explain the patient with", make("code", {}, shown.patient.cure));

async function showPatchAt(x, y) {
  if (!shown.slide?.size_px) return;
  const found = await Promise.all(shown.panels.map((panel) => panel.hasPatches()
    ? get("/api/patch", { method: panel.get("method"), patient: state.patient, slide: shown.slide.slide, x, y }) : null));
  const first = found.find(Boolean);
  if (!first) {
    state.px = state.py = undefined;
    for (const panel of shown.panels) panel.frameAt(0, 0, 0);
    details.clearPatch("There is no patch at that place.");
    keepAddress();
    return;
  }
  shown.patch = first;
  state.px = first.x;
  state.py = first.y;
  const isTwo = shown.panels.length > 1 && shown.panels[0].get("method") !== shown.panels[1].get("method");
  const scores = found.filter(Boolean).flatMap((each, i) => (i && !isTwo ? [] : each.scores.map((score) => ({ ...score, method: isTwo ? shown.panels[i].get("method") : "" }))));
  for (const panel of shown.panels) panel.frameAt(first.x, first.y, first.side_px);
  details.showPatch({ ...first, scores }, shown.slide, guarded(goTo));
  noteHere();
  keepAddress();
}
const refreshPatch = () => showPatchAt(state.px + 1e-3, state.py + 1e-3);

async function goTo(place) {
  const side = place.side_px ?? 0;
  Object.assign(state, { slide: place.slide, x: place.x + side / 2, y: place.y + side / 2, z: shown.panels[0].view().z });
  Object.assign(state, side ? { px: place.x, py: place.y } : {});
  await choosePatient(place.patient, { keep: true });
}

async function loadNotes(patient) {
  try {
    shown.notes = await get("/api/notes", { patient });
  } catch (error) {
    shown.notes = [];
    byId("notes").replaceChildren(make("p", { class: "note-box" }, error.message));
    return;
  }
  if (patient === state.patient) drawNotes();
}

function drawNotes() {
  details.showNotes(shown.notes, guarded(goTo), guarded(async (note) => { shown.notes = await details.dropNote(note); drawNotes(); }));
  people.noted(state.patient, shown.notes.length);
  pinNotes();
}
function pinNotes() { for (const panel of shown.panels) if (panel.slide) panel.pin(shown.notes); }
function noteHere() { byId("note-here-told").textContent = Number.isFinite(state.px) ? "about the patch that was clicked" : "about the middle of the view"; }

const keepNote = guarded(async (event) => {
  event.preventDefault();
  const note = { patient: state.patient, text: byId("note-text").value, by: byId("note-by").value };
  if (byId("note-here").checked && shown.slide?.size_px) {
    const half = (shown.patch?.side_px ?? 0) / 2;
    const at = Number.isFinite(state.px) ? { x: state.px + half, y: state.py + half } : shown.panels[0].view();
    Object.assign(note, { slide: shown.slide.slide, x: Math.round(at.x), y: Math.round(at.y) });
  }
  shown.notes = await details.keepNote(note);
  byId("note-text").value = "";
  localStorage.setItem("prognoscope-by", note.by);
  say("");
  drawNotes();
});

function offerFiles(about) {
  const asked = shown.panels[0]?.asked();
  byId("export-csv").hidden = !asked;
  if (asked) byId("export-csv").href = address("/patches.csv", asked);
  const told = about ?? shown.panels[0]?.about;
  byId("export-geojson").hidden = !(asked && told?.geojson);
  if (asked) byId("export-geojson").href = address("/map.geojson", asked);
}

function redrawLayers() {
  byId("least-told").textContent = `${state.least} %`;
  for (const panel of shown.panels) panel.drawLayer();
  keepAddress();
}

const splitOrNot = guarded(async () => {
  const view = shown.slide?.size_px ? shown.panels[0].view() : {};
  state.split = state.split === "1" ? undefined : "1";
  buildPanels();
  Object.assign(state, view);
  for (const panel of shown.panels) panel.offerMethods(shown.patient);
  await chooseSlide(state.slide, { keep: true });
});

function onKey(event) {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (at.closest("input, textarea, select")) return;
  const isInMap = at.closest(".map") !== null;
  const first = shown.panels[0];
  const keys = {
    j: () => people.step(1), k: () => people.step(-1),
    ArrowDown: isInMap ? null : () => people.step(1), ArrowUp: isInMap ? null : () => people.step(-1),
    "+": isInMap ? null : () => first.leaflet.zoomIn(), "=": isInMap ? null : () => first.leaflet.zoomIn(), "-": isInMap ? null : () => first.leaflet.zoomOut(),
    0: () => first.fit(), m: () => first.stepMap(1), M: () => first.stepMap(-1),
    o: () => { setOpacity(state.opacity ? 0 : 60); }, s: splitOrNot, l: () => stepSlide(), n: () => byId("note-text").focus(), "?": () => byId("help").showModal(),
  };
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function stepSlide() {
  const select = byId("slide");
  if (select.length < 2) return;
  select.selectedIndex = (select.selectedIndex + 1) % select.length;
  guarded(chooseSlide)(select.value);
}

function setOpacity(value) {
  state.opacity = value;
  byId("opacity").value = value;
  for (const panel of shown.panels) panel.fade();
  keepAddress();
}

function showSettings() {
  byId("scale").value = state.scale === "value" ? "value" : "rank";
  byId("opacity").value = state.opacity;
  byId("least").value = state.least;
  byId("least-told").textContent = `${state.least} %`;
}

async function arrive() {
  readAddress();
  showSettings();
  buildPanels();
  noteHere();
  const wanted = state.patient ?? people.firstPatient()?.patient;
  if (wanted) await choosePatient(wanted, { isNew: false, keep: state.patient !== undefined });
}

function listen() {
  byId("slide").addEventListener("change", (event) => guarded(chooseSlide)(event.target.value));
  byId("scale").addEventListener("change", (event) => { state.scale = event.target.value; redrawLayers(); });
  byId("opacity").addEventListener("input", (event) => setOpacity(Number(event.target.value)));
  byId("least").addEventListener("input", (event) => { byId("least-told").textContent = `${event.target.value} %`; });
  byId("least").addEventListener("change", (event) => { state.least = Number(event.target.value); redrawLayers(); });
  byId("split").addEventListener("click", splitOrNot);
  byId("fit").addEventListener("click", () => shown.panels[0].fit());
  byId("export-png").addEventListener("click", guarded(() => savePicture(shown.panels, `${state.patient} ${shown.slide?.slide ?? ""} ${state.map ?? ""}`)));
  byId("note-form").addEventListener("submit", keepNote);
  byId("note-by").value = localStorage.getItem("prognoscope-by") ?? "";
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  document.addEventListener("keydown", onKey);
  window.addEventListener("popstate", guarded(arrive));
}

guarded(async () => {
  const run = (shown.run = await get("/api/run"));
  byId("run-name").textContent = run.name;
  const optimistic = run.methods.filter((each) => each.optimistic).map((each) => each.title);
  byId("run-about").textContent = `${run.patients.length} patients, protocol ${run.protocol}${optimistic.length ? `; optimistic: ${optimistic.join(", ")}` : ""}`;
  byId("report-link").hidden = !run.report;
  document.title = `${run.name} · Prognoscope`;
  people.setUp(run, guarded((id) => choosePatient(id)));
  listen();
  const originals = get("/api/originals").then((found) => {
    people.addOriginals(found);
    people.markChosen();
    const row = people.foundPatient(state.patient);
    if (row && shown.patient) details.showPatient(row, shown.patient.methods);
  });
  await arrive();
  await originals;
  document.body.dataset.ready = "1"; // for whoever waits until everything is there
})();
