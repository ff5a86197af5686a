import assert from "node:assert/strict";
import { test } from "node:test";

import { ceilingOf } from "../../ops/web/static/js/ceiling.js";

const points = (...values) => values.map(([max_temperature, saturated_px]) => ({ max_temperature, saturated_px }));

test("what is over range stands above all that was measured, whatever number stands for it", () => {
  assert.deepEqual(ceilingOf(points([20, 0], [60, null], [10000, 9])), { at: 70, above: 60 });
  assert.deepEqual(ceilingOf(points([20, 0], [655.35, 4])), { at: 21, above: 20 });
});

test("without frames over range there is no such line, and of them alone no number", () => {
  assert.equal(ceilingOf(points([20, 0], [10000, 0])), null);
  assert.equal(ceilingOf([]), null);
  assert.equal(ceilingOf(points([10000, 1])).above, -Infinity);
});
