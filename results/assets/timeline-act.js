
// --- moving ---

const show = (from, to) => {
  const most = whole();
  const least = ordinal ? 4 : 200;
  let span = Math.min(most, Math.max(least, to - from));
  let start = Math.max(0, Math.min(most - span, from));
  view = { from: start, to: start + span };
  redraw();
};
const zoom = (factor, px = (GUTTER + width) / 2) => {
  const share = Math.max(0, Math.min(1, (px - GUTTER) / (width - GUTTER)));
  const centre = view.from + share * (view.to - view.from);
  const span = (view.to - view.from) * factor;
  show(centre - share * span, centre + (1 - share) * span);
};
const pan = (share) => {
  const by = share * (view.to - view.from);
  show(view.from + by, view.to + by);
};
const fit = () => show(0, whole());
const showSpan = (from, to) => {
  const a = warp(from), b = warp(to);
  const room = Math.max((b - a) * 0.25, ordinal ? 6 : 2000);
  show(a - room, b + room);
};

// --- selecting ---

const line = (name, value) => [make("dt", { textContent: name }), make("dd", { textContent: value })];
const explain = () => {
  panel.replaceChildren();
  if (selected < 0) {
    panel.append(make("h3", { textContent: "Select an operation" }),
      make("p", { textContent: "Click one, or press , and . to go through them. Click the timeline and turn the wheel to zoom; drag to move; drag with Shift to filter the page to a span of time; ? shows all keys." }));
    return;
  }
  const i = selected;
  const key = ops.k[i] < 0 ? "–" : data.keys[ops.k[i]];
  const role = inWitness.get(ops.id[i]);
  const list = make("dl", {},
    ...line("outcome", OUTCOMES[ops.o[i]]),
    ...line("asked", data.strings[ops.a[i]]),
    ...line("key", key),
    ...line("result", data.strings[ops.r[i]]),
    ...line("process", String(ops.p[i])),
    ...line("node", ops.n[i] < 0 ? "–" : data.nodes[ops.n[i]]),
    ...line("invoked", seconds(ops.t[i], 6)),
    ...line("returned", ops.d[i] < 0 ? "never" : seconds(ops.t[i] + ops.d[i], 6)),
    ...line("took", ops.d[i] < 0 ? "–" : `${(ops.d[i] / 1000).toFixed(2)} ms`));
  const active = data.faults.filter((fault) => fault.from <= ops.t[i] + Math.max(0, ops.d[i]) && (fault.to ?? end) >= ops.t[i]);
  const seen = data.views.filter((one) => one.t <= ops.t[i]).pop();
  if (led) list.append(...line("leader", seen?.leader ? `${seen.leader}, term ${seen.term}` : "–"));
  list.append(
    ...line("broken", active.length ? active.map((fault) => fault.text).join("; ") : "nothing"));
  panel.append(make("h3", { textContent: `#${ops.id[i]} ${data.strings[ops.a[i]]} ${data.strings[ops.r[i]]}` }), list);
  if (role) panel.append(make("p", { textContent: role === "lie" ? "▼ This is the operation that lied." : "It is part of a witness." }));
};
const select = (i, bring = false) => {
  selected = i;
  explain();
  if (i >= 0 && bring) {
    const [from, to] = box(i);
    if (from < GUTTER || Math.min(to, from + 40) > width) {
      const span = view.to - view.from;
      show(warp(ops.t[i]) - span / 2, warp(ops.t[i]) + span / 2);
    }
  }
  redraw();
};
const at = (px, py) => {
  let best = -1;
  for (let i = 0; i < size; i++) {
    const [from, to, top, tall] = box(i);
    if (laneOf(i) < 0 || px < from - 2 || px > Math.max(to, from + 2) + 2 || py < top - 1 || py > top + tall + 1) continue;
    // Of those that lie on each other the one that began last is on top; what never ended lies below all.
    if (best < 0 || ops.o[i] !== 2 || ops.o[best] === 2) best = i;
  }
  return best;
};
const step = (by) => {
  const order = matches ? [...matches].sort((a, b) => a - b) : null;
  const count = order ? order.length : size;
  if (!count) return;
  const here = order ? order.findIndex((i) => i >= selected) : selected;
  const next = selected < 0 ? 0 : (here + by + count) % count;
  select(order ? order[next] : next, true);
};
const jump = (by) => {
  if (!anomalies.length) return;
  anomaly = (anomaly + by + anomalies.length) % anomalies.length;
  const witness = anomalies[anomaly];
  showSpan(witness.from, witness.to);
  const place = placeOf.get(witness.culprit) ?? placeOf.get(witness.ops[0]);
  if (place !== undefined) select(place);
};
const find = () => {
  const wanted = search.value.trim().toLowerCase();
  matches = null;
  found.textContent = "";
  if (wanted) {
    matches = new Set();
    for (let i = 0; i < size; i++) {
      const text = `#${ops.id[i]} process ${ops.p[i]} ${data.functions[ops.f[i]]} ${data.strings[ops.a[i]]} ${data.strings[ops.r[i]]} ${ops.n[i] < 0 ? "" : data.nodes[ops.n[i]]} ${OUTCOMES[ops.o[i]]}`.toLowerCase();
      const key = ops.k[i] < 0 ? "" : data.keys[ops.k[i]].toLowerCase();
      if (key === wanted || ` ${text} `.includes(wanted.length < 3 ? ` ${wanted} ` : wanted)) matches.add(i);
    }
    found.textContent = matches.size === 1 ? "1 operation" : `${matches.size} operations`;
  }
  redraw();
};

