// Keys without modifiers, which do nothing while somebody types or a dialog is open.

/** `bindings`: key (as `KeyboardEvent.key`) to function. Space and Enter stay the browser's. */
export function bindKeys(bindings) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target instanceof Element ? event.target : null;
    /** @type {HTMLInputElement | null} */
    const field = target?.closest("input, textarea, select") ?? null;
    if (field) {
      if (event.key === "Escape") field.blur();
      if (field.type !== "checkbox") return;
    }
    const action = bindings[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
