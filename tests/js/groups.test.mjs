import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { querySelector: () => null };
const { groupNames, grouped } = await import("../../ops/web/static/js/groups.js");

const camera = (name, group, urgency = 5) => ({ name, group, urgency });

test("groups stand by their most urgent camera, then by name; cameras without one stand last", () => {
  const sorted = [camera("a", "Hall 10", 0), camera("b", "Hall 2"), camera("c", null), camera("d", "Hall 1"), camera("e", "Hall 10")];
  const groups = grouped(sorted, (one) => one.urgency);
  assert.deepEqual(
    groups.map(([name, members]) => [name, members.map((one) => one.name)]),
    [["Hall 10", ["a", "e"]], ["Hall 1", ["d"]], ["Hall 2", ["b"]], ["Other cameras", ["c"]]],
  );
});

test("without groups in the settings there are none", () => {
  assert.deepEqual(groupNames([camera("a", null), camera("b", null)]), []);
});
