// The review queue: unreviewed anomalies, the one shown and the selected ones.

import { address, get, query } from "./api.js";

const PAGE = 50;

export class Queue {
  constructor(camera) {
    this.camera = camera;
    this.items = [];
    this.next = null;
    this.current = null; // the result shown
    this.place = 0; // its place in the list, or where it was until it was reviewed elsewhere
    this.selected = new Set(); // ids
  }

  #url(cursor, limit) {
    const filter = { camera: this.camera, prediction: "Anomaly", review: "unreviewed" };
    return address("results") + query({ ...filter, cursor, limit });
  }

  /**
   * Fetch the head of the queue again. The item shown stays, also if somebody else has reviewed it:
   * a page that moves on by itself would give the next verdict to another frame.
   */
  async refresh() {
    const limit = Math.min(200, Math.max(PAGE, this.items.length));
    const page = await get(this.#url(null, limit));
    this.place = Math.max(this.index(), this.isElsewhere() ? this.place : 0);
    this.items = page.results;
    this.next = page.next;
    const ids = new Set(this.items.map((item) => item.id));
    for (const id of this.selected) if (!ids.has(id)) this.selected.delete(id);
    // the new row of the item shown, with its present version
    this.current = this.items[this.index()] ?? this.current ?? this.items[0] ?? null;
  }

  async loadMore() {
    if (!this.next) return;
    const page = await get(this.#url(this.next, PAGE));
    const known = new Set(this.items.map((item) => item.id));
    this.items.push(...page.results.filter((item) => !known.has(item.id)));
    this.next = page.next;
  }

  index() {
    return this.current ? this.items.findIndex((item) => item.id === this.current.id) : -1;
  }

  /** Whether the item shown is no longer in the queue. */
  isElsewhere() {
    return this.current !== null && this.index() < 0;
  }

  /** Show an item of the queue, or nothing. */
  show(item) {
    this.current = item;
    this.place = Math.max(0, this.index());
  }

  /** Show the item `by` places further on; returns whether there is one. */
  step(by) {
    // the next of an item that is gone stands at its place
    const from = this.isElsewhere() ? this.place - (by > 0 ? 1 : 0) : this.index();
    const item = this.items[from + by];
    if (!item && !this.isElsewhere()) return false;
    this.show(item ?? this.items.at(by > 0 ? -1 : 0) ?? null);
    return true;
  }

  toggle(id) {
    if (!this.selected.delete(id)) this.selected.add(id);
  }

  /** The items that a verdict applies to: the selected ones, else the one shown. */
  targets() {
    if (this.selected.size > 0) return this.items.filter((item) => this.selected.has(item.id));
    return this.current ? [this.current] : [];
  }

  /** Remove items; if the one shown is among them, show the next. */
  remove(ids) {
    const gone = new Set(ids);
    const place = this.index();
    const after = this.items.slice(Math.max(0, place)).find((item) => !gone.has(item.id));
    this.items = this.items.filter((item) => !gone.has(item.id));
    for (const id of gone) this.selected.delete(id);
    if (!this.current || gone.has(this.current.id)) {
      this.show(after ?? this.items[this.items.length - 1] ?? null);
    }
  }
}
