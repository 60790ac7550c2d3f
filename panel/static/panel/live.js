// Durations that count on while the page is open.
"use strict";

function duration(seconds) {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = seconds % 60;
  const two = (number) => String(number).padStart(2, "0");
  if (days) return days + " d" + (hours ? " " + hours + " h" : "");
  if (hours) return hours + " h" + (minutes ? " " + two(minutes) + " min" : "");
  if (minutes) return minutes + " min" + (rest ? " " + two(rest) + " s" : "");
  return rest + " s";
}

setInterval(() => {
  for (const time of document.querySelectorAll("[data-since]")) {
    const passed = Math.max(0, Math.floor((Date.now() - Date.parse(time.dataset.since)) / 1000));
    time.textContent = duration(passed);
  }
}, 1000);
