// A result's decision and its reasons, in words.

import { facts, h } from "./dom.js";
import { highest, localTime, number, percent, sigma, temperature, timesDiffer, utcTime } from "./format.js";
import { reason, verdictName } from "./words.js";

/** A bar with score and threshold. */
function meter(result) {
  const end = Math.max(result.score, result.threshold) * 1.15 || 1;
  const share = (value) => `${Math.min(100, Math.max(0, (value / end) * 100))}%`;
  return [
    h(
      "div",
      { class: result.score > result.threshold ? "meter over" : "meter", "aria-hidden": "true" },
      h("i", { style: { width: share(result.score) } }),
      h("u", { style: { left: share(result.threshold) } }),
    ),
    h(
      "div",
      { class: "meter-text" },
      h("span", null, "Score ", h("b", null, sigma(result.score))),
      h("span", { class: "quiet" }, `threshold ${sigma(result.threshold)}`),
    ),
  ];
}

/** The chips that stand beside a result's title. */
export function chips(result) {
  const anomaly = result.prediction === "Anomaly";
  return [
    h("span", { class: anomaly ? "chip anomaly" : "chip ok" }, result.prediction),
    result.learning ? h("span", { class: "chip learning" }, "Learning") : null,
    anomaly || result.review ? h("span", { class: "chip" }, verdictName(result.review)) : null,
    result.resolved_at !== null ? h("span", { class: "chip", title: localTime(result.resolved_at) }, "Resolved") : null,
  ].filter(Boolean);
}

function reasonItem(word, sign) {
  const [title, text] = reason(word, sign);
  return h("li", { dataset: { word } }, h("b", null, title), h("span", { class: "quiet" }, text));
}

function reasonList(result) {
  return h("ul", { class: "reasons" }, result.reasons.map((word) => reasonItem(word, "")));
}

/** Say of a list of reasons in `box` whether the spot is hot or cold, once its map has told. */
export function nameSign(box, sign) {
  for (const item of box.querySelectorAll(".reasons li")) {
    item.replaceWith(reasonItem(item.dataset.word, sign));
  }
}

/** How rarely a normal frame scores this high, in words. */
function rarity(result) {
  // none of the window does: how rare it really is, so few frames cannot tell
  if (result.exceeding === 0) return `rarer than 1 normal frame in ${number(result.window_n)}`;
  if (result.p_value >= 0.5) return "a common score";
  return `about 1 normal frame in ${number(Math.round(1 / result.p_value))}`;
}

/** Contents of the panel beside a result's pictures. */
export function explained(result) {
  const unit = result.temperature_unit;
  return [
    h("div", { class: "row" }, chips(result)),
    ...meter(result),
    reasonList(result),
    facts([
      ["Camera", h("a", { href: `/cameras/${encodeURIComponent(result.camera)}` }, result.camera)],
      ["Arrived", h("time", { title: utcTime(result.arrived_at) }, localTime(result.arrived_at))],
      ...(timesDiffer(result)
        ? [["Captured", h("time", { title: utcTime(result.captured_at) }, localTime(result.captured_at))]]
        : []),
      ["Rarity", rarity(result)],
      ["Highest", highest(result)],
      ["Mean", temperature(result.mean_temperature, unit)],
      [
        "Hotspots",
        result.hotspot_count > 0
          ? `${result.hotspot_count}, ${number(result.hotspot_area)} px above ${temperature(result.hotspot_threshold, unit)}`
          : "none",
      ],
      ...(result.saturated_px > 0
        ? [["Over range", `${number(result.saturated_px)} px, hotter than the camera can measure`]]
        : []),
      ...(result.under_range_px > 0
        ? [["Under range", `${number(result.under_range_px)} px, colder than the camera can measure`]]
        : []),
      ...(result.unusable_px > 0
        ? [["Unusable", `${number(result.unusable_px)} px, ${percent(result.unusable_share, 2)}`]]
        : []),
      ["File", h("span", { class: "mono" }, result.image_path)],
    ]),
  ];
}
