// All cameras, kept up to date by asking only for what has changed.

import { address, get, query } from "./api.js";

const RECENT = 60; // scores of a camera that are kept

/** The latest of the known and the new scores, earliest first. */
function latest(known, news) {
  const fresh = new Set(news.map((point) => point.id));
  return [...known.filter((point) => !fresh.has(point.id)), ...news]
    .sort((a, b) => a.arrived_at - b.arrived_at || a.id - b.id)
    .slice(-RECENT);
}

export class Cameras {
  /** @param {boolean} recent whether the recent scores are wanted: most of the response */
  constructor(recent) {
    this.recent = recent;
    this.revision = null; // of the last answer
    /** @type {Map<string, any>} */
    this.known = new Map();
    /** @type {Promise<any>} */
    this.asking = Promise.resolve(); // one request at a time, or the whole would be asked for twice
  }

  /** Ask for changes; resolves to `{now, cameras}` with all cameras, by name. Rejects with `ApiError`. */
  refresh() {
    const ask = () => this.#ask();
    this.asking = this.asking.then(ask, ask);
    return this.asking;
  }

  async #ask() {
    const answer = await get(address("cameras") + query({ recent: this.recent, since: this.revision }));
    this.take(answer);
    const cameras = [...this.known.values()];
    cameras.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    return { now: answer.now, cameras };
  }

  /** Take in an answer: all cameras, or those that have changed with the scores that are new. */
  take({ complete, revision, cameras }) {
    if (complete) this.known.clear();
    for (const camera of cameras) {
      const recent = latest(this.known.get(camera.name)?.recent ?? [], camera.recent);
      this.known.set(camera.name, { ...camera, recent });
    }
    this.revision = revision;
  }
}
