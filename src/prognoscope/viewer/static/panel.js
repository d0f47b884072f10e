// One view of a slide: its picture, a map of a method over it, and what the colours mean.
import { leaflet as L } from "./leaflet.js";
import { address, get } from "./api.js";
import { fill, make, told } from "./dom.js";
import { state } from "./state.js";

const MICROMETRES = L.Control.Scale.extend({
  _updateMetric(units) {
    const micrometres = units * this.options.umPerUnit;
    const round = this._getRoundNum(micrometres);
    this._updateScale(this._mScale, round < 1000 ? `${round} µm` : `${round / 1000} mm`, round / micrometres);
  },
});
const WORDS = {
  deletion_area: "risk lost as its best patches are taken away (area)",
  random_deletion_area: "the same in random order",
  insertion_area: "risk gained as its best patches are put in (area)",
  random_insertion_area: "the same in random order",
  randomisation_correlation: "correlation with the map of shuffled weights",
  fold_stability: "agreement between the folds' models",
  auroc_tumour: "AUROC against tumour",
  auroc_prognostic: "AUROC against prognostic patches",
};

export class Panel {
  constructor(name, suffix, handlers) {
    this.name = name;
    this.suffix = suffix; // "" or "2": of the keys in the address
    this.handlers = handlers;
    this.method = make("select", { "data-for": "method" });
    this.maps = make("select", { "data-for": "map" });
    this.box = make("div", { class: "map" });
    this.legend = make("div", { class: "legend" });
    const head = make("div", { class: "panel-head" }, make("label", {}, "Method ", this.method), make("label", {}, "Map ", this.maps));
    this.element = make("section", { class: "panel", "aria-label": name }, head, this.box, this.legend);
    this.method.addEventListener("change", () => { this.set("method", this.method.value); this.offerMaps(); this.drawLayer(); handlers.changed(this); });
    this.maps.addEventListener("change", () => { this.set("map", this.maps.value); this.drawLayer(); handlers.changed(this); });
  }

  get(name) { return state[name + this.suffix]; }
  set(name, value) { state[name + this.suffix] = value; }

  mount(isSplit) {
    this.leaflet = L.map(this.box, {
      crs: L.CRS.Simple, attributionControl: false, zoomSnap: 0.25, zoomDelta: 1, wheelPxPerZoomLevel: 90,
      zoomAnimation: !isSplit, fadeAnimation: !isSplit, inertia: !isSplit,
    });
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-label", `Slide, ${this.name}: arrow keys pan, plus and minus zoom, a click tells of a patch`);
    this.leaflet.on("click", (event) => this.handlers.clicked(this, this.level0(event.latlng)));
    this.leaflet.on("move", () => this.handlers.moved(this));
    this.leaflet.on("moveend", () => this.handlers.rested(this));
    this.leaflet.on("movestart zoomstart", () => { this.isWhole &&= this.isFitting; });
    this.sized = new ResizeObserver(() => { // as legends and tools take their lines, after the slide was fitted
      this.leaflet?.invalidateSize({ animate: false }); // the middle stays
      if (this.isWhole) this.fit();
    });
    this.sized.observe(this.box);
  }

  unmount() { this.sized?.disconnect(); this.leaflet?.remove(); this.leaflet = null; this.element.remove(); }

  level0(at) { return { x: at.lng * 2 ** this.top, y: -at.lat * 2 ** this.top }; }
  place(x, y) { return [-y / 2 ** this.top, x / 2 ** this.top]; }
  bounds(left, top, right, bottom) { return [this.place(left, bottom), this.place(right, top)]; }

  showSlide(slide, view) {
    for (const layer of [this.tiles, this.heat, this.mark, this.frame, this.pins]) layer?.remove();
    this.ruler?.remove();
    this.tiles = this.heat = this.mark = this.frame = this.pins = this.ruler = null;
    this.slide = slide;
    this.box.classList.toggle("no-picture", !slide?.picture);
    if (!slide?.size_px) return;
    this.top = slide.top;
    const [width, height] = slide.size_px;
    const bounds = this.bounds(0, 0, width, height);
    this.leaflet.setMinZoom(-2).setMaxZoom(slide.top + 3);
    if (slide.picture) {
      const query = address("", { slide: slide.slide, v: slide.version });
      this.tiles = L.tileLayer(`/tiles/{z}/{x}/{y}.jpg${query.replaceAll("{", "%7B").replaceAll("}", "%7D")}`, {
        maxNativeZoom: slide.top, minNativeZoom: 0, minZoom: -2, maxZoom: slide.top + 3, bounds, noWrap: true, keepBuffer: 1,
      }).addTo(this.leaflet);
    }
    if (slide.mpp) {
      this.ruler = new MICROMETRES({ imperial: false, maxWidth: 140, umPerUnit: slide.mpp * 2 ** slide.top }).addTo(this.leaflet);
    }
    this.isWhole = false;
    if (view) this.leaflet.setView(this.place(view.x, view.y), view.z, { animate: false });
    else this.fit();
  }

  fit() { // the whole slide, and again whenever the room for it changes, until somebody moves
    if (!this.slide?.size_px || !this.leaflet) return;
    this.isWhole = this.isFitting = true;
    this.leaflet.fitBounds(this.bounds(0, 0, ...this.slide.size_px), { animate: false });
    this.isFitting = false;
  }

  view() {
    const at = this.level0(this.leaflet.getCenter());
    return { x: at.x, y: at.y, z: this.leaflet.getZoom() };
  }