// --- events ---

const setMode = (next) => { mode = next; lanesBy.value = next; layOut(); redraw(); };
const setAxis = (next) => {
  const from = unwarp(view.from), to = unwarp(view.to);
  ordinal = next === "order";
  axisOf.value = next;
  show(warp(from), warp(to));
};
lanesBy.addEventListener("change", () => setMode(lanesBy.value));
axisOf.addEventListener("change", () => setAxis(axisOf.value));
search.addEventListener("input", find);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") { step(event.shiftKey ? -1 : 1); event.preventDefault(); }
  if (event.key === "Escape") { search.value = ""; find(); canvas.focus(); }
});

// What moves and zooms the window: the timeline, and the diagram of messages below it.
const navigable = (surface, clicked, hover = () => {}) => {
  surface.addEventListener("wheel", (event) => {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      pan(event.deltaX / 600);
    } else if (event.ctrlKey || document.activeElement === surface) {
      // Only when it was clicked before, so that whoever scrolls down the page is not caught here.
      event.preventDefault();
      zoom(Math.exp(event.deltaY * 0.0018), event.offsetX);
    }
  }, { passive: false });
  let drag = null;
  surface.addEventListener("pointerdown", (event) => {
    surface.focus({ preventScroll: true });
    surface.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, from: view.from, to: view.to, moved: false, spans: event.shiftKey };
  });
  surface.addEventListener("pointermove", (event) => {
    if (!drag) { hover(event.offsetX, event.offsetY); return; }
    const by = (drag.x - event.offsetX) / (width - GUTTER) * (drag.to - drag.from);
    if (Math.abs(event.offsetX - drag.x) > 3) drag.moved = true;
    if (!drag.moved) return;
    if (drag.spans) selectSpan(timeAt(drag.x), timeAt(event.offsetX));
    else show(drag.from + by, drag.to + by);
  });
  surface.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) clicked(event.offsetX, event.offsetY);
    drag = null;
  });
  surface.addEventListener("dblclick", (event) => zoom(0.25, event.offsetX));
};
navigable(canvas, (px, py) => select(at(px, py)), (px, py) => {
  const over = at(px, py);
  if (over === hovered) return;
  hovered = over;
  canvas.title = over < 0 ? "" : `#${ops.id[over]} process ${ops.p[over]}: ${data.strings[ops.a[over]]} ${data.strings[ops.r[over]]}`;
  redraw();
});

