// Draws the charts of a page from the data beside them; without it their sums stand in words.
"use strict";

function drawCharts() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue("--tblr-" + name).trim();
  const palette = ["blue", "green", "azure", "red"].map(colour);
  Chart.defaults.color = colour("secondary");
  Chart.defaults.font.family = style.getPropertyValue("--tblr-font-sans-serif");
  Chart.defaults.borderColor = colour("border-color");
  for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
    const data = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
    new Chart(canvas, {
      type: data.type,
      data: {
        labels: data.labels,
        datasets: data.sets.map((set, number) => ({
          label: set.label,
          data: set.values,
          borderColor: palette[number % palette.length],
          backgroundColor: palette[number % palette.length],
          borderWidth: 2,
          pointRadius: 0,
          pointHitRadius: 8,
          tension: 0.3,
          maxBarThickness: 48,
        })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        plugins: { legend: { display: data.sets.length > 1, position: "bottom" } },
        scales: { y: { beginAtZero: true, ticks: { precision: 0 } } },
      },
    });
  }
}

document.addEventListener("DOMContentLoaded", drawCharts);
