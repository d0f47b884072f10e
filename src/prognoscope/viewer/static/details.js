// Beside the slide: the patient, the patch that was clicked, genes, notes.
import { address, get, send } from "./api.js";
import { byId, make, told } from "./dom.js";
import { permalink, state } from "./state.js";

const pairs = (rows) => make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

export function showPatient(row, methods) {
  byId("patient-title").textContent = `Patient ${row.patient}`;
  const risks = Object.entries(row.by_method).map(([name, each]) => [
    `Risk, ${name}`, `${told(each.risk)} (percentile ${Math.round(each.rank)})`]);
  const facts = [["Follow-up", `${row.time.toFixed(1)} months, ${row.event ? "event" : row.other ? "another event first" : "censored"}`]];
  if (row.subtype) facts.push(["Subtype", row.subtype]);
  const folds = [...new Set(Object.values(row.by_method).map((each) => each.fold))];
  if (folds.length) facts.push(["Tested in", `fold ${folds.join(", ")}`]);
  const notes = Object.entries(methods).flatMap(([name, each]) => each.notes.map((note) => make("p", { class: "quiet" }, `${name}: ${note}`)));
  byId("patient-facts").replaceChildren(pairs([...facts, ...risks]), ...notes);
  const curve = byId("curve");
  const ranks = Object.entries(row.by_method).map(([name, each]) => `${name}: percentile ${Math.round(each.rank)}`);
  curve.alt = `Predicted survival of ${row.patient} by method over months, with the curve of the whole cohort. ${ranks.join("; ")}.`;
  curve.src = address("/curve.svg", { patient: row.patient });
  curve.hidden = false;
}

export function showGenes(told_) {
  const section = byId("genes-section");
  const groups = told_?.gene_groups ?? [];
  const genes = told_?.genes ?? [];
  const modalities = told_?.modalities ?? [];
  section.hidden = !(groups.length || genes.length || modalities.length);
  const parts = [];
  if (modalities.length) parts.push(make("h3", {}, "What each modality adds"), ...bars(modalities, "modality"));
  if (groups.length) parts.push(make("h3", {}, "Gene groups"), ...bars(groups, "group"));
  if (genes.length) parts.push(make("h3", {}, "Genes that count most"), ...bars(genes, "gene", ["group", "value"]));
  byId("genes").replaceChildren(...parts);
}

