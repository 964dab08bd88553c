
// --- messages between nodes: a space-time diagram of the window that the timeline shows ---

const post = data && data.messages;
const postApp = document.getElementById("messages-app");
const FATES = ["delivered", "dropped", "delayed", "duplicated"];
// More than so many at once cannot be told apart: then only those are drawn that did not arrive as usual.
const DRAWN_MESSAGES = 2500;
const LABELLED_MESSAGES = 40;
const TABLED_MESSAGES = 200;
const postCanvas = make("canvas", { tabIndex: 0 });
postCanvas.setAttribute("role", "application");
postCanvas.setAttribute("aria-label",
  "Messages between nodes over time. Arrow keys move, plus and minus zoom, comma and full stop select the message before and after; the table below has the same in words.");
const postPanel = make("div", { className: "details", tabIndex: 0 });
postPanel.setAttribute("aria-live", "polite");
postPanel.setAttribute("role", "region");
postPanel.setAttribute("aria-label", "The selected message");
const postStatus = make("span", { className: "found" });
postStatus.setAttribute("role", "status");
const scrolled = (label, ...children) => {
  const element = make("div", { className: "scroll", tabIndex: 0 }, ...children);
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", label);
  return element;
};
const postTable = make("tbody");
const postNote = make("p", { className: "note" });
const postRows = make("details", {}, make("summary", { textContent: "The messages in view as a table" }),
  scrolled("Messages in view, can be scrolled", make("table", {},
    make("thead", {}, make("tr", {}, ...["sent", "from", "to", "kind", "what became of it", "under way for"].map((text) =>
      make("th", { scope: "col", textContent: text })))),
    postTable)), postNote);
const kindOf = make("select", {}, option("", "all kinds"));
const nodeOf = make("select", {}, option("", "all nodes"));
const fateOf = make("select", {}, option("", "whatever became of them"), option("odd", "all but delivered"),
  ...FATES.map((fate, place) => option(String(place), fate)));

let postHeight = 100, postRow = 40, postSelected = -1, postVisible = [];
const POST_TOP = 14;
const laneY = (number) => POST_TOP + (number - 0.5) * postRow;

const layOutMessages = () => {
  if (!post) return;
  postRow = Math.max(22, Math.min(52, 320 / data.cluster.length));
  postHeight = POST_TOP + data.cluster.length * postRow + 24;
  const ratio = devicePixelRatio || 1;
  postCanvas.width = Math.round(width * ratio);
  postCanvas.height = Math.round(postHeight * ratio);
  postCanvas.style.height = `${postHeight}px`;
  postCanvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
};

let longestPost = 0;
const wanted = (i) => (kindOf.value === "" || post.k[i] === Number(kindOf.value))
  && (nodeOf.value === "" || post.a[i] === Number(nodeOf.value) || post.b[i] === Number(nodeOf.value))
  && (fateOf.value === "" || (fateOf.value === "odd" ? post.f[i] > 0 : post.f[i] === Number(fateOf.value)));
const messagesIn = (from, to) => {
  const found = [];
  for (let i = below(post.t, from - longestPost); i < post.t.length && post.t[i] <= to; i++) {
    if (post.t[i] + Math.max(0, post.d[i]) >= from && wanted(i)) found.push(i);
  }
  return found;
};

// Where a message is drawn: from its sender towards its receiver; one that was dropped ends on the way.
const course = (i) => {
  const x1 = x(post.t[i]), y1 = laneY(post.a[i]), y2 = laneY(post.b[i]);
  if (post.d[i] < 0) return [x1, y1, x1 + 7, y1 + (y2 - y1) * 0.45];
  return [x1, y1, Math.max(x1 + 0.5, x(post.t[i] + post.d[i])), y2];
};
const told = (i) => `${data.cluster[post.a[i] - 1]} → ${data.cluster[post.b[i] - 1]} ${post.kinds[post.k[i]]}, ${FATES[post.f[i]]}`;
const underWay = (i) => (post.d[i] < 0 ? "never arrived" : took(post.d[i]));

