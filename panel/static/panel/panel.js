// What makes pages pleasant; every page works without it.
"use strict";

// --- lists: the header box checks the page, the bar says how many --------------------------
function boxes() {
  return Array.from(document.querySelectorAll('#list-form input[name="selected"]'));
}

function showSelection() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const all = boxes();
  const checked = all.filter((box) => box.checked).length;
  const matching = bar.querySelector("[data-all-matching]");
  const isAll = matching !== null && matching.checked;
  bar.classList.toggle("is-active", checked > 0 || isAll);
  const count = isAll ? Number(bar.dataset.total).toLocaleString("en") : checked;
  bar.querySelector("[data-bulk-count]").textContent = count + " selected";
  const head = document.querySelector("[data-check-all]");
  if (head) {
    head.checked = checked > 0 && checked === all.length;
    head.indeterminate = checked > 0 && checked < all.length;
  }
  for (const box of all) box.closest("tr").classList.toggle("table-active", box.checked || isAll);
}

document.addEventListener("change", (event) => {
  const target = event.target;
  if (target.matches("[data-check-all]")) {
    for (const box of boxes()) box.checked = target.checked;
  }
  if (target.matches('[data-check-all], [data-all-matching], input[name="selected"]')) {
    showSelection();
  }
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "list") return;
  showSelection();
  const link = document.querySelector("[data-export]");
  if (link) {
    const address = new URL(window.location.href);
    address.searchParams.set("format", "csv");
    address.searchParams.delete("page");
    link.href = address.href;
  }
});

// --- forms: warn before entries are lost ------------------------------------------------------
let isChanged = false;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-guard]");
  if (!form) return;
  isChanged = true;
  const text = form.querySelector("[data-guard-text]");
  if (text) text.textContent = "You have unsaved changes.";
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-guard]")) isChanged = false;
});
window.addEventListener("beforeunload", (event) => {
  if (isChanged) event.preventDefault();
});

// --- forms: fields that only matter with a choice ---------------------------------------------
function showChoices() {
  for (const part of document.querySelectorAll("[data-only-if]")) {
    const [name, value] = part.dataset.onlyIf.split("=");
    const chosen = document.querySelector('input[name="' + name + '"]:checked');
    part.hidden = !chosen || chosen.value !== value;
  }
}
document.addEventListener("change", showChoices);

// --- typed confirmation ------------------------------------------------------------------------
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-confirm]");
  if (field) {
    field.form.querySelector("[data-confirmed]").disabled = field.value.trim() !== field.dataset.confirm;
  }
});

// --- copying what stands elsewhere on the page --------------------------------------------------
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS browsers have no clipboard for pages but this one.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  button.classList.add("btn-success");
  button.setAttribute("aria-live", "polite");
  button.textContent = "Copied";
});

// --- the search box by its key -----------------------------------------------------------------
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  const search = document.querySelector("[data-search]");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && search) {
    event.preventDefault();
    search.focus();
  }
});

document.addEventListener("DOMContentLoaded", () => {
  showSelection();
  showChoices();
  for (const field of document.querySelectorAll("[data-confirm]")) {
    field.form.querySelector("[data-confirmed]").disabled = field.value.trim() !== field.dataset.confirm;
  }
});
