import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { querySelector: () => null };
const { Cameras } = await import("../../ops/web/static/js/cameras.js");

const points = (...ids) => ids.map((id) => ({ id, arrived_at: id, score: 1 }));
const ids = (cameras, name) => cameras.known.get(name).recent.map((point) => point.id);

test("changed cameras replace the known ones and get their new scores; the others stay", () => {
  const cameras = new Cameras(true);
  cameras.take({ complete: true, revision: "a-1", cameras: [{ name: "x", recent: points(1, 2) }, { name: "y", recent: points(3) }] });
  cameras.take({ complete: false, revision: "a-2", cameras: [{ name: "x", pending: 4, recent: points(5) }] });
  assert.equal(cameras.revision, "a-2");
  assert.equal(cameras.known.get("x").pending, 4);
  assert.deepEqual([ids(cameras, "x"), ids(cameras, "y")], [[1, 2, 5], [3]]);
});

test("a late score has its place by arrival, and only the latest 60 are kept", () => {
  const cameras = new Cameras(true);
  const all = Array.from({ length: 60 }, (_, n) => n + 1).filter((id) => id !== 30);
  cameras.take({ complete: true, revision: "a-1", cameras: [{ name: "x", recent: points(...all) }] });
  cameras.take({ complete: false, revision: "a-2", cameras: [{ name: "x", recent: points(30, 61) }] });
  assert.deepEqual(ids(cameras, "x"), Array.from({ length: 60 }, (_, n) => n + 2));
});

test("a complete answer forgets cameras that are gone", () => {
  const cameras = new Cameras(false);
  cameras.take({ complete: true, revision: "a-1", cameras: [{ name: "x", recent: [] }] });
  cameras.take({ complete: true, revision: "b-1", cameras: [] });
  assert.equal(cameras.known.size, 0);
});