function bars(rows, label, without = []) {
  const score = Object.keys(rows[0]).find((name) => name !== label && !without.includes(name) && typeof rows[0][name] === "number");
  if (!score) return [];
  const values = rows.map((each) => each[score] ?? 0);
  const most = Math.max(...values.map(Math.abs)) || 1;
  const isSigned = values.some((each) => each < 0);
  const ordered = rows.map((each, i) => [each, values[i]]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const lines = ordered.map(([each, value]) => {
    const share = (Math.abs(value) / most) * (isSigned ? 50 : 100);
    const left = isSigned ? (value < 0 ? 50 - share : 50) : 0;
    const kind = isSigned ? (value < 0 ? "down" : "up") : "";
    const fillBar = make("i", { class: kind, style: `left:${left}%;width:${share}%` });
    return make("div", { class: "gene" }, make("span", { title: String(each[label]) }, String(each[label])),
      make("span", { class: "track", "aria-hidden": "true" }, fillBar), make("span", { class: "value" }, told(value)));
  });
  return [make("p", { class: "quiet" }, `${score.replaceAll("_", " ")}${isSigned ? ": right raises the risk, left lowers it" : ""}`), ...lines];
}

let search = null;

export function clearPatch(sentence = "Click a place on the slide.") {
  search?.abort();
  byId("patch").replaceChildren(make("p", { class: "quiet" }, sentence));
}

export function showPatch(patch, slide, onGo) {
  search?.abort();
  const um = slide.mpp ? ` (${told((patch.x * slide.mpp) / 1000, 4)}, ${told((patch.y * slide.mpp) / 1000, 4)} mm)` : "";
  const side = slide.mpp ? `${told(patch.side_px)} px, ${told(patch.side_px * slide.mpp)} µm` : `${told(patch.side_px)} px`;
  const picture = slide.picture
    ? make("img", { class: "patch-image", alt: `The patch at ${patch.x}, ${patch.y}, enlarged`, src: address("/patch.jpg", { slide: slide.slide, x: patch.x, y: patch.y, side: patch.side_px, px: 448, v: slide.version }) })
    : make("p", { class: "quiet" }, "There is no picture of this slide.");
  const rows = patch.scores.map((each) => make("tr", { "data-map": each.map },
    make("th", { scope: "row" }, `${each.method ? `${each.method}: ` : ""}${each.map.replaceAll("_", " ")}`),
    make("td", { class: "number", title: String(each.value), "data-value": String(each.value) }, told(each.value)),
    make("td", { class: "number" }, `${Math.round(each.percentile)} %`)));
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Map"), make("th", { scope: "col", class: "number" }, "Score"), make("th", { scope: "col", class: "number" }, "Percentile")));
  const table = make("table", { class: "small-table" }, head, make("tbody", {}, ...rows));
  const near = make("div", { id: "near", "aria-live": "polite" });
  const button = make("button", { type: "button", id: "find-near" }, "Find the most similar patches of the cohort");
  button.addEventListener("click", () => findNear(patch, near, button, onGo));
  byId("patch").replaceChildren(picture, pairs([["Place", `${patch.x}, ${patch.y} px${um}`], ["Side", side]]), table, button, near);
}

async function findNear(patch, near, button, onGo) {
  search?.abort();
  search = new AbortController();
  button.disabled = true;
  near.replaceChildren(make("p", { class: "quiet" }, "Comparing embeddings, slide by slide …"));
  try {
    const answer = await get("/api/neighbours", { slide: patch.slide, x: patch.x, y: patch.y }, search.signal);
    const items = answer.found.map((each) => {
      const href = permalink({ patient: each.patient, slide: each.slide, px: each.x, py: each.y, x: each.x + each.side_px / 2, y: each.y + each.side_px / 2 });
      const link = make("a", { href, title: `${each.patient}, ${each.slide}, cosine ${each.likeness.toFixed(3)}` },
        make("img", { loading: "lazy", alt: "", src: address("/patch.jpg", { slide: each.slide, x: each.x, y: each.y, side: each.side_px, px: 96 }) }),
        each.likeness.toFixed(3), make("br"), each.patient);
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        onGo(each);
      });
      return make("li", {}, link);
    });
    const passed = answer.passed ? ` ${answer.passed} could not be compared.` : "";
    near.replaceChildren(make("p", { class: "quiet" }, `Cosine of embeddings, over ${answer.slides} slides, at most two a slide.${passed}`), make("ul", { class: "neighbours" }, ...items));
  } catch (error) {
    if (error.name === "AbortError") return;
    near.replaceChildren(make("p", { class: "note-box" }, error.message));
  } finally {
    button.disabled = false;
  }
}

export function showNotes(notes, onGo, onRemove) {
  const cards = notes.map((note) => {
    const when = new Date(note.written).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    const foot = make("footer", {}, make("span", {}, [note.by, when].filter(Boolean).join(", ")));
    if (note.slide) {
      const go = make("button", { type: "button", class: "link" }, "show place");
      go.addEventListener("click", () => onGo(note));
      foot.append(go);
    }
    const gone = make("button", { type: "button", class: "link", "aria-label": `remove the note: ${note.text.slice(0, 40)}` }, "remove");
    gone.addEventListener("click", () => onRemove(note));
    foot.append(gone);
    return make("article", { class: "note" }, make("p", {}, note.text), foot);
  });
  byId("notes").replaceChildren(...(cards.length ? cards : [make("p", { class: "quiet" }, "None yet. Notes are kept in the run.")]));
}

export const keepNote = (note) => send("POST", "/api/notes", note);
export const dropNote = (note) => send("DELETE", "/api/notes", { id: note.id, patient: note.patient });
