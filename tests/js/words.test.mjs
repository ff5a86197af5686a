import assert from "node:assert/strict";
import { test } from "node:test";

import { quarantineReason, reason, verdictName } from "../../ops/web/static/js/words.js";

test("former signal names read like the present ones", () => {
  assert.deepEqual(reason("hotspot"), reason("residual"));
  assert.deepEqual(reason("level"), reason("density"));
  assert.equal(reason("density")[0], "Unusual as a whole");
});

test("a reason without a text keeps its own name", () => {
  assert.equal(reason("too_warm")[0], "too_warm");
});

test("a result without a verdict is not reviewed", () => {
  assert.equal(verdictName(null), "Not reviewed");
});

test("a quarantine reason says what to do", () => {
  assert.match(quarantineReason("unreadable"), /^No permission to read this file\./);
  assert.equal(quarantineReason("something new"), "");
});
