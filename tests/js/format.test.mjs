import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, duration, fieldTime, highest, linkTime, lowest, measured, number, plural, temperature, timesDiffer } from "../../ops/web/static/js/format.js";

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

test("capture and arrival are both shown when they differ by more than a minute", () => {
  for (const away of [-60, 0, 60]) assert.equal(timesDiffer({ captured_at: 1e9 + away, arrived_at: 1e9 }), false);
  for (const away of [-1e9, -61, 61, 1e15]) assert.equal(timesDiffer({ captured_at: 1e9 + away, arrived_at: 1e9 }), true);
});

test("a time in a link is UTC, and a field shows it in local time", () => {
  const local = "2026-07-01T10:30";
  assert.match(linkTime(local), /^2026-0[67]-[0-9]{2}T[0-9]{2}:[0-9]{2}Z$/);
  assert.equal(new Date(linkTime(local)).getTime(), new Date(local).getTime());
  assert.equal(fieldTime(linkTime(local)), local);
  assert.equal(fieldTime("2026-07-01T10:30:15"), "2026-07-01T10:30:15"); // of a link made before
  assert.deepEqual([linkTime(""), fieldTime("x")], ["", ""]);
});

test("one of a thing is singular", () => {
  assert.equal(plural(1, "frame"), "1 frame");
  assert.equal(plural(2, "frame"), "2 frames");
});

test("what cannot be measured is over or under range, whatever number stands for it", () => {
  const result = { max_temperature: 10000, min_temperature: -30, temperature_unit: "celsius" };
  assert.equal(highest({ ...result, saturated_px: 9 }), "over range");
  assert.equal(lowest({ ...result, under_range_px: 1 }), "under range");
  for (const none of [0, null]) {
    assert.equal(highest({ ...result, saturated_px: none }), "10,000.0 °C");
    assert.equal(lowest({ ...result, under_range_px: none }), "\u221230.0 °C");
  }
  const pixel = (value) => measured(Math.fround(value), { ...result, max_temperature: 655.35, saturated_px: 9 });
  assert.deepEqual([pixel(655.35), pixel(655.2), pixel(-30)], ["over range", "655.2 °C", "\u221230.0 °C"]);
});
