// Build elements. Text is inserted as text, never as markup: a camera's name may contain anything.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element: `h("a", { href }, "text", child)`. */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An SVG element. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/**
 * The element with this id, which the page's template has.
 * @param {string} id
 * @returns {any} the template decides the kind of element
 */
export function at(id) {
  return document.getElementById(id);
}

/** A `<dl>` of `[term, value]` pairs; pairs with a null value are skipped. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
  return h(
    "dl",
    { class: "facts" },
    shown.flatMap(([term, value]) => [h("dt", null, term), h("dd", null, value)]),
  );
}

/** An empty state: what it means and what to do next. */
export function empty(title, text, ...more) {
  return h("div", { class: "empty" }, h("strong", null, title), h("p", null, text), ...more);
}