const jumpTo = (event) => {
  const time = (event.offsetX - GUTTER) / (width - GUTTER) * end;
  const span = view.to - view.from;
  const centre = warp(Math.max(0, Math.min(end, time)));
  show(centre - span / 2, centre + span / 2);
};
overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); jumpTo(event); });
overview.addEventListener("pointermove", (event) => { if (event.buttons) jumpTo(event); });

const help = make("dialog");
help.setAttribute("aria-label", "Keys");
const keys = [["← →", "move"], ["+ −", "zoom"], ["0", "the whole run"], [", .", "operation, or message, before and after"],
  ["n p", "next, previous anomaly"], ["k", "lanes by client or by key"], ["o", "real time or order of events"],
  ["/", "search"], ["s", "filter the page to the span in view"], ["Esc", "select nothing"], ["?", "these keys"]];
help.append(make("h2", { textContent: "Keys of the timeline" }),
  make("table", {}, make("tbody", {}, ...keys.map(([key, does]) => make("tr", {},
    make("th", { scope: "row" }, ...key.split(" ").flatMap((one) => [make("kbd", { textContent: one }), " "])),
    make("td", { textContent: does }))))),
  make("form", { method: "dialog" }, make("button", { textContent: "Close" })));

const acts = {
  ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15), "+": () => zoom(0.6), "=": () => zoom(0.6),
  "-": () => zoom(1.6), 0: fit, ",": () => step(-1), ".": () => step(1), Escape: () => { select(-1); clearSpan(); },
  k: () => setMode(mode === "clients" ? "keys" : "clients"), o: () => setAxis(ordinal ? "time" : "order"),
};
const messageActs = { ",": () => stepMessage(-1), ".": () => stepMessage(1), Escape: () => { selectMessage(-1); clearSpan(); } };
const everywhere = {
  s: selectView, n: () => jump(1), p: () => jump(-1), "/": () => search.focus(), "?": () => help.showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || help.open) return;
  const onMessages = document.activeElement === postCanvas;
  const act = (onMessages && messageActs[event.key]) || ((onMessages || document.activeElement === canvas) && acts[event.key])
    || everywhere[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-op]");
  const place = link && placeOf.get(Number(link.dataset.op));
  if (place === undefined || place === null) return;
  event.preventDefault();
  const witness = anomalies.find((one) => one.ops.includes(Number(link.dataset.op)));
  if (witness) showSpan(witness.from, witness.to);
  select(place, true);
  document.getElementById("timeline").scrollIntoView();
  canvas.focus({ preventScroll: true });
});

// --- begin ---

const begin = () => {
  const stage = make("div", { className: "stage" }, overview, canvas);
  app.append(
    make("div", { className: "controls" },
      make("label", {}, "Lanes ", lanesBy), make("label", {}, "Axis ", axisOf),
      button("−", "Zoom out", () => zoom(1.6)), button("+", "Zoom in", () => zoom(0.6)),
      button("Whole run", "Show the whole run", fit),
      button("Filter to this", "Filter the page to the span in view (s)", selectView),
      ...(anomalies.length ? [button("Previous anomaly", "Previous anomaly (p)", () => jump(-1)), button("Next anomaly", "Next anomaly (n)", () => jump(1))] : []),
      make("label", {}, "Find ", search), found,
      button("?", "Show all keys", () => help.showModal())),
    stage, panel, help);
  document.body.append(spanBar);
  app.hidden = false;
  readColours();
  layOut();
  beginMessages();
  layOutMessages();
  explain();
  if (anomalies.length) jump(1); else fit();
  draw();
  const again = () => { readColours(); layOut(); layOutMessages(); redraw(); };
  new ResizeObserver(() => { if (canvas.parentElement.clientWidth !== width) again(); }).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
};
// A page without operations has no place for a timeline.
if (app) begin();
