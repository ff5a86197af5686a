// Server-sent events report that data changed; pages then fetch what they show. Bursts are merged.

import { at } from "./dom.js";

const LEAST_GAP_MS = 400;
const RETRY_MS = 10000;
const STATES = { live: "Live", away: "Reconnecting…" };

function show(state) {
  const box = at("live");
  if (!box) return;
  box.dataset.state = state;
  box.textContent = STATES[state];
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
  connect(ask);
  return ask;
}

function connect(ask, again = false) {
  const source = new EventSource("/api/v1/events");
  let lost = again;
  source.addEventListener("open", () => {
    show("live");
    if (lost) ask();
    lost = false;
  });
  source.addEventListener("error", () => {
    show("away");
    lost = true;
    // the browser reconnects a lost stream by itself, but not a refused one
    if (source.readyState === EventSource.CLOSED) setTimeout(() => connect(ask, true), RETRY_MS);
  });
  source.addEventListener("update", ask);
  window.addEventListener("pagehide", () => source.close());
}
