"use strict";

// Tables of runs: sorted by a click on a column's head, filtered by words. Without a script they stand as they are.
(() => {
  const table = document.getElementById("runs");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.tagName !== "TH") return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const by = (a, b) => {
        const [x, y] = [valueOf(a, column), valueOf(b, column)];
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
        return down ? -order : order;
      };
      rows.sort(by);
      body.append(...rows);
    });
  });
  const controls = document.getElementById("runs-filter") ?? table.parentElement.parentElement.insertBefore(Object.assign(document.createElement("div"), { className: "controls" }), table.parentElement);
  const words = Object.assign(document.createElement("input"), { type: "search", placeholder: "invalid partition cas …" });
  const shown = Object.assign(document.createElement("span"), { className: "found" });
  shown.setAttribute("role", "status");
  const label = document.createElement("label");
  label.append("Show those with ", words);
  controls.prepend(label, shown);
  words.addEventListener("input", () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = wanted.every((word) => text.includes(word));
      row.classList.toggle("off-span", !fits);
      if (fits) count++;
    }
    shown.textContent = wanted.length ? `${count} of ${rows.length}` : "";
  });
  words.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  // Two are compared: a third tick takes the first one back.
  const ticked = [];
  body.addEventListener("change", (event) => {
    const box = event.target;
    if (box.type !== "checkbox") return;
    if (box.checked) ticked.push(box); else ticked.splice(ticked.indexOf(box), 1);
    if (ticked.length > 2) ticked.shift().checked = false;
  });
})();
