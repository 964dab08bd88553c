
// The timeline: operations, faults and leaders on one axis of time, drawn on a canvas. Its parts share one scope:
// this one has the elements, the state and the axis; timeline-draw.js draws; timeline-act.js moves, selects, begins.
const app = document.getElementById("timeline-app");
const data = JSON.parse(document.getElementById("data").textContent);
const ops = data.ops;
const size = ops.id.length;
const OUTCOMES = ["ok", "fail", "info"];
const GUTTER = 74;
const ROW = 17;
const STRIP = 11;

// --- the elements, made here because without a script they would be of no use ---

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const button = (text, title, act) => {
  const element = make("button", { type: "button", textContent: text, title });
  // Of a sign alone nobody could tell what it does; words are their own name.
  if (text.length < 2) element.setAttribute("aria-label", title);
  element.addEventListener("click", act);
  return element;
};
const option = (value, text) => make("option", { value, textContent: text });
const lanesBy = make("select", {}, option("clients", "by client"), option("keys", "by key"));
const axisOf = make("select", {}, option("time", "real time"), option("order", "order of events"));
const search = make("input", { type: "search", placeholder: "x, 42, process 3, n2, timeout …" });
const found = make("span", { className: "found" });
found.setAttribute("role", "status");
const overview = make("canvas", { className: "overview" });
overview.setAttribute("aria-hidden", "true");
const canvas = make("canvas", { tabIndex: 0 });
canvas.setAttribute("role", "application");
canvas.setAttribute("aria-label",
  "Timeline of operations. Arrow keys move, plus and minus zoom, comma and full stop select the operation before and after, n the next anomaly, question mark shows all keys.");
const panel = make("div", { className: "details" });
panel.setAttribute("aria-live", "polite");
panel.setAttribute("role", "region");
panel.setAttribute("aria-label", "The selected operation");
panel.tabIndex = 0;

// --- time and places ---

const end = data.end;
const anomalies = data.witnesses;
const inWitness = new Map();
anomalies.forEach((witness) => witness.ops.forEach((id) => {
  inWitness.set(id, inWitness.get(id) === "lie" || witness.culprit === id ? "lie" : "part");
}));
const placeOf = new Map();
for (let i = 0; i < size; i++) placeOf.set(ops.id[i], i);

// Operations are in the order of invocation: what can be in view begins this long before it.
let longest = 0;
const unknown = [];
for (let i = 0; i < size; i++) {
  longest = Math.max(longest, ops.d[i] < 0 ? end : ops.d[i]);
  if (ops.o[i] === 2) unknown.push(i);
}

// Order of events: the axis counts invocations and answers instead of microseconds.
let ranks = null;
const ranked = () => {
  if (!ranks) {
    const times = new Float64Array(size * 2);
    for (let i = 0; i < size; i++) {
      times[2 * i] = ops.t[i];
      times[2 * i + 1] = ops.d[i] < 0 ? end : ops.t[i] + ops.d[i];
    }
    times.sort();
    ranks = times;
  }
  return ranks;
};
const below = (sorted, time) => {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < time) low = middle + 1; else high = middle;
  }
  return low;
};
let ordinal = false;
const warp = (time) => {
  if (!ordinal) return time;
  const sorted = ranked();
  const at = below(sorted, time);
  if (at === 0) return 0;
  if (at >= sorted.length) return sorted.length + (time > sorted[sorted.length - 1] ? 1 : 0);
  const gap = sorted[at] - sorted[at - 1];
  return at - 1 + (gap > 0 ? (time - sorted[at - 1]) / gap : 0) + 1;
};
const unwarp = (place) => {
  if (!ordinal) return place;
  const sorted = ranked();
  const at = Math.max(0, Math.min(sorted.length - 1, Math.floor(place) - 1));
  return sorted[at] ?? 0;
};
const whole = () => (ordinal ? Math.max(2, size * 2 + 1) : end);

let view = { from: 0, to: end };
let mode = "clients";
let selected = -1;
let hovered = -1;
let matches = null;
let anomaly = -1;
let colours = {};
let width = 800, height = 300, stripsTop = 0, lanesTop = 0, laneHeight = 24, lanes = 1;

const readColours = () => {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["bg", "panel", "ink", "soft", "line", "lane", "ok", "ok-bg", "fail", "fail-bg", "info", "info-bg",
    "invalid", "invalid-bg", "link", "valid", "partition", "kill", "pause", "clock", "packets", "disk", "membership"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.mono = style.getPropertyValue("--mono").trim();
  colours.sans = style.getPropertyValue("--sans").trim();
};

// Some systems have no leaders.
const led = data.views.some((seen) => seen.leader);

// Faults that overlap go to rows of their own, three at most.
const faultRows = [];
for (const fault of [...data.faults].sort((a, b) => a.from - b.from)) {
  let row = faultRows.findIndex((busy) => busy <= fault.from);
  if (row < 0) row = faultRows.length < 3 ? faultRows.length : 2;
  faultRows[row] = Math.max(faultRows[row] ?? 0, fault.to ?? end);
  fault.row = row;
}

const x = (time) => GUTTER + (warp(time) - view.from) / (view.to - view.from) * (width - GUTTER);
const timeAt = (px) => unwarp(view.from + (px - GUTTER) / (width - GUTTER) * (view.to - view.from));

const laneOf = (i) => (mode === "clients" ? ops.c[i] : ops.k[i]);
const layOut = () => {
  lanes = Math.max(1, mode === "clients" ? data.clients : data.keys.length);
  const fair = mode === "clients" ? 28 : Math.max(28, Math.min(220, data.clients * 9 + 4));
  laneHeight = Math.max(mode === "clients" ? 7 : 10, Math.min(fair, 560 / lanes));
  stripsTop = 6 + ROW * faultRows.length + (led ? ROW : 0) + 2;
  lanesTop = stripsTop + (data.views.length ? STRIP * data.cluster.length + 6 : 2);
  height = lanesTop + lanes * laneHeight + 26;
  width = Math.max(280, canvas.parentElement.clientWidth);
  for (const [element, tall] of [[canvas, height], [overview, 46]]) {
    const ratio = devicePixelRatio || 1;
    element.width = Math.round(width * ratio);
    element.height = Math.round(tall * ratio);
    element.style.height = `${tall}px`;
    element.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }
};

// The box of an operation: its left edge, right edge, top and height, in pixels.
const box = (i) => {
  const from = x(ops.t[i]);
  const to = ops.d[i] < 0 ? width : x(ops.t[i] + ops.d[i]);
  const top = lanesTop + laneOf(i) * laneHeight;
  if (mode === "clients") {
    const margin = laneHeight > 14 ? 4 : 1;
    return [from, to, top + margin, laneHeight - 2 * margin];
  }
  const each = Math.max(1, (laneHeight - 4) / data.clients);
  return [from, to, top + 2 + ops.c[i] * each, Math.max(1, each - (each > 3 ? 1 : 0))];
};
