// Single-key shortcuts, inactive while the user types or a dialog is open.

/**
 * Bind keys: `bindings` maps `KeyboardEvent.key` to a function. Leave Space and Enter unbound.
 * A key that is held down acts once, except for those in `repeating`.
 * @param {Record<string, () => void>} bindings
 * @param {string[]} [repeating]
 */
export function bindKeys(bindings, repeating = []) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target instanceof Element ? event.target : null;
    // a button that has the focus would be clicked again and again
    if (event.repeat && event.key === "Enter" && target?.closest("button")) event.preventDefault();
    /** @type {HTMLInputElement | null} */
    const field = target?.closest("input, textarea, select") ?? null;
    if (field) {
      if (event.key === "Escape") field.blur();
      if (field.type !== "checkbox") return;
    }
    const action = bindings[event.key];
    if (!action) return;
    event.preventDefault();
    if (!event.repeat || repeating.includes(event.key)) action();
  });
}
