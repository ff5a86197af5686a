import assert from "node:assert/strict";
import { test } from "node:test";

import { LAYOUT, regions } from "../../ops/web/static/js/picture.js";

test("a small image is enlarged by a whole factor", () => {
  assert.deepEqual(regions(160, 120).image, [14, 62, 320, 240]);
});

test("a large image is reduced to the longest side allowed", () => {
  const [, , width, height] = regions(2560, 1280).image;
  assert.deepEqual([width, height], [LAYOUT.mostSide, 640]);
});

test("an image narrower than the heading is centred below it", () => {
  const { page, image } = regions(10, 320);
  assert.equal(image[0], LAYOUT.margin + (LAYOUT.leastWidth - 10) / 2);
  assert.equal(page[2], LAYOUT.margin + LAYOUT.leastWidth + LAYOUT.gap + LAYOUT.scale);
});

test("image and scale lie within the page and apart from each other", () => {
  for (const [width, height] of [[32, 24], [160, 120], [640, 512], [1, 4000]]) {
    const { page, image, scale } = regions(width, height);
    for (const [x, y, w, h] of [image, scale]) {
      assert.ok(x >= 0 && y >= 0 && x + w <= page[2] + 6 && y + h <= page[3], `${width}×${height}`);
    }
    assert.ok(image[0] + image[2] <= scale[0]);
  }
});
