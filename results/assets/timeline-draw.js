
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
    clipText(pen, fault.text, from + 5, to - 2, 15 + fault.row * ROW);
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
  if (led) drawLeaders(pen);
  if (data.views.length) drawNodes(pen);
  drawCounts(pen);
  drawOperations(pen);
  drawSpan(pen);
  pen.restore();
  pen.fillStyle = colours.soft;
  if (faultRows.length) pen.fillText("broken", 8, 15);
  if (led) pen.fillText("leader", 8, 15 + faultRows.length * ROW);
  if (data.views.length) {
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
  drawMessages();
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
  if (span) {
    pen.fillStyle = colours.link;
    pen.fillRect(at(span.from), 42, Math.max(2, at(span.to) - at(span.from)), 4);
  }
  const from = at(unwarp(view.from)), to = at(Math.min(end, unwarp(view.to)));
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.5;
  pen.strokeRect(from, 1, Math.max(3, to - from), 44);
  pen.lineWidth = 1;
};
