import assert from "node:assert/strict";
import { test } from "node:test";

import { withGaps } from "../../ops/web/static/js/gaps.js";

const points = (...times) => times.map((at) => ({ at, score: 1 }));

test("an outage is a gap, and usual jitter is none", () => {
  const drawn = withGaps(points(0, 10, 21, 30, 330, 340));
  assert.deepEqual(drawn.map((point) => point.at), [0, 10, 21, 30, 180, 330, 340]);
  assert.deepEqual(drawn[4].gap, [30, 330]);
  assert.equal(drawn[4].score, undefined);
});

test("few points, simultaneous ones and bursts have no gap", () => {
  for (const times of [[], [5], [5, 500], [7, 7, 7], [0, 0, 0, 0.5, 0.5, 0.5, 1, 1, 1]]) {
    assert.equal(withGaps(points(...times)).length, times.length);
  }
});