const drawMessage = (pen, i, labelled) => {
  const fate = post.f[i];
  const [x1, y1, x2, y2] = course(i);
  const hue = [colours.soft, colours.invalid, colours.info, colours.pause][fate];
  pen.strokeStyle = hue;
  pen.fillStyle = hue;
  pen.lineWidth = i === postSelected ? 3 : fate === 0 ? 0.9 : 1.5;
  pen.globalAlpha = fate === 0 && i !== postSelected ? (labelled ? 0.9 : 0.5) : 1;
  const angle = Math.atan2(y2 - y1, x2 - x1);
  pen.setLineDash(fate === 2 ? [6, 3] : []);
  pen.beginPath();
  // A second copy is a double line.
  for (const off of fate === 3 ? [-1.6, 1.6] : [0]) {
    pen.moveTo(x1 - Math.sin(angle) * off, y1 + Math.cos(angle) * off);
    pen.lineTo(x2 - Math.sin(angle) * off, y2 + Math.cos(angle) * off);
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.beginPath();
  if (fate === 1 || post.d[i] < 0) {
    pen.moveTo(x2 - 4, y2 - 4);
    pen.lineTo(x2 + 4, y2 + 4);
    pen.moveTo(x2 + 4, y2 - 4);
    pen.lineTo(x2 - 4, y2 + 4);
    pen.stroke();
  } else if (labelled || fate > 0 || postVisible.length < 700) {
    pen.moveTo(x2, y2);
    pen.lineTo(x2 - 7 * Math.cos(angle - 0.4), y2 - 7 * Math.sin(angle - 0.4));
    pen.lineTo(x2 - 7 * Math.cos(angle + 0.4), y2 - 7 * Math.sin(angle + 0.4));
    pen.closePath();
    if (fate === 2) pen.stroke(); else pen.fill();
  }
  if (labelled) {
    pen.globalAlpha = 1;
    pen.fillStyle = colours.ink;
    const word = fate === 0 ? "" : `, ${FATES[fate]}`;
    pen.fillText(`${post.kinds[post.k[i]]}${word}`, Math.max(GUTTER + 2, (x1 + x2) / 2 + 5), (y1 + y2) / 2 + 3);
  }
  pen.globalAlpha = 1;
  pen.lineWidth = 1;
};

const drawMessages = () => {
  if (!post) return;
  const pen = postCanvas.getContext("2d");
  pen.fillStyle = colours.panel;
  pen.fillRect(0, 0, width, postHeight);
  pen.font = `11px ${colours.sans}`;
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, 0, width - GUTTER, postHeight);
  pen.clip();
  const bottom = POST_TOP + data.cluster.length * postRow;
  for (const fault of data.faults) {
    const from = Math.max(GUTTER, x(fault.from)), to = Math.min(width, x(fault.to ?? end));
    if (to < GUTTER || from > width) continue;
    pen.fillStyle = colours[fault.kind] || colours.soft;
    pen.globalAlpha = 0.1;
    pen.fillRect(from, 0, Math.max(2, to - from), bottom);
  }
  pen.globalAlpha = 1;
  data.cluster.forEach((node, place) => {
    const y = laneY(place + 1);
    pen.fillStyle = colours.line;
    pen.fillRect(GUTTER, y - 0.5, width - GUTTER, 1);
    data.views.forEach((seen, position) => {
      const from = Math.max(GUTTER, x(seen.t));
      const to = Math.min(width, position + 1 < data.views.length ? x(data.views[position + 1].t) : width);
      if (to <= GUTTER || from >= width || !seen.up.includes(node)) return;
      const leads = seen.leader === node;
      pen.fillStyle = leads ? colours.ok : colours.soft;
      pen.fillRect(from, y - (leads ? 2.5 : 1), to - from, leads ? 5 : 2);
    });
  });
  const from = span ? Math.max(span.from, unwarp(view.from)) : unwarp(view.from);
  const to = span ? Math.min(span.to, unwarp(view.to)) : unwarp(view.to);
  postVisible = messagesIn(from, to);
  const crowded = postVisible.length > DRAWN_MESSAGES;
  const labelled = postVisible.length <= LABELLED_MESSAGES;
  for (const odd of [false, true]) {
    for (const i of postVisible) {
      if ((post.f[i] > 0) === odd && i !== postSelected && !(crowded && !odd)) drawMessage(pen, i, labelled);
    }
  }
  if (postSelected >= 0 && postVisible.includes(postSelected)) drawMessage(pen, postSelected, true);
  drawSpan(pen, postHeight);
  // Where messages are only counted, nothing is drawn that could be taken for silence.
  if (post.exact.length) {
    pen.fillStyle = colours.bg;
    pen.globalAlpha = 0.85;
    let last = 0;
    for (const [a, b] of [...post.exact, [end, end]]) {
      if (a > last) pen.fillRect(x(last), 0, x(a) - x(last), bottom);
      last = b;
    }
    pen.globalAlpha = 1;
  }
  pen.restore();
  pen.fillStyle = colours.ink;
  data.cluster.forEach((node, place) => pen.fillText(node, 8, laneY(place + 1) + 4));
  pen.fillStyle = colours.soft;
  pen.textAlign = "center";
  for (let tick = 0; tick < 7; tick++) {
    const px = GUTTER + (width - GUTTER) * (tick + 0.5) / 7;
    pen.fillText(seconds(timeAt(px), view.to - view.from < 2e5 ? 4 : 3), px, bottom + 16);
  }
  pen.textAlign = "left";
  const counts = [0, 0, 0, 0];
  for (const i of postVisible) counts[post.f[i]]++;
  const parts = FATES.map((fate, place) => (counts[place] ? `${counts[place]} ${fate}` : "")).filter(Boolean);
  const text = `${postVisible.length} in view${parts.length ? `: ${parts.join(", ")}` : ""}`;
  const hint = crowded ? " (too many to draw those that arrived: zoom in, or filter)" : "";
  if (postStatus.textContent !== text + hint) postStatus.textContent = text + hint;
  tableSoon();
};

