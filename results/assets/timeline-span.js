
// --- a span of time, to which the rest of the page is filtered; the story stays whole ---

let span = null;
const spanText = make("span");
spanText.setAttribute("role", "status");
const spanBar = make("div", { className: "span-bar", hidden: true });

const drawSpan = (pen, tall = height) => {
  if (!span) return;
  const from = Math.max(GUTTER, Math.min(width, x(span.from))), to = Math.max(GUTTER, Math.min(width, x(span.to)));
  pen.fillStyle = colours.bg;
  pen.globalAlpha = 0.7;
  pen.fillRect(GUTTER, 0, from - GUTTER, tall);
  pen.fillRect(to, 0, width - to, tall);
  pen.globalAlpha = 1;
  pen.fillStyle = colours.link;
  pen.fillRect(from - 1, 0, 2, tall);
  pen.fillRect(to - 1, 0, 2, tall);
};

const took = (micros) => (micros < 1e3 ? `${micros} µs` : micros < 1e6 ? `${(micros / 1e3).toFixed(1)} ms` : `${(micros / 1e6).toFixed(2)} s`);

// What was answered within the span, counted; of a run that is too large to be here only where all of it is.
const measure = () => {
  const { from, to } = span;
  const length = Math.max(1, to - from) / 1e6;
  const counts = [0, 0, 0];
  const latencies = [];
  const whole = !data.counts.length || data.exact.some(([a, b]) => a <= from && to <= b);
  if (whole) {
    for (let i = 0; i < size; i++) {
      const at = ops.t[i] + Math.max(0, ops.d[i]);
      if (ops.d[i] < 0 || at < from || at > to) continue;
      counts[ops.o[i]]++;
      if (ops.o[i] === 0) latencies.push(ops.d[i]);
    }
  } else {
    const each = end / data.stretches;
    for (const { cells } of data.counts) {
      for (const [stretch, ...by] of cells) {
        const share = Math.min(to, (stretch + 1) * each) - Math.max(from, stretch * each);
        if (share > 0) by.forEach((count, outcome) => { counts[outcome] += count * share / each; });
      }
    }
  }
  latencies.sort((a, b) => a - b);
  const quantile = (q) => took(latencies[Math.min(latencies.length - 1, Math.max(0, Math.ceil(latencies.length * q) - 1))]);
  const broken = data.faults.filter((fault) => fault.from <= to && (fault.to ?? end) >= from).length;
  return [
    `${whole ? "" : "about "}${counts.map((count, outcome) => `${Math.round(count)} ${OUTCOMES[outcome]}`).join(", ")}`,
    `${(counts[0] / length).toFixed(1)} ok/s`,
    ...(latencies.length ? [`median ${quantile(0.5)}, 95 % ${quantile(0.95)}, 99 % ${quantile(0.99)}, max ${quantile(1)}`] : []),
    broken === 1 ? "1 fault" : `${broken} faults`,
  ].join(" · ");
};

const veil = (chart) => {
  for (const old of chart.querySelectorAll(".veil")) old.remove();
  if (!span) return;
  const frame = document.getElementById("performance").dataset;
  const left = Number(frame.left), right = Number(frame.right);
  const at = (time) => left + (right - left) * Math.min(1, time / end);
  for (const [from, to] of [[left, at(span.from)], [at(span.to), right]]) {
    if (to - from < 0.5) continue;
    const rect = document.createElementNS(chart.namespaceURI, "rect");
    for (const [name, value] of [["x", from], ["y", 0], ["width", to - from], ["height", chart.viewBox.baseVal.height - 30]]) rect.setAttribute(name, value);
    rect.setAttribute("class", "veil");
    chart.append(rect);
  }
};

const showRows = () => {
  for (const row of document.querySelectorAll("[data-span]")) {
    const [from, to] = row.dataset.span.split(" ").map(Number);
    row.classList.toggle("off-span", span !== null && (to < span.from || from > span.to));
  }
};

let filtering = false;
const applySpan = () => {
  if (filtering) return;
  filtering = true;
  requestAnimationFrame(() => {
    filtering = false;
    spanBar.hidden = !span;
    spanText.textContent = span ? `${seconds(span.from, 3)} – ${seconds(span.to, 3)}: ${measure()}` : "";
    showRows();
    for (const chart of document.querySelectorAll("svg.chart")) veil(chart);
    draw();
  });
};
const selectSpan = (a, b) => {
  const from = Math.max(0, Math.min(a, b)), to = Math.min(end, Math.max(a, b));
  span = { from, to };
  applySpan();
};
const clearSpan = () => {
  if (!span) return;
  span = null;
  applySpan();
};
const selectView = () => selectSpan(unwarp(view.from), unwarp(view.to));
spanBar.append(make("strong", { textContent: "Only this span" }), spanText, button("Whole run again", "Show all of the run again (Esc)", clearSpan));

// Dragging over a chart selects a span as well.
for (const chart of document.querySelectorAll("svg.chart")) {
  const frame = document.getElementById("performance").dataset;
  const left = Number(frame.left), right = Number(frame.right);
  const timeOf = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    return (point.x - left) / (right - left) * end;
  };
  let begun = null;
  chart.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    begun = { x: event.clientX, time: timeOf(event) };
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    if (begun && Math.abs(event.clientX - begun.x) > 3) selectSpan(begun.time, timeOf(event));
  });
  chart.addEventListener("pointerup", () => { begun = null; });
}
