import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { bindKeys } from "../../ops/web/static/js/keys.js";

class FakeElement {
  constructor(field = null) {
    this.field = field;
  }

  closest() {
    return this.field;
  }
}

let press;
let dialogOpen;
let pressed;

/** A keydown on `target`; returns whether the browser's own action was prevented. */
function key(name, { target = new FakeElement(), ...modifiers } = {}) {
  let prevented = false;
  press({ key: name, target, ...modifiers, preventDefault: () => (prevented = true) });
  return prevented;
}

beforeEach(() => {
  dialogOpen = false;
  pressed = 0;
  globalThis.Element = FakeElement;
  globalThis.document = {
    addEventListener: (_, listener) => (press = listener),
    querySelector: () => (dialogOpen ? {} : null),
  };
  bindKeys({ c: () => (pressed += 1) });
});

test("a bound key runs its function instead of the browser's action", () => {
  assert.equal(key("c"), true);
  assert.equal(pressed, 1);
});

test("a key that is held down acts once, unless it is meant to repeat", () => {
  key("c");
  key("c", { repeat: true });
  key("c", { repeat: true });
  assert.equal(pressed, 1);
  bindKeys({ j: () => (pressed += 1) }, ["j"]);
  key("j");
  key("j", { repeat: true });
  assert.equal(pressed, 3);
});

test("Enter that is held down clicks the button with the focus once", () => {
  const button = new FakeElement({ type: "button" });
  assert.equal(key("Enter", { target: button }), false);
  assert.equal(key("Enter", { target: button, repeat: true }), true);
});

test("other keys and keys with modifiers are left to the browser", () => {
  assert.equal(key("d"), false);
  assert.equal(key("c", { ctrlKey: true }), false);
  assert.equal(key("c", { metaKey: true }), false);
  assert.equal(pressed, 0);
});

test("keys do nothing while a dialog is open", () => {
  dialogOpen = true;
  key("c");
  assert.equal(pressed, 0);
});

test("keys do nothing while the user types, and Escape leaves the field", () => {
  let blurred = false;
  const target = new FakeElement({ type: "textarea", blur: () => (blurred = true) });
  key("c", { target });
  key("Escape", { target });
  assert.equal(pressed, 0);
  assert.equal(blurred, true);
});

test("keys work while a checkbox has the focus", () => {
  key("c", { target: new FakeElement({ type: "checkbox", blur: () => {} }) });
  assert.equal(pressed, 1);
});
