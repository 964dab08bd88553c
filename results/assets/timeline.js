
// The timeline: operations, faults and leaders on one axis of time, drawn on a canvas.
(() => {
  const app = document.getElementById("timeline-app");
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!app || !data || !data.ops) return;
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
    element.setAttribute("aria-label", title);
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
    stripsTop = 6 + ROW * faultRows.length + (data.views.length ? ROW : 0) + 2;
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

  // --- drawing ---

  let scheduled = false;
  const redraw = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => { scheduled = false; draw(); });
  };

  const seconds = (time, digits) => `${(time / 1e6).toFixed(digits)} s`;

  const clipText = (pen, text, left, right, baseline) => {
    const room = right - left;
    if (room < 14) return;
    const letters = Math.floor(room / 6.6);
    pen.fillText(text.length > letters ? `${text.slice(0, Math.max(1, letters - 1))}…` : text, left, baseline);
  };

  const drawFaults = (pen) => {
    for (const fault of data.faults) {
      const from = Math.max(GUTTER, x(fault.from));
      const to = Math.min(width, x(fault.to ?? end));
      if (to < GUTTER || from > width) continue;
      const wide = Math.max(2, to - from);
      const hue = colours[fault.kind] || colours.soft;
      pen.fillStyle = hue;
      pen.globalAlpha = 0.1;
      pen.fillRect(from, lanesTop, wide, lanes * laneHeight);
      pen.globalAlpha = 0.22;
      pen.fillRect(from, 4 + fault.row * ROW, wide, ROW - 3);
      pen.globalAlpha = 1;
      pen.strokeStyle = hue;
      pen.setLineDash([3, 2]);
      pen.strokeRect(from + 0.5, 4.5 + fault.row * ROW, wide - 1, ROW - 4);
      pen.setLineDash([]);
      pen.fillStyle = colours.ink;
      clipText(pen, `${fault.kind}: ${fault.text}`, from + 5, to - 2, 15 + fault.row * ROW);
    }
  };

  const drawLeaders = (pen) => {
    const top = 4 + faultRows.length * ROW;
    data.views.forEach((seen, place) => {
      const next = data.views[place + 1];
      const from = Math.max(GUTTER, x(seen.t));
      const to = Math.min(width, next ? x(next.t) : width);
      if (to <= GUTTER || from >= width) return;
      pen.fillStyle = colours.lane;
      pen.fillRect(from, top, to - from, ROW - 3);
      pen.strokeStyle = colours.line;
      pen.strokeRect(from + 0.5, top + 0.5, to - from - 1, ROW - 4);
      pen.fillStyle = seen.leader ? colours.ink : colours.soft;
      const room = to - from;
      const text = !seen.leader ? (room > 70 ? "no leader" : "–")
        : room > 110 ? `${seen.leader} leads, term ${seen.term}` : room > 50 ? `${seen.leader}, t${seen.term}` : room > 24 ? seen.leader : "";
      clipText(pen, text, from + 5, to - 2, top + 11);
    });
  };

  // A strip for each node: a line while it is up, thick while it leads, hatched while a fault hits it.
  const drawNodes = (pen) => {
    data.cluster.forEach((node, place) => {
      const top = stripsTop + place * STRIP;
      data.views.forEach((seen, position) => {
        const from = Math.max(GUTTER, x(seen.t));
        const to = Math.min(width, position + 1 < data.views.length ? x(data.views[position + 1].t) : width);
        if (to <= GUTTER || from >= width || !seen.up.includes(node)) return;
        pen.fillStyle = seen.leader === node ? colours.ok : colours.soft;
        pen.globalAlpha = seen.leader === node ? 0.75 : 0.35;
        if (seen.leader === node) pen.fillRect(from, top + 1, to - from, STRIP - 3);
        else pen.fillRect(from, top + STRIP / 2 - 1.5, to - from, 2);
        pen.globalAlpha = 1;
      });
      for (const fault of data.faults) {
        if (!fault.nodes.includes(node)) continue;
        const from = Math.max(GUTTER, x(fault.from)), to = Math.min(width, x(fault.to ?? end));
        if (to < GUTTER || from > width) continue;
        pen.strokeStyle = colours[fault.kind] || colours.soft;
        pen.save();
        pen.beginPath();
        pen.rect(from, top, Math.max(2, to - from), STRIP - 1);
        pen.clip();
        pen.beginPath();
        for (let at = from - (from % 6) - STRIP; at < to; at += 6) {
          pen.moveTo(at, top + STRIP);
          pen.lineTo(at + STRIP, top);
        }
        pen.stroke();
        pen.restore();
      }
    });
  };

  // Where operations are not here one by one, their number stands as a bar: ok below, then fail, then info.
  // Each level counts over stretches twice as long as the one before, so that no more is drawn than is seen.
  let levels = null;
  const countLevels = () => {
    levels = [];
    let stretches = data.stretches;
    let lanes = data.counts.map(({ cells }) => cells);
    while (lanes.length && stretches >= 60) {
      let most = 1;
      for (const cells of lanes) for (const cell of cells) most = Math.max(most, cell[1] + cell[2] + cell[3]);
      levels.push({ each: end / data.stretches * 2 ** levels.length, most, lanes });
      stretches /= 2;
      lanes = lanes.map((cells) => {
        const merged = [];
        for (const [stretch, ok, fail, info] of cells) {
          const last = merged[merged.length - 1];
          if (last && last[0] === stretch >> 1) { last[1] += ok; last[2] += fail; last[3] += info; }
          else merged.push([stretch >> 1, ok, fail, info]);
        }
        return merged;
      });
    }
  };
  const drawCounts = (pen) => {
    if (!data.counts.length || mode !== "clients" || ordinal) return;
    if (!levels) countLevels();
    const perTime = (width - GUTTER) / (view.to - view.from);
    const level = levels.find(({ each }) => each * perTime >= 2.5) ?? levels[levels.length - 1];
    const { each, most } = level;
    const room = laneHeight - 4;
    for (const outcome of [0, 1, 2]) {
      pen.fillStyle = colours[OUTCOMES[outcome]];
      pen.globalAlpha = outcome === 0 ? 0.35 : 0.9;
      level.lanes.forEach((cells, lane) => {
        const bottom = lanesTop + (lane + 1) * laneHeight - 2;
        const first = view.from / each - 1, last = view.to / each;
        for (const cell of cells) {
          if (cell[0] < first || !cell[outcome + 1]) continue;
          if (cell[0] > last) break;
          // Where the operations themselves are drawn, the bar gives way.
          let start = cell[0] * each, stop = start + each;
          for (const [a, b] of data.exact) {
            if (start >= a && stop <= b) stop = start;
            else if (start < a && stop > a) stop = a;
            else if (start < b && stop > b) start = b;
          }
          if (stop <= start) continue;
          const from = Math.max(GUTTER, x(start));
          const under = outcome === 0 ? 0 : outcome === 1 ? cell[1] : cell[1] + cell[2];
          const tall = cell[outcome + 1] / most * room;
          pen.fillRect(from, bottom - under / most * room - tall, Math.max(0.5, x(stop) - from), tall);
        }
      });
    }
    pen.globalAlpha = 1;
  };

  const drawOne = (pen, i, [from, to, top, tall], strong) => {
    const outcome = OUTCOMES[ops.o[i]];
    const role = inWitness.get(ops.id[i]);
    const left = Math.max(GUTTER - 2, from);
    const right = Math.min(width + 2, Math.max(to, from + 2));
    const dim = matches && !matches.has(i);
    pen.globalAlpha = dim ? 0.15 : 1;
    const wide = right - left;
    if (wide < 9 && !strong && !role) {
      pen.fillStyle = colours[outcome];
      if (outcome === "fail") pen.fillRect(left, top + tall / 3, wide, tall / 3);
      else pen.fillRect(left, top, wide, tall);
      pen.globalAlpha = 1;
      return;
    }
    pen.fillStyle = role === "lie" ? colours["invalid-bg"] : colours[`${outcome}-bg`];
    pen.strokeStyle = role === "lie" ? colours.invalid : colours[outcome];
    pen.lineWidth = strong ? 3 : role ? 2.2 : 1;
    pen.setLineDash(outcome === "ok" ? [] : outcome === "fail" ? [3, 2] : [6, 3]);
    pen.beginPath();
    if (outcome === "info") {
      // Open on the right: it may take effect at any later time.
      pen.moveTo(right, top + 0.5);
      pen.lineTo(left + 0.5, top + 0.5);
      pen.lineTo(left + 0.5, top + tall - 0.5);
      pen.lineTo(right, top + tall - 0.5);
      pen.globalAlpha *= role || strong ? 0.9 : 0.55;
    } else {
      pen.rect(left + 0.5, top + 0.5, Math.max(1, wide - 1), tall - 1);
    }
    pen.fill();
    pen.stroke();
    pen.setLineDash([]);
    pen.lineWidth = 1;
    if (outcome === "fail" && wide < 30 && tall > 6) {
      pen.beginPath();
      pen.moveTo(left + wide / 2 - 2, top + tall / 2 - 2);
      pen.lineTo(left + wide / 2 + 2, top + tall / 2 + 2);
      pen.moveTo(left + wide / 2 + 2, top + tall / 2 - 2);
      pen.lineTo(left + wide / 2 - 2, top + tall / 2 + 2);
      pen.stroke();
    }
    if (tall >= 12 && wide > 22) {
      pen.fillStyle = role === "lie" ? colours.invalid : colours.ink;
      const key = mode === "clients" && ops.k[i] >= 0 ? `${data.keys[ops.k[i]]}: ` : "";
      clipText(pen, `${key}${data.strings[ops.a[i]]} ${data.strings[ops.r[i]]}`, left + 4, Math.min(right, width) - 2, top + tall / 2 + 4);
    }
    pen.globalAlpha = 1;
  };

  // What is not known to have ended may take effect at any later time: a thin line goes on to the right.
  const drawOpenEnds = (pen) => {
    pen.strokeStyle = colours.info;
    pen.globalAlpha = 0.6;
    pen.setLineDash([2, 4]);
    const begun = new Map();
    const last = unwarp(view.to);
    for (const i of unknown) {
      if (ops.t[i] > last) break;
      if (laneOf(i) < 0) continue;
      const [, to, top, tall] = box(i);
      const y = Math.floor(top + tall) - 0.5;
      begun.set(y, Math.min(begun.get(y) ?? Infinity, Math.max(GUTTER, to)));
    }
    pen.beginPath();
    for (const [y, from] of begun) {
      pen.moveTo(from, y);
      pen.lineTo(width, y);
    }
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  };

  const drawOperations = (pen) => {
    drawOpenEnds(pen);
    const last = new Map();
    const late = [];
    const stop = unwarp(view.to) + 1;
    for (let i = below(ops.t, unwarp(view.from) - longest); i < size && ops.t[i] <= stop; i++) {
      if (laneOf(i) < 0) continue;
      const place = box(i);
      if (place[1] < GUTTER || place[0] > width) continue;
      if (i === selected || i === hovered || inWitness.has(ops.id[i])) { late.push([i, place]); continue; }
      // What falls on the same pixel as the one before would not be seen.
      if (place[1] - place[0] < 1.5) {
        const lane = place[2] * 4 + ops.o[i];
        const pixel = Math.floor(place[0]);
        if (last.get(lane) === pixel) continue;
        last.set(lane, pixel);
      }
      drawOne(pen, i, place, false);
    }
    for (const [i, place] of late) drawOne(pen, i, place, i === selected);
  };

  const drawAxis = (pen) => {
    const bottom = lanesTop + lanes * laneHeight;
    pen.fillStyle = colours.soft;
    pen.strokeStyle = colours.line;
    pen.textAlign = "center";
    if (ordinal) {
      for (let tick = 0; tick <= 8; tick++) {
        const px = GUTTER + (width - GUTTER) * tick / 8;
        if (tick < 8) pen.fillText(seconds(timeAt(px), 3), Math.max(px, GUTTER + 24), bottom + 17);
      }
    } else {
      const span = view.to - view.from;
      const rough = span / Math.max(3, (width - GUTTER) / 110);
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].map((factor) => factor * power).find((nice) => nice >= rough);
      const digits = Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step))));
      for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
        const px = x(at);
        pen.beginPath();
        pen.moveTo(px, lanesTop);
        pen.lineTo(px, bottom + 4);
        pen.stroke();
        if (px > GUTTER + 20 && px < width - 20) pen.fillText(seconds(at, digits), px, bottom + 17);
      }
    }
    pen.textAlign = "left";
  };

  const draw = () => {
    const pen = canvas.getContext("2d");
    pen.font = `11px ${colours.sans}`;
    pen.fillStyle = colours.panel;
    pen.fillRect(0, 0, width, height);
    for (let lane = 0; lane < lanes; lane++) {
      if (lane % 2) continue;
      pen.fillStyle = colours.lane;
      pen.fillRect(0, lanesTop + lane * laneHeight, width, laneHeight);
    }
    drawAxis(pen);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, width - GUTTER, height);
    pen.clip();
    drawFaults(pen);
    if (data.views.length) {
      drawLeaders(pen);
      drawNodes(pen);
    }
    drawCounts(pen);
    drawOperations(pen);
    pen.restore();
    pen.fillStyle = colours.soft;
    if (faultRows.length) pen.fillText("broken", 8, 15);
    if (data.views.length) {
      pen.fillText("leader", 8, 15 + faultRows.length * ROW);
      pen.font = `9.5px ${colours.sans}`;
      data.cluster.forEach((node, place) => pen.fillText(node, 8, stripsTop + place * STRIP + 8));
      pen.font = `11px ${colours.sans}`;
    }
    pen.fillStyle = colours.ink;
    const skip = Math.max(1, Math.ceil(12 / laneHeight));
    for (let lane = 0; lane < lanes; lane += skip) {
      const name = mode === "clients" ? `client ${lane}` : data.keys[lane] ?? "–";
      clipText(pen, name, 8, GUTTER - 2, lanesTop + lane * laneHeight + Math.min(laneHeight / 2 + 4, 18));
    }
    drawOverview();
  };

  // The whole run in a strip: how much succeeded, what was broken, where the anomalies are, what is in view.
  let density = null;
  const measureDensity = () => {
    const columns = 400;
    density = Array.from({ length: columns }, () => [0, 0, 0]);
    if (data.counts.length) {
      for (const { cells } of data.counts) {
        for (const [stretch, ...counts] of cells) {
          const column = density[Math.min(columns - 1, Math.floor(stretch / data.stretches * columns))];
          counts.forEach((count, outcome) => { column[outcome] += count; });
        }
      }
    } else {
      for (let i = 0; i < size; i++) density[Math.min(columns - 1, Math.floor(ops.t[i] / end * columns))][ops.o[i]]++;
    }
  };
  const drawOverview = () => {
    if (!density) measureDensity();
    const pen = overview.getContext("2d");
    const wide = width - GUTTER;
    const at = (time) => GUTTER + time / end * wide;
    pen.fillStyle = colours.panel;
    pen.fillRect(0, 0, width, 46);
    pen.font = `11px ${colours.sans}`;
    pen.fillStyle = colours.soft;
    pen.fillText("whole run", 8, 27);
    for (const fault of data.faults) {
      pen.fillStyle = colours[fault.kind] || colours.soft;
      pen.globalAlpha = 0.18;
      pen.fillRect(at(fault.from), 0, Math.max(1, at(fault.to ?? end) - at(fault.from)), 46);
    }
    pen.globalAlpha = 1;
    const most = Math.max(1, ...density.map((counts) => counts[0] + counts[1] + counts[2]));
    density.forEach((counts, column) => {
      let y = 44;
      counts.forEach((count, outcome) => {
        const tall = count / most * 34;
        pen.fillStyle = colours[OUTCOMES[outcome]];
        y -= tall;
        pen.fillRect(GUTTER + column / density.length * wide, y, wide / density.length, tall);
      });
    });
    for (const witness of anomalies) {
      const place = placeOf.get(witness.culprit);
      const px = at(place === undefined ? witness.to : ops.t[place]);
      pen.fillStyle = colours.invalid;
      pen.beginPath();
      pen.moveTo(px - 5, 0);
      pen.lineTo(px + 5, 0);
      pen.lineTo(px, 9);
      pen.fill();
      pen.fillRect(px - 0.5, 0, 1, 46);
    }
    const from = at(unwarp(view.from)), to = at(Math.min(end, unwarp(view.to)));
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1.5;
    pen.strokeRect(from, 1, Math.max(3, to - from), 44);
    pen.lineWidth = 1;
  };

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
        make("p", { textContent: "Click one, or press , and . to go through them. Click the timeline and turn the wheel to zoom; drag to move; ? shows all keys." }));
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
    const led = data.views.filter((seen) => seen.t <= ops.t[i]).pop();
    list.append(...line("leader", led?.leader ? `${led.leader}, term ${led.term}` : "–"),
      ...line("broken", active.length ? active.map((fault) => `${fault.kind}: ${fault.text}`).join("; ") : "nothing"));
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

  canvas.addEventListener("wheel", (event) => {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      pan(event.deltaX / 600);
    } else if (event.ctrlKey || document.activeElement === canvas) {
      // Only when it was clicked before, so that whoever scrolls down the page is not caught here.
      event.preventDefault();
      zoom(Math.exp(event.deltaY * 0.0018), event.offsetX);
    }
  }, { passive: false });

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, from: view.from, to: view.to, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const by = (drag.x - event.offsetX) / (width - GUTTER) * (drag.to - drag.from);
      if (Math.abs(event.offsetX - drag.x) > 3) drag.moved = true;
      if (drag.moved) show(drag.from + by, drag.to + by);
      return;
    }
    const over = at(event.offsetX, event.offsetY);
    if (over !== hovered) {
      hovered = over;
      canvas.title = over < 0 ? "" : `#${ops.id[over]} process ${ops.p[over]}: ${data.strings[ops.a[over]]} ${data.strings[ops.r[over]]}`;
      redraw();
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) select(at(event.offsetX, event.offsetY));
    drag = null;
  });
  canvas.addEventListener("dblclick", (event) => zoom(0.25, event.offsetX));

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
  const keys = [["← →", "move"], ["+ −", "zoom"], ["0", "the whole run"], [", .", "operation before, after"],
    ["n p", "next, previous anomaly"], ["k", "lanes by client or by key"], ["o", "real time or order of events"],
    ["/", "search"], ["Esc", "select nothing"], ["?", "these keys"]];
  help.append(make("h2", { textContent: "Keys of the timeline" }),
    make("table", {}, make("tbody", {}, ...keys.map(([key, does]) => make("tr", {},
      make("th", { scope: "row" }, ...key.split(" ").flatMap((one) => [make("kbd", { textContent: one }), " "])),
      make("td", { textContent: does }))))),
    make("form", { method: "dialog" }, make("button", { textContent: "Close" })));

  const acts = {
    ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15), "+": () => zoom(0.6), "=": () => zoom(0.6),
    "-": () => zoom(1.6), 0: fit, ",": () => step(-1), ".": () => step(1), Escape: () => select(-1),
    k: () => setMode(mode === "clients" ? "keys" : "clients"), o: () => setAxis(ordinal ? "time" : "order"),
  };
  const everywhere = {
    n: () => jump(1), p: () => jump(-1), "/": () => search.focus(), "?": () => help.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || help.open) return;
    const act = (document.activeElement === canvas && acts[event.key]) || everywhere[event.key];
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

  const stage = make("div", { className: "stage" }, overview, canvas);
  app.append(
    make("div", { className: "controls" },
      make("label", {}, "Lanes ", lanesBy), make("label", {}, "Axis ", axisOf),
      button("−", "Zoom out", () => zoom(1.6)), button("+", "Zoom in", () => zoom(0.6)),
      button("Whole run", "Show the whole run", fit),
      ...(anomalies.length ? [button("Previous anomaly", "Previous anomaly (p)", () => jump(-1)), button("Next anomaly", "Next anomaly (n)", () => jump(1))] : []),
      make("label", {}, "Find ", search), found,
      button("?", "Show all keys", () => help.showModal())),
    stage, panel, help);
  app.hidden = false;
  readColours();
  layOut();
  explain();
  if (anomalies.length) jump(1); else fit();
  draw();
  const again = () => { readColours(); layOut(); redraw(); };
  new ResizeObserver(() => { if (canvas.parentElement.clientWidth !== width) again(); }).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
})();
