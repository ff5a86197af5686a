import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Drafts } from "../../ops/web/static/js/drafts.js";

let field;
let drafts;

beforeEach(() => {
  field = { value: "" };
  drafts = new Drafts(field);
  drafts.show(1);
});

test("a note that was typed for one frame is not shown for the next, and comes back", () => {
  field.value = "hot clamp";
  drafts.show(2);
  assert.equal(field.value, "");
  field.value = "sun";
  drafts.show(1);
  assert.equal(field.value, "hot clamp");
  assert.equal(drafts.of(2), "sun");
});

test("a stored note is forgotten, and that of another frame is not", () => {
  field.value = "hot clamp";
  drafts.show(2);
  field.value = "sun";
  drafts.forget(1);
  assert.equal(field.value, "sun");
  drafts.forget(2);
  assert.equal(field.value, "");
  assert.equal(drafts.of(1), "");
});
