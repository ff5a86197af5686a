// The colour scale beside a picture, as tall as the picture, with what lies beyond its ends.

import { h } from "./dom.js";
import { number } from "./format.js";
import { INFERNO } from "./paint.js";

const GREY = [8, 72, 118, 160, 199, 236].map((value) => [value, value, value]);
// of the signed anomaly map: cold blue, dark at zero, hot orange (thermal/render/palette.py)
const COLD_TO_HOT = [
  [205, 240, 255],
  [86, 172, 232],
  [36, 104, 176],
  [26, 56, 100],
  [30, 32, 38],
  [96, 44, 30],
  [186, 72, 24],
  [245, 140, 40],
  [255, 236, 170],
];
const PALETTES = { original: INFERNO, reconstruction: INFERNO, overlay: GREY, heatmap: COLD_TO_HOT };
/** Ends of the anomaly map's scale and where it is outlined, σ (thermal/render/pictures.py). */
const MAP_REACH = 10;
export const MAP_MARK = 5;

/** About `count` round numbers between `low` and `high`. */
export function ticks(low, high, count = 7) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

/** `{low, high, unit, marks, least, most}` of a picture's scale; null if it is not known. */
function described(kind, result) {
  if (kind === "heatmap") {
    return { low: -MAP_REACH, high: MAP_REACH, unit: "σ", marks: [-MAP_MARK, MAP_MARK] };
  }
  if (!result.display) return null;
  const { low, high } = result.display;
  const unit = result.temperature_unit === "celsius" ? "°C" : "counts";
  const marks = kind === "overlay" ? [result.hotspot_threshold] : [];
  // what the model expects need not reach the frame's extremes
  const measured = kind !== "reconstruction";
  return {
    low,
    high,
    unit,
    marks,
    least: measured ? result.min_temperature : low,
    most: measured ? result.max_temperature : high,
    isSaturated: measured && result.saturated_px > 0,
    isUnderRange: measured && result.under_range_px > 0,
  };
}

/** The scale of a picture of `kind`, or null if it is not known. */
export function colourScale(kind, result) {
  const scale = described(kind, result);
  if (scale === null) return null;
  const { low, high, unit, marks } = scale;
  const place = (value) => `${(100 * (value - low)) / (high - low)}%`;
  const colours = PALETTES[kind].map((colour) => `rgb(${colour.join(" ")})`);
  const decimals = high - low < 5 ? 1 : 0;
  const beyond = (text, side) =>
    h("b", { class: `beyond ${side}`, title: "Beyond the scale: shown in the colour of its end" }, text);
  const isOver = scale.most > high;
  const isUnder = scale.least < low;
  const room = (high - low) * 0.08; // for what lies beyond
  const text = `Colours from ${number(low, decimals)} to ${number(high, decimals)} ${unit}`;
  return h(
    "div",
    { class: "scale", role: "img", "aria-label": isOver || isUnder ? `${text}; some values lie beyond` : text },
    h("span", { class: "unit" }, unit),
    h(
      "div",
      { class: "scale-bar", style: { background: `linear-gradient(to top, ${colours.join(", ")})` } },
      ticks(isUnder ? low + room : low, isOver ? high - room : high).map((value) =>
        h("span", { class: "tick", style: { bottom: place(value) } }, number(value, decimals)),
      ),
      marks
        .filter((value) => value > low && value < high)
        .map((value) => h("i", { class: "limit", style: { bottom: place(value) } })),
    ),
    isOver ? beyond(`▲\u00a0${scale.isSaturated ? "over range" : number(scale.most, decimals)}`, "top") : null,
    isUnder ? beyond(`▼\u00a0${scale.isUnderRange ? "under range" : number(scale.least, decimals)}`, "bottom") : null,
  );
}
