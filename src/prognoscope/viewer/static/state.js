// What is shown, and the address that leads back to it.

const NUMBERS = new Set(["z", "x", "y", "px", "py", "opacity", "least"]);
const NAMES = ["patient", "slide", "method", "map", "method2", "map2", "split", "scale", "opacity", "least", "z", "x", "y", "px", "py"];
const DEFAULTS = { scale: "rank", opacity: 60, least: 0 };

export const state = { ...DEFAULTS };

export function readAddress() {
  const query = new URLSearchParams(location.search);
  for (const name of NAMES) {
    const text = query.get(name);
    let value = text === null ? DEFAULTS[name] : text;
    if (NUMBERS.has(name) && text !== null) {
      value = Number(text);
      if (!Number.isFinite(value)) value = DEFAULTS[name];
    }
    state[name] = value;
  }
}

export function permalink(changes = {}) {
  const query = new URLSearchParams();
  const all = { ...state, ...changes };
  for (const name of NAMES) {
    const value = all[name];
    if (value === undefined || value === null || value === "" || value === DEFAULTS[name]) continue;
    query.set(name, typeof value === "number" ? String(Math.round(value * 1000) / 1000) : value);
  }
  const text = query.toString();
  return text ? `/?${text}` : "/";
}

let timer = null;
export function keepAddress(isNew = false) {
  clearTimeout(timer);
  if (isNew) history.pushState(null, "", permalink());
  else timer = setTimeout(() => history.replaceState(null, "", permalink()), 200);
}
