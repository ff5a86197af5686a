// Server-sent events report that data changed; pages then fetch what they show. Bursts are merged.

import { at } from "./dom.js";

const LEAST_GAP_MS = 400;
const RETRY_MS = 10000;
const STATES = { live: "Live", away: "Reconnecting…", troubled: "Not live" };

/** @type {Set<() => void>} */
const listeners = new Set(); // called when data changed
let connected = null; // whether events come; null: not known yet
let troubled = false;

function show() {
  if (connected === null && !troubled) return;
  const box = at("live");
  box.dataset.state = troubled ? "troubled" : connected ? "live" : "away";
  box.textContent = STATES[box.dataset.state];
}

/** Whether something is wrong: then a connection alone does not make the page live. */
export function showTrouble(isTroubled) {
  troubled = isTroubled;
  show();
}

/** Call `listener` when data changed, and after a reconnection. */
export function onUpdate(listener) {
  listeners.add(listener);
  if (listeners.size === 1) connect();
}

/**
 * Call `refresh` when data changed, at most every `gapMs` and never concurrently; also after a
 * reconnection and when the page becomes visible again.
 */
export function onNews(refresh, gapMs = LEAST_GAP_MS) {
  let wanted = false;
  let busy = false;
  let last = 0;

  async function run() {
    if (busy || !wanted || document.hidden) return;
    busy = true;
    wanted = false;
    const wait = last + gapMs - Date.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    last = Date.now();
    try {
      await refresh();
    } finally {
      busy = false;
      if (wanted) run();
    }
  }

  function ask() {
    wanted = true;
    run();
  }

  document.addEventListener("visibilitychange", run);
  onUpdate(ask);
  return ask;
}

function tellAll() {
  for (const listener of listeners) listener();
}

function connect(again = false) {
  const source = new EventSource("/api/v1/events");
  let lost = again;
  source.addEventListener("open", () => {
    connected = true;
    show();
    if (lost) tellAll();
    lost = false;
  });
  source.addEventListener("error", () => {
    connected = false;
    show();
    lost = true;
    // the browser reconnects a lost stream by itself, but not a refused one
    if (source.readyState === EventSource.CLOSED) setTimeout(() => connect(true), RETRY_MS);
  });
  source.addEventListener("update", tellAll);
  window.addEventListener("pagehide", () => source.close());
}