let tabling = 0;
const tableSoon = () => {
  if (!postRows.open) return;
  clearTimeout(tabling);
  tabling = setTimeout(() => {
    postTable.replaceChildren(...postVisible.slice(0, TABLED_MESSAGES).map((i) => make("tr", {},
      ...[seconds(post.t[i], 6), data.cluster[post.a[i] - 1], data.cluster[post.b[i] - 1], post.kinds[post.k[i]], FATES[post.f[i]], underWay(i)]
        .map((textContent) => make("td", { textContent })))));
    const more = postVisible.length - TABLED_MESSAGES;
    postNote.textContent = more > 0 ? `${more} more are in view: zoom in, or filter.` : "";
  }, 120);
};

const explainMessage = () => {
  postPanel.replaceChildren();
  const i = postSelected;
  if (i < 0) {
    postPanel.append(make("h3", { textContent: "Select a message" }),
      make("p", { textContent: "Click one, or press , and . to go through those in view. The diagram moves with the timeline: wheel, drag, + and −." }));
    return;
  }
  postPanel.append(make("h3", { textContent: told(i) }), make("dl", {},
    ...line("kind", post.kinds[post.k[i]]),
    ...line("from", data.cluster[post.a[i] - 1]),
    ...line("to", data.cluster[post.b[i] - 1]),
    ...line("sent", seconds(post.t[i], 6)),
    ...line("arrived", post.d[i] < 0 ? "never" : seconds(post.t[i] + post.d[i], 6)),
    ...line("took", underWay(i)),
    ...line("became", post.f[i] === 3 ? "a second copy" : FATES[post.f[i]])));
};
const selectMessage = (i) => {
  postSelected = i;
  explainMessage();
  redraw();
};
const stepMessage = (by) => {
  if (!postVisible.length) return;
  const here = postVisible.indexOf(postSelected);
  selectMessage(postVisible[here < 0 ? 0 : (here + by + postVisible.length) % postVisible.length]);
};
const messageAt = (px, py) => {
  let best = -1, nearest = 6;
  for (const i of postVisible) {
    const [x1, y1, x2, y2] = course(i);
    const length = (x2 - x1) ** 2 + (y2 - y1) ** 2 || 1;
    const share = Math.max(0, Math.min(1, ((px - x1) * (x2 - x1) + (py - y1) * (y2 - y1)) / length));
    const distance = Math.hypot(px - x1 - share * (x2 - x1), py - y1 - share * (y2 - y1));
    if (distance < nearest) { nearest = distance; best = i; }
  }
  return best;
};

const beginMessages = () => {
  if (!post) return;
  for (let i = 0; i < post.t.length; i++) longestPost = Math.max(longestPost, post.d[i]);
  post.kinds.forEach((kind, place) => kindOf.append(option(String(place), kind)));
  data.cluster.forEach((node, place) => nodeOf.append(option(String(place + 1), `from or to ${node}`)));
  for (const choice of [kindOf, nodeOf, fateOf]) choice.addEventListener("change", redraw);
  postRows.addEventListener("toggle", tableSoon);
  postApp.append(make("div", { className: "controls" },
    make("label", {}, "Kind ", kindOf), make("label", {}, "Nodes ", nodeOf), make("label", {}, "Fate ", fateOf), postStatus),
    make("div", { className: "stage" }, postCanvas), postPanel);
  postApp.after(postRows);
  postApp.hidden = false;
  explainMessage();
  navigable(postCanvas, (px, py) => selectMessage(messageAt(px, py)));
};
