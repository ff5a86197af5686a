import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

// api.js looks up the CSRF token and the logout form when it is loaded.
globalThis.document = { querySelector: () => null };
const { Queue } = await import("../../ops/web/static/js/queue.js");

let queue;
const items = (...ids) => ids.map((id) => ({ id }));
const ids = () => queue.items.map((item) => item.id);
const serve = (results, next = null) => {
  globalThis.fetch = async () => Response.json({ results, next });
};

beforeEach(() => {
  queue = new Queue("");
  queue.items = items(1, 2, 3, 4);
  queue.current = queue.items[1];
});

test("a verdict applies to the selected items, or to the one shown", () => {
  assert.deepEqual(queue.targets(), items(2));
  queue.toggle(1);
  queue.toggle(4);
  assert.deepEqual(queue.targets(), items(1, 4));
});

test("stepping stops at both ends", () => {
  assert.equal(queue.step(-1), true);
  assert.equal(queue.step(-1), false);
  assert.equal(queue.current.id, 1);
});

test("after the one shown is removed the next is shown, at the end the last", () => {
  queue.remove([2, 3]);
  assert.equal(queue.current.id, 4);
  queue.remove([4]);
  assert.equal(queue.current.id, 1);
  queue.remove([1]);
  assert.equal(queue.current, null);
});

test("removing others keeps the one shown and forgets their selection", () => {
  queue.toggle(1);
  queue.remove([1]);
  assert.equal(queue.current.id, 2);
  assert.equal(queue.selected.size, 0);
});

test("a refresh keeps the one shown while it is unreviewed", async () => {
  serve(items(9, 1, 2));
  await queue.refresh();
  assert.deepEqual(ids(), [9, 1, 2]);
  assert.equal(queue.current.id, 2);
});

test("a refresh keeps the one shown even if somebody else has reviewed it", async () => {
  serve(items(1, 3, 4));
  await queue.refresh();
  assert.equal(queue.current.id, 2);
  assert.equal(queue.isElsewhere(), true);
  assert.equal(queue.step(1), true);
  assert.equal(queue.current.id, 3);
});

test("the one before a frame that is reviewed elsewhere is the one that stood before it", async () => {
  serve(items(1, 3, 4));
  await queue.refresh();
  queue.step(-1);
  assert.equal(queue.current.id, 1);
});

test("nothing is left after the last frame was reviewed elsewhere", async () => {
  serve([]);
  await queue.refresh();
  assert.equal(queue.current.id, 2);
  assert.equal(queue.step(1), true);
  assert.equal(queue.current, null);
});

test("loading more skips items that are already listed", async () => {
  queue.next = "cursor";
  serve(items(4, 5));
  await queue.loadMore();
  assert.deepEqual(ids(), [1, 2, 3, 4, 5]);
});
