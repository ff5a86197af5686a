// A result's decision and its reasons, in words.

import { facts, h } from "./dom.js";
import { localTime, number, sigma, temperature, utcTime } from "./format.js";
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
  ].filter(Boolean);
}

export function reasonList(result) {
  return h(
    "ul",
    { class: "reasons" },
    result.reasons.map((word) => {
      const [title, text] = reason(word);
      return h("li", null, h("b", null, title), h("span", { class: "quiet" }, text));
    }),
  );
}

/** How rarely a normal frame scores this high, in words. */
function rarity(pValue) {
  if (!(pValue > 0)) return number(pValue, 4);
  return pValue < 0.5 ? `1 normal frame in ${number(Math.round(1 / pValue))}` : "a common score";
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
      ["Captured", h("time", { title: utcTime(result.captured_at) }, localTime(result.captured_at))],
      ["Rarity", rarity(result.p_value)],
      ["Highest", temperature(result.max_temperature, unit)],
      ["Mean", temperature(result.mean_temperature, unit)],
      [
        "Hotspots",
        result.hotspot_count > 0
          ? `${result.hotspot_count}, ${number(result.hotspot_area)} px above ${temperature(result.hotspot_threshold, unit)}`
          : "none",
      ],
      ["File", h("span", { class: "mono" }, result.image_path)],
    ]),
  ];
}
