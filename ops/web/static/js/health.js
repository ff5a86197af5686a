// On every page: what is wrong with the system, and how many anomalies wait for a review.

import { address, get } from "./api.js";
import { noteServerTime } from "./clock.js";
import { at, h } from "./dom.js";
import { localTime } from "./format.js";
import { onUpdate, showTrouble } from "./live.js";
import { showWaiting } from "./shell.js";

const POLL_MS = 10000;
const PATIENCE_MS = 10000; // a connection that hangs is a connection that is lost
let answeredAt = Date.now() / 1000; // by this machine's clock
let asking = false;
let again = false;

function line(trouble) {
  return h(
    "li",
    { dataset: { role: trouble.role } },
    h("strong", null, trouble.text),
    " ",
    h("span", null, trouble.remedy),
  );
}

/** Redraw the bar only if it says something else, because screen readers read it aloud. */
function draw(troubles) {
  const bar = at("health");
  const said = JSON.stringify(troubles);
  if (bar.dataset.said === said) return;
  bar.dataset.said = said;
  bar.hidden = troubles.length === 0;
  bar.replaceChildren(...(troubles.length > 0 ? [h("ul", null, troubles.map(line))] : []));
  showTrouble(troubles.some((trouble) => trouble.role !== "disk"));
}

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  again = false;
  try {
    const health = await get(address("health"), AbortSignal.timeout(PATIENCE_MS));
    answeredAt = Date.now() / 1000;
    noteServerTime(health.now);
    delete document.documentElement.dataset.cutOff;
    draw(health.troubles);
    if (health.unreviewed !== null) showWaiting(health.unreviewed);
  } catch (error) {
    if (error.status === 401) return; // on its way to the login page
    document.documentElement.dataset.cutOff = "";
    const text = `No answer from the server since ${localTime(answeredAt)}: this page shows the state of then.`;
    draw([{ role: "server", text, remedy: error.message }]);
  } finally {
    asking = false;
    if (again) refresh();
  }
}

// everything below the bar moves down by its height
new ResizeObserver(([entry]) => {
  document.documentElement.style.setProperty("--top", `${entry.target.clientHeight}px`);
}).observe(at("top"));

refresh();
setInterval(refresh, POLL_MS);
document.addEventListener("visibilitychange", () => !document.hidden && refresh());
onUpdate(refresh);
