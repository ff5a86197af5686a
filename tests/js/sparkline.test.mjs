import assert from "node:assert/strict";
import { test } from "node:test";

import { sparkline } from "../../ops/web/static/js/sparkline.js";
import { installDocument } from "./dom.mjs";

installDocument();
const point = (score, anomaly = false) => ({ score, threshold: 4, anomaly });
const paths = (svg) => Object.fromEntries(svg.children.map((p) => [p.attributes.class, p.attributes.d]));

test("a camera without scores gets a text instead of a chart", () => {
  assert.deepEqual(sparkline([]).children, ["No scores yet"]);
});

test("the text for screen readers gives the last score, its threshold and the flagged frames", () => {
  const label = sparkline([point(5, true), point(1.234)]).attributes["aria-label"];
  assert.equal(label, "Last 2 scores: now 1.23 against a threshold of 4.00, 1 flagged");
});

test("the line spans the width, and higher scores are drawn higher", () => {
  const [first, last] = paths(sparkline([point(1), point(3)]))["spark-score"].match(/[\d.]+ [\d.]+/g);
  assert.equal(first.split(" ")[0], "4.0");
  assert.equal(last.split(" ")[0], "236.0");
  assert.ok(Number(last.split(" ")[1]) < Number(first.split(" ")[1]));
});

test("only flagged frames get a mark", () => {
  assert.equal(paths(sparkline([point(1)]))["spark-flag"], undefined);
  assert.match(paths(sparkline([point(5, true)]))["spark-flag"], /^M4\.0 /);
});

test("a single score of 0 has finite coordinates", () => {
  const { d } = sparkline([{ score: 0, threshold: 0, anomaly: false }]).children[0].attributes;
  assert.doesNotMatch(d, /NaN|Infinity/);
});
