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

  // A row that a link names may be folded away.
  const reveal = (id) => {
    const target = document.getElementById(id);
    if (!target) return;
    for (let part = target.parentElement; part; part = part.parentElement) {
      if (part.tagName === "DETAILS") part.open = true;
    }
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
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
})();
