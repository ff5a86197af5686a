// Groups of cameras on the wall, as the settings name them.

import { h } from "./dom.js";
import { totals } from "./tile.js";

/** What cameras without a group stand under, if others have one. */
export const OTHERS = "Other cameras";

/** The group of a camera, where there are groups at all. */
export function groupOf(camera) {
  return camera.group ?? OTHERS;
}

/** Names of all groups; none if no camera has one. */
export function groupNames(cameras) {
  if (!cameras.some((camera) => camera.group !== null)) return [];
  const names = [...new Set(cameras.map(groupOf))];
  return names.sort((a, b) => Number(a === OTHERS) - Number(b === OTHERS) || a.localeCompare(b, "en", { numeric: true }));
}

/** `[name, members]` of each group: the one with the most urgent camera first. `sorted`: by urgency. */
export function grouped(sorted, urgency) {
  const groups = groupNames(sorted).map((name) => [name, sorted.filter((camera) => groupOf(camera) === name)]);
  return groups.sort((a, b) => urgency(a[1][0]) - urgency(b[1][0]));
}

/** The heading of a group, with what its cameras show. */
export function heading(name, members) {
  return h("h2", { class: "group", dataset: { group: name } }, name, " ", h("span", { class: "quiet" }, totals(members)));
}
