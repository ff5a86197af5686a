// What every page does: the account menu closes by itself, the review count follows the news.

import { at } from "./dom.js";

/** Show how many anomalies wait for a verdict, in the navigation and in the tab's title. */
export function showWaiting(count) {
  const box = at("waiting");
  box.hidden = count === 0;
  box.textContent = count > 999 ? "999+" : String(count);
  box.setAttribute("aria-label", `${count} anomalies wait for a verdict`);
  document.title = document.title.replace(/^(\(\d+\) )?/, count > 0 ? `(${count}) ` : "");
}

/** Whether the person may do what takes this role. */
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
