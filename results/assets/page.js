"use strict";

// What the whole page needs: copying, and following links into folded parts.
(() => {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async () => {
      const label = button.textContent;
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        // A file that was opened from disk may not have the clipboard: select the text for the user instead.
        getSelection().selectAllChildren(source);
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }

  // A row that a link names may be folded or filtered away.
  const reveal = (id) => {
    const target = document.getElementById(id);
    if (!target) return;
    for (let part = target.parentElement; part; part = part.parentElement) {
      if (part.tagName === "DETAILS") part.open = true;
    }
    target.classList.remove("off-span", "off-node");
    target.classList.add("flash");
    target.scrollIntoView({ block: "center" });
    setTimeout(() => target.classList.remove("flash"), 2500);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-goto]");
    if (!link) return;
    event.preventDefault();
    history.replaceState(null, "", `#${link.dataset.goto}`);
    reveal(link.dataset.goto);
  });
  if (location.hash.length > 1) reveal(decodeURIComponent(location.hash.slice(1)));
  // The merged logs, by node.
  const filter = document.getElementById("logs-filter");
  const rows = [...document.querySelectorAll("#logs tbody tr")];
  const nodes = [...new Set(rows.map((row) => row.cells[1].textContent))].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  if (filter && nodes.length > 1) {
    const chooser = document.createElement("select");
    for (const node of ["all nodes", ...nodes]) chooser.add(new Option(node, node));
    chooser.addEventListener("change", () => {
      const all = chooser.selectedIndex === 0;
      for (const row of rows) row.classList.toggle("off-node", !all && row.cells[1].textContent !== chooser.value);
    });
    const label = document.createElement("label");
    label.append("Lines of ", chooser);
    filter.append(label);
    filter.hidden = false;
  }

  // The scatter of latencies, by kind of operation.
  const kinds = [...document.querySelectorAll("#performance g[data-kind]")];
  const chosen = document.getElementById("kind-filter");
  if (chosen && kinds.length > 1) {
    const chooser = document.createElement("select");
    for (const kind of ["all kinds", ...kinds.map((group) => group.dataset.kind)]) chooser.add(new Option(kind, kind));
    chooser.addEventListener("change", () => {
      kinds.forEach((group, place) => group.classList.toggle("off-kind", chooser.selectedIndex > 0 && chooser.selectedIndex !== place + 1));
    });
    const label = document.createElement("label");
    label.append("of ", chooser);
    chosen.append(label);
    chosen.hidden = false;
  }

  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
})();