  offerMethods(patient) {
    this.patient = patient;
    const methods = Object.keys(patient?.methods ?? {});
    const other = this.suffix && methods.length > 1 ? methods[1] : methods[0];
    const wanted = methods.includes(this.get("method")) ? this.get("method") : other;
    fill(this.method, methods.length ? methods.map((each) => [each, each]) : [["", "none kept"]], wanted);
    this.method.disabled = !methods.length;
    this.set("method", methods.length ? this.method.value : "");
    this.offerMaps();
  }

  offerMaps() {
    const maps = this.patient?.methods[this.get("method")]?.maps ?? [];
    const options = [...maps.map((each) => [each.name, each.name.replaceAll("_", " ")]), ["none", "no map"]];
    const wanted = options.some(([name]) => name === this.get("map")) ? this.get("map") : options[0][0];
    fill(this.maps, options, wanted);
    this.set("map", this.maps.value);
  }

  stepMap(by) {
    const at = (this.maps.selectedIndex + by + this.maps.length) % this.maps.length;
    this.maps.selectedIndex = at;
    this.maps.dispatchEvent(new Event("change"));
  }

  hasPatches() {
    return Boolean(this.slide && this.patient?.methods[this.get("method")]?.slides.includes(this.slide.slide));
  }

  asked() {
    const map = this.get("map");
    if (!map || map === "none" || !this.hasPatches()) return null;
    return { method: this.get("method"), patient: state.patient, slide: this.slide.slide, map };
  }

  async drawLayer() {
    const asked = this.asked();
    const ask = (this.asking = {}); // only the last one asked for is drawn
    if (!asked || !this.slide?.size_px) {
      this.heat?.remove();
      this.heat = null;
      this.about = null;
      this.legend.replaceChildren(this.whyNone());
      return;
    }
    const drawn = { ...asked, scale: state.scale, least: state.least };
    let about;
    try {
      about = await get("/api/layer", drawn);
    } catch (error) {
      if (ask === this.asking) this.legend.replaceChildren(make("p", { class: "note-box" }, error.message));
      return;
    }
    if (ask !== this.asking) return;
    this.heat?.remove();
    this.heat = L.imageOverlay(address("/layer.png", drawn), this.bounds(...about.box_px), {
      className: "heat", opacity: state.opacity / 100, alt: `Map ${asked.map} of ${asked.method}`, interactive: false,
    }).addTo(this.leaflet);
    this.drawLegend(about);
    this.about = about;
    this.handlers.layered(this, about);
  }

  whyNone() {
    const method = this.get("method");
    if (!method) return make("p", { class: "note-box" }, "No explanation of this patient is kept. Make it with ", make("code", {}, this.patient?.cure ?? ""));
    if (!this.patient.methods[method].maps.length) return make("p", { class: "note-box" }, `${method} gives no map of patches.`);
    if (this.get("map") === "none" || !this.slide) return make("p", { class: "quiet" }, "No map is shown.");
    return make("p", { class: "note-box" }, `The explanation by ${method} does not have this slide: it gave no patches, or was not there then.`);
  }

  fade() { this.heat?.setOpacity(state.opacity / 100); }

  drawLegend(about) {
    const map = about.about;
    const isRank = state.scale === "rank";
    const bar = make("div", { class: "bar", role: "img", "aria-label": `Colours from ${told(about.low)} to ${told(about.high)}` });
    bar.style.background = `linear-gradient(90deg, ${about.colours.join(",")})`;
    const ends = map.is_signed
      ? [`${told(about.low)} lowers`, "0", `${told(about.high)} raises`]
      : [`${told(about.low)}${isRank ? " (lowest)" : " (1 %)"}`, isRank ? "by rank" : "", `${told(about.high)}${isRank ? " (highest)" : " (99 %)"}`];
    const unit = map.unit ? ` In ${map.unit}.` : "";
    const part = about.shown < about.patches ? ` ${about.shown} of ${about.patches} patches shown.` : ` ${about.patches} patches.`;
    const rows = Object.entries(about.faithfulness).map(([name, value]) =>
      make("tr", {}, make("th", { scope: "row" }, WORDS[name] ?? name.replaceAll("_", " ")), make("td", { class: "number" }, told(value))));
    const measures = rows.length
      ? make("details", {}, make("summary", {}, "How faithful this map is"), make("table", { class: "small-table" }, make("tbody", {}, ...rows)))
      : null;
    const isOpen = this.legend.querySelector("details")?.open;
    if (measures && isOpen) measures.open = true;
    this.legend.replaceChildren(
      bar, make("div", { class: "ends" }, ...ends.map((each) => make("span", {}, each))),
      make("div", { class: "meaning" }, `${map.meaning ?? ""}${unit}${part}`), ...(measures ? [measures] : []));
  }

  frameAt(x, y, side) {
    this.frame?.remove();
    this.frame = side ? L.rectangle(this.bounds(x, y, x + side, y + side), { color: "#000", weight: 3, fill: false, interactive: false }).addTo(this.leaflet) : null;
  }

  pin(notes) {
    this.pins?.remove();
    this.pins = L.layerGroup().addTo(this.leaflet);
    for (const note of notes) {
      if (note.slide !== this.slide?.slide || note.x === null) continue;
      const dot = L.circleMarker(this.place(note.x, note.y), { radius: 7, color: "#fff", weight: 2, fillColor: "#b3005e", fillOpacity: 1 });
      dot.bindTooltip(make("span", {}, note.text.slice(0, 200))).addTo(this.pins);
    }
  }

  tell(...children) {
    this.box.querySelector(".empty")?.remove();
    if (children.length) this.box.append(make("div", { class: "empty" }, make("div", {}, ...children)));
  }
}
