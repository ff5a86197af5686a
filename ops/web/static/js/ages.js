// Ages that go on counting while nothing arrives: "3 s ago" must not stay on the page for an hour.

import { h } from "./dom.js";
import { ago, localTime } from "./format.js";

const TICK_MS = 1000;

/** A `<time>` that always says how long ago `at` (Unix s) was. */
export function agoTime(at) {
  return h("time", { class: "ago", dataset: { at }, title: localTime(at) }, ago(at));
}

setInterval(() => {
  for (const element of document.querySelectorAll("time.ago")) {
    const text = ago(Number(/** @type {HTMLElement} */ (element).dataset.at));
    if (element.textContent !== text) element.textContent = text;
  }
}, TICK_MS);
