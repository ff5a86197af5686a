// Messages: notices that disappear, and load errors that stay until a load succeeds.

import { at, h } from "./dom.js";

const SHOWN_MS = 6000;

/**
 * Show a message; an error stays until it is closed.
 * @param {string} text
 * @param {{error?: boolean, action?: [string, () => void] | null}} [options] `action`: a button's label and effect
 */
export function notify(text, { error = false, action = null } = {}) {
  const box = at("notices");
  const close = () => item.remove();
  const item = h(
    "div",
    { class: error ? "notice error" : "notice", role: error ? "alert" : "status" },
    h("span", null, text),
    action &&
      h(
        "button",
        {
          class: "button small-button",
          type: "button",
          onclick: () => {
            close();
            action[1]();
          },
        },
        action[0],
      ),
    h(
      "button",
      { class: "button plain small-button", type: "button", "aria-label": "Close", onclick: close },
      "×",
    ),
  );
  while (box.children.length > 3) box.firstElementChild.remove();
  box.append(item);
  if (!error) setTimeout(close, SHOWN_MS);
}

/**
 * Show an error where the page's data would be; null removes it.
 * @param {Error | null} error
 * @param {(() => void) | null} [retry] adds a button that calls it
 */
export function trouble(error, retry = null) {
  const box = at("trouble");
  box.replaceChildren();
  box.hidden = error === null;
  if (error === null) return;
  box.append(
    h("span", null, h("strong", null, "This could not be loaded. "), error.message),
  );
  if (retry) {
    box.append(h("button", { class: "button", type: "button", onclick: retry }, "Try again"));
  }
}
