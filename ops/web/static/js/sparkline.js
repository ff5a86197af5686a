// A small chart of recent scores and their threshold.

import { h, svg } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 44;
const PAD = 4;

function path(values, x, y) {
  return values.map((value, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

/** An SVG of the `recent` points, earliest first, with a text for screen readers. */
export function sparkline(recent) {
  if (recent.length === 0) return h("div", { class: "spark-empty" }, "No scores yet");
  const top = Math.max(...recent.map((point) => Math.max(point.score, point.threshold))) * 1.05 || 1;
  const low = Math.min(0, ...recent.map((point) => point.score));
  const x = (i) => PAD + (i / Math.max(1, recent.length - 1)) * (WIDTH - 2 * PAD);
  const y = (value) => HEIGHT - PAD - ((value - low) / (top - low)) * (HEIGHT - 2 * PAD);
  const flagged = recent.filter((point) => point.anomaly).length;
  const last = recent[recent.length - 1];
  return svg(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label":
        `Last ${recent.length} scores: now ${last.score.toFixed(2)} against a threshold of ` +
        `${last.threshold.toFixed(2)}, ${flagged} flagged`,
    },
    svg("path", { class: "spark-threshold", d: path(recent.map((point) => point.threshold), x, y) }),
    svg("path", { class: "spark-score", d: path(recent.map((point) => point.score), x, y) }),
    recent.map((point, i) =>
      point.anomaly
        ? svg("path", {
            class: "spark-flag",
            d: `M${x(i).toFixed(1)} ${y(point.score).toFixed(1)}h0`,
          })
        : null,
    ),
  );
}
