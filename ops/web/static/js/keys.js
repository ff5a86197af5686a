// Single-key shortcuts, inactive while the user types or a dialog is open.

/** Bind keys: `bindings` maps `KeyboardEvent.key` to a function. Leave Space and Enter unbound. */
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
