import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { querySelector: () => null }; // values.js needs api.js
const { deviationText, extreme, hotspotText } = await import("../../ops/web/static/js/deviation.js");
const { ticks } = await import("../../ops/web/static/js/scale.js");
const { Matrix } = await import("../../ops/web/static/js/values.js");

/** A matrix of 8 × 6 px with these values at [column, row], else 0. */
function matrix(values, unit = "sigma") {
  const data = new Float32Array(48);
  for (const [column, row, value] of values) data[row * 8 + column] = value;
  return new Matrix({ buffer: data.buffer, width: 8, height: 6, step: 1, unit, source: "stored" });
}

/** A result of 16 × 12 px with this deviation. */
function result(deviation, unit = "celsius") {
  const [x, y] = deviation === null ? [null, null] : [5, 3];
  const range = { min_temperature: -30, max_temperature: 90, temperature_unit: unit };
  return { width: 16, height: 12, ...range, deviation, deviation_x: x, deviation_y: y };
}

test("a spot is said to be hotter or colder by how much, at its pixel of the image", () => {
  const spot = extreme(matrix([[2, 1, -12]]));
  const values = new Matrix({ buffer: new Float32Array(192).buffer, width: 16, height: 12, step: 1, unit: "celsius" });
  values.data[3 * 16 + 5] = 4.2;
  assert.equal(
    deviationText(result(-12.34), spot, values),
    "12.3 K colder than expected at x 5, y 3: 4.2 °C there, residual \u221212.0 σ",
  );
  assert.match(deviationText(result(40, "counts"), spot, values), /^40 counts hotter than expected at x 5, y 3: /);
});

test("without stored values and map it is still said by how much", () => {
  assert.equal(deviationText(result(8), null, null), "8.0 K hotter than expected at x 5, y 3");
});

test("a cold spot is called colder, at its place", () => {
  const spot = extreme(matrix([[2, 1, -12], [3, 1, -8], [6, 4, 7]]));
  assert.deepEqual(spot.region, { left: 2 / 8, top: 1 / 6, width: 2 / 8, height: 1 / 6 });
  const text = deviationText(result(null), spot, matrix([[2, 1, 4.2]], "celsius"));
  assert.equal(text, "Colder than expected at x 2, y 1: 4.2 °C there, residual \u221212.0 σ");
});

test("a region ends where the sign changes", () => {
  assert.equal(extreme(matrix([[2, 1, 12], [3, 1, -8]])).region.width, 1 / 8);
});

test("noise is no spot", () => {
  assert.equal(extreme(matrix([[2, 1, 4.9]])), null);
  assert.equal(deviationText(result(null), null, null), null);
});

test("hotspots that normal frames have too are told apart from what deviates", () => {
  const map = matrix([[1, 1, 9]]);
  const [deviates, usual] = [{ bbox: [2, 2, 2, 2] }, { bbox: [12, 8, 2, 2] }]; // of an image twice as large
  assert.equal(
    hotspotText([deviates, usual, usual], 16, 12, map),
    "1 hotspot hotter than expected, 2 hotspots as hot as on normal frames",
  );
  assert.equal(hotspotText([usual], 16, 12, map), "1 hotspot as hot as on normal frames");
  assert.equal(hotspotText([], 16, 12, map), null);
  assert.equal(hotspotText([usual], 16, 12, null), null);
});

test("a scale has round numbers", () => {
  assert.deepEqual(ticks(38, 143), [40, 60, 80, 100, 120, 140]);
  assert.deepEqual(ticks(-10, 10), [-10, -5, 0, 5, 10]);
});
