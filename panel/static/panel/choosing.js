// Select2 leaves the box in which it shows a choice without a name (WCAG 4.1.2). Behind Django's
// own autocomplete.js, which makes those boxes when the page is ready.
"use strict";
django.jQuery(() => {
  for (const box of document.querySelectorAll(".select2-selection__rendered[role=textbox]")) {
    const field = document.getElementById(box.id.replace(/^select2-(.*)-container$/, "$1"));
    const label = field && field.labels[0];
    box.setAttribute("aria-label", label ? label.textContent.trim() : "Choice");
  }
});
