// The spool's list: rows stay marked when it is refreshed, and it is not while somebody marks.
"use strict";

let marked = new Set();

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id !== "list") return;
  const boxes = document.querySelectorAll('#list-form input[name="selected"]:checked');
  marked = new Set(Array.from(boxes, (box) => box.value));
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "list") return;
  let last = null;
  for (const box of document.querySelectorAll('#list-form input[name="selected"]')) {
    if (!marked.has(box.value)) continue;
    box.checked = true;
    last = box;
  }
  if (last) last.dispatchEvent(new Event("change", { bubbles: true }));
});

// An open menu of the toolbar, or a choice for all, would be lost.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.target.matches("[data-auto-refresh]")) return;
  const isBusy = document.querySelector("#bulk details[open], [data-all-matching]:checked");
  if (isBusy) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-refresh]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const address = window.location.pathname + window.location.search;
  htmx.ajax("GET", address, { target: "#list", swap: "innerHTML" });
});

// One menu of the toolbar at a time.
document.addEventListener("toggle", (event) => {
  if (!event.target.matches("#bulk details[open]")) return;
  for (const other of document.querySelectorAll("#bulk details[open]")) {
    if (other !== event.target) other.open = false;
  }
}, true);

// Enter in a field of a toolbar's menu means the button beside it, not the first of the form.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches(".verb-menu input")) return;
  event.preventDefault();
  event.target.closest(".verb-menu").querySelector("button").click();
});
