// The table of patients: filtered, sorted, walked through by keys.
import { byId, fill, make, told } from "./dom.js";
import { permalink, state } from "./state.js";

const COLUMNS = [
  { key: "patient", title: "Patient", of: (p) => p.patient },
  { key: "risk", title: "Risk", number: true, of: (p) => risk(p)?.rank ?? null },
  { key: "time", title: "Months", number: true, of: (p) => p.time },
  { key: "event", title: "Event", of: (p) => status(p) },
  { key: "subtype", title: "Subtype", of: (p) => p.subtype ?? "" },
  { key: "fold", title: "Fold", number: true, of: (p) => risk(p)?.fold ?? null },
];
const status = (p) => (p.event ? 1 : p.other ? 2 : 0); // 2: another event came first
const THIRDS = { high: [200 / 3, 100], middle: [100 / 3, 200 / 3], low: [-1, 100 / 3] };

let people = [];
let shown = [];
let sort = { key: "risk", down: true };
let choose = () => {};
let method = "";

const risk = (patient) => patient.by_method[method];

export function setUp(run, onChoose) {
  people = run.patients;
  choose = onChoose;
  method = fill(byId("risk-method"), run.methods.map((each) => [each.title, each.optimistic ? `${each.title} (optimistic)` : each.title]));
  byId("risk-method").addEventListener("change", (event) => { method = event.target.value; foldsAnew(); draw(); });
  byId("filter-event").options[3].hidden = !people.some((each) => each.other);
  byId("filters").addEventListener("input", draw);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filter-clear").addEventListener("click", () => { byId("filters").reset(); byId("risk-method").value = method; draw(); });
  const row = byId("people").tHead.rows[0];
  for (const column of COLUMNS) {
    const button = make("button", { type: "button", on: { click: () => sortBy(column.key) } }, column.title);
    row.append(make("th", { scope: "col", "data-key": column.key, class: column.number ? "number" : false }, button));
  }
  foldsAnew();
  draw();
}

export function addOriginals(found) {
  for (const patient of people) patient.subtype = found.subtypes[patient.patient];
  const all = [...new Set(Object.values(found.subtypes))].sort();
  fill(byId("filter-subtype"), [["", "all"], ...all.map((each) => [each, each])]);
  draw();
}

export function foundPatient(id) { return people.find((each) => each.patient === id); }
export function firstPatient() { return shown.find((each) => each.explained.length) ?? shown[0]; }
export function step(by) {
  const at = shown.findIndex((each) => each.patient === state.patient);
  const next = shown[Math.min(Math.max(at + by, 0), shown.length - 1)];
  if (next && next.patient !== state.patient) choose(next.patient);
}
export function noted(patient, notes) {
  const found = foundPatient(patient);
  if (found && found.notes !== notes) { found.notes = notes; draw(); }
}

function foldsAnew() {
  const folds = [...new Set(people.map((each) => risk(each)?.fold).filter((each) => each !== undefined))].sort((a, b) => a - b);
  fill(byId("filter-fold"), [["", "all"], ...folds.map((each) => [String(each), String(each)])], byId("filter-fold").value);
}

function sortBy(key) {
  sort = { key, down: sort.key === key ? !sort.down : key === "risk" };
  draw();
}

function isAsked(patient) {
  const value = (id) => byId(id).value;
  const text = value("filter-text").trim().toLowerCase();
  const third = THIRDS[value("filter-risk")];
  const rank = risk(patient)?.rank;
  return (!text || patient.patient.toLowerCase().includes(text))
    && (!third || (rank !== undefined && rank > third[0] && rank <= third[1]))
    && (!value("filter-event") || Number(value("filter-event")) === status(patient))
    && (!value("filter-subtype") || patient.subtype === value("filter-subtype"))
    && (!value("filter-fold") || String(risk(patient)?.fold) === value("filter-fold"))
    && (value("filter-from") === "" || patient.time >= Number(value("filter-from")))
    && (value("filter-to") === "" || patient.time <= Number(value("filter-to")));
}

function compare(a, b) {
  const { of } = COLUMNS.find((each) => each.key === sort.key);
  const [one, other] = [of(a), of(b)];
  if (one === null || other === null) return (one === null) - (other === null);
  const order = typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other;
  return (sort.down ? -order : order) || a.patient.localeCompare(b.patient, "en", { numeric: true });
}

export function draw() {
  shown = people.filter(isAsked).sort(compare);
  for (const th of byId("people").tHead.rows[0].cells) {
    const isIt = th.dataset.key === sort.key;
    th.setAttribute("aria-sort", isIt ? (sort.down ? "descending" : "ascending") : "none");
    const { title } = COLUMNS.find((each) => each.key === th.dataset.key);
    th.firstChild.textContent = isIt ? `${title} ${sort.down ? "↓" : "↑"}` : title;
  }
  byId("people").tBodies[0].replaceChildren(...shown.map(row));
  byId("people-count").textContent = shown.length === people.length ? `${people.length} patients` : `${shown.length} of ${people.length} patients`;
  byId("filter-clear").hidden = shown.length === people.length;
}

export function markChosen() {
  for (const tr of byId("people").tBodies[0].rows) {
    const isIt = tr.dataset.patient === state.patient;
    tr.classList.toggle("chosen", isIt);
    if (isIt) tr.querySelector("a").setAttribute("aria-current", "true");
    else tr.querySelector("a").removeAttribute("aria-current");
    if (isIt) tr.scrollIntoView({ block: "nearest" });
  }
}

function row(patient) {
  const own = risk(patient);
  const href = permalink({ patient: patient.patient, slide: "", z: null, x: null, y: null, px: null, py: null });
  const isIt = patient.patient === state.patient;
  const marks = [patient.explained.length ? null : "not explained", patient.notes ? `${patient.notes} note${patient.notes > 1 ? "s" : ""}` : null];
  const title = [patient.patient, ...marks.filter(Boolean)].join(", ");
  const bar = own ? make("span", { class: "riskbar", "aria-hidden": "true" }, make("i", { style: `width:${own.rank}%` })) : null;
  const link = make("a", { href, title, "aria-current": isIt ? "true" : false }, patient.patient);
  const dots = make("span", { class: "mark", "aria-hidden": "true" }, patient.notes ? " ✎" : "", patient.explained.length ? "" : " ○");
  const cells = [
    make("td", {}, link, dots),
    make("td", { class: "number", title: own ? `percentile ${Math.round(own.rank)}` : false }, told(own?.risk), bar),
    make("td", { class: "number" }, patient.time.toFixed(1)),
    make("td", {}, ["no", "yes", "other"][status(patient)]),
    make("td", { class: "cut", title: patient.subtype ?? false }, patient.subtype ?? ""),
    make("td", { class: "number" }, own ? String(own.fold) : "–"),
  ];
  const tr = make("tr", { "data-patient": patient.patient, class: isIt ? "chosen" : false }, ...cells);
  tr.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    choose(patient.patient);
  });
  return tr;
}
