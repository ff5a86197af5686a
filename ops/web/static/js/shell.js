// For every page: the account menu, the count of unreviewed anomalies, roles.

import { at } from "./dom.js";

/** Show the number of unreviewed anomalies in the navigation and in the tab's title. */
export function showWaiting(count) {
  const box = at("waiting");
  box.hidden = count === 0;
  box.textContent = count > 999 ? "999+" : String(count);
  box.setAttribute("aria-label", `${count} unreviewed anomalies`);
  document.title = document.title.replace(/^(\(\d+\) )?/, count > 0 ? `(${count}) ` : "");
}

/** Whether the user has this role or a higher one. */
export function may(role) {
  const roles = ["viewer", "reviewer", "admin"];
  return roles.indexOf(document.body.dataset.role ?? "") >= roles.indexOf(role);
}

/** @returns {NodeListOf<HTMLDetailsElement>} */
const openMenus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});
