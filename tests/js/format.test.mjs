import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, duration, number, plural, temperature } from "../../ops/web/static/js/format.js";

test("unknown numbers are a dash, never 0", () => {
  for (const value of [null, undefined, NaN]) assert.equal(number(value), "–");
  assert.equal(temperature(null, "celsius"), "–");
});

test("negative numbers have a real minus sign, and rounded zeros have none", () => {
  assert.equal(number(-3.14, 1), "\u22123.1");
  assert.equal(number(-0.04, 1), "0.0");
});

test("only Celsius values are shown with a degree sign", () => {
  assert.equal(temperature(21.25, "celsius").endsWith(" °C"), true);
  assert.equal(temperature(1200, "raw"), "1,200 counts");
});

test("durations and sizes take the unit that suits them", () => {
  assert.equal(duration(89), "89 s");
  assert.equal(duration(90), "2 min");
  assert.equal(duration(7200), "2 h");
  assert.equal(bytes(999), "999 B");
  assert.equal(bytes(1500), "1.5 kB");
});

test("one of a thing is singular", () => {
  assert.equal(plural(1, "frame"), "1 frame");
  assert.equal(plural(2, "frame"), "2 frames");
});
